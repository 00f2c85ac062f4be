/* The station: what was scanned goes into the queue, and what the server said goes onto the page. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { command, normalise } from "./codes.js";
import { createDecisions } from "./decisions.js";
import { createFeel } from "./feel.js";
import { createList } from "./list.js";
import { maskOf, openedBy } from "./packing.js";
import { profile } from "./profile.js";
import { openQueue } from "./queue.js";
import { uuid } from "./sending.js";
import { createSigning } from "./signing.js";
import { createView } from "./view.js";
import { listen } from "./wedge.js";
import { clock, spoken, wordsFor } from "./words.js";

const TICK = 400; // ms without a verdict: then a soft tone says that the scan is safe here
const NEARLY_FULL = 0.9; // of what the browser lets this site keep

const page = document.querySelector(".station");
const { user, username, name, zone, scans, batch, login, exceptions } = page.dataset;
const idle = Number(page.dataset.idle) * 1000; // ms
const masks = JSON.parse(document.getElementById("masks").textContent);
const STATION = "tracetrack.station";

let queue = null;
let finished = null; // the parent that was just completed: shown until the next scan
let full = false; // this browser's space
let said = null; // the last thing the page said, for "repeat"
const unjudged = new Set(); // ids
let alarm = 0; // the newest scan that was answered at once: good news of earlier ones don't hide it
const early = []; // codes that came before the queue was open

const isParent = (code) => Boolean(maskOf(normalise(code), masks));
const times = clock(zone);
const signing = createSigning({ url: login, username, done: () => queue.retry() });
const view = createView(page, { inTurn });
const list = createList(view.list, { clock: times, offers: offerMove, undo: (entry) => inTurn(() => takeBack(entry)) });
const feel = createFeel({ station: () => queue?.lane.station ?? "" });
const decisions = createDecisions(view.decisions, { url: exceptions, user, times, drop: (id) => queue.dropRefused(id), again: (id) => queue.sendAgain(id) });
const wedge = listen({
  field: view.field, onCode: scan, onHint: ({ text }) => view.hint(text), isParent,
  isActive: () => view.isOpen() && Boolean(queue ? queue.lane.station : localStorage.getItem(STATION)),
  profile: () => profile(queue?.lane.station ?? ""),
});

/* --- From the scanner --- */

/** One after the other: a command that follows a scan finds it in the list. */
let turn = Promise.resolve();
function inTurn(deed) {
  turn = turn.then(deed, deed);
}

function scan(code) {
  view.hint(""); // one about this code comes after it
  if (draw.ready) inTurn(() => take(code));
  else early.push(code);
}

function take(code) {
  const order = command(code);
  if (order) return obey(order);
  closeWhenIdle(); // this device may have slept until now
  finished = null;
  view.help(false);
  return keep({ kind: "scan", code });
}

/** On this device's disk first; then it is shown as safe, or as what the page knows already. */
async function keep(draft) {
  let item;
  try {
    item = await queue.capture(draft);
  } catch {
    full = true;
    return say("not_kept", gettext("This device can't keep more scans. Don't pack this bag. Connect to the network, then scan again."));
  }
  const { kind, code, told } = item;
  if (kind === "finish") return draw();
  if (kind === "undo") list.takingBack(item.scan_id, true);
  else list.add({ id: item.id, code, outcome: told, at: item.at, parent: item.parent, link: item.counts > 0 });
  if (told) {
    alarm = item.n;
    say(told, toldSentence(told, item));
  } else {
    view.outcome("safe", { detail: kind === "undo" ? gettext("Undo") : spoken(code).main });
    unjudged.add(item.id);
    setTimeout(() => unjudged.has(item.id) && feel.play("safe"), TICK);
  }
  return draw();
}

function toldSentence(outcome, { code, parent }) {
  const texts = {
    bad_code: gettext("This is not a code."),
    is_child: gettext("%(code)s is a child. Scan a parent first."),
    already_linked: gettext("%(code)s is in %(parent)s already."),
  };
  return interpolate(texts[outcome], { code: spoken(code).main, parent });
}

function say(outcome, detail, more = {}) {
  said = { outcome, detail, more };
  view.outcome(outcome, { detail, ...more });
  feel.play(wordsFor(outcome).tone);
}

/* --- Command codes: a packer needs no mouse --- */

function obey(order) {
  if (order === "help") return view.help(true);
  if (view.sayYes(order)) return undefined;
  if (order === "echo") return said && say(said.outcome, said.detail, said.more);
  if (order === "undo") return undoNewest();
  if (order === "finish") return askFinish({ command: "finish" });
  return undefined;
}

/* --- From the server --- */

/** Verdicts, in order. Of several at once the ear gets the worst, and the eye too. */
function judged(done) {
  const news = done.map(settle).filter(Boolean);
  const worst = news.findLast(({ outcome }) => wordsFor(outcome).tone === "no") ?? news.at(-1);
  if (worst) say(worst.outcome, worst.detail, worst.more);
  if (done.some(({ result }) => result.exception)) decisions.load(queue.lane.station);
  draw();
}

/** What to say of one verdict; nothing of what the page has said already. */
function settle({ item, result }) {
  const { outcome } = result;
  const own = item.lane === queue.lane.lane;
  unjudged.delete(item.id);
  const opened = item.kind === "scan" && ["parent_opened", "parent_created"].includes(outcome);
  if (own && (opened || item.counts > 0)) finished = null;
  if (own && ["completed", "finished"].includes(outcome) && !queue.lane.parent) finished = { ...result.parent, known: true, extra: 0 };
  if (item.kind === "undo") {
    list.takingBack(item.scan_id, false);
    if (outcome === "undone") list.update(item.scan_id, { undone: true });
    if (outcome === "nothing_to_undo") list.update(item.scan_id, { link: false });
  }
  const entry = { ...entryOf(result), outcome, parent: result.parent?.qr_id ?? item.parent, link: ["linked", "completed"].includes(outcome) };
  if (item.kind === "scan" || item.kind === "move") list.update(item.id, entry);
  const bad = wordsFor(outcome).tone === "no";
  const mine = own || (bad && item.station === queue.lane.station); // its own tab may be gone
  if (!mine || item.told === outcome || (item.n < alarm && !bad)) return null;
  const offer = offerMove({ ...entry, id: item.id, code: item.code, parent: item.parent });
  return { outcome, detail: sentence(outcome, result), more: { offer } };
}

function entryOf({ child = null, parent, held_by = null, detail }) {
  return { child, child_count: parent?.child_count ?? null, capacity: parent?.capacity ?? null, held_by, detail };
}

function sentence(outcome, { detail, held_by: held }) {
  if (outcome !== "linked_elsewhere" || !held) return detail ?? "";
  const packed = gettext("Packed by %(by)s at %(station)s since %(at)s.");
  return `${detail} ${interpolate(packed, { by: held.by ?? "?", station: held.station ?? "?", at: times.since(held.at) })}`;
}

/* --- What a person can press --- */

/** A button that moves a refused child here, as long as the parent it was scanned for is open. */
function offerMove({ id, outcome, code, child, parent, held_by: held }) {
  if (outcome !== "linked_elsewhere" || !held || !("moves" in page.dataset)) return null;
  if (!parent || queue?.lane.parent?.qr_id !== parent) return null;
  return view.move(gettext("Move here"), (byKeyboard) => {
    const question = interpolate(gettext("Move %(code)s from %(from)s to %(parent)s?"), { code: spoken(child ?? code).main, from: held.qr_id, parent });
    view.ask({ question, yes: gettext("Move"), no: gettext("Leave it"), parent, byKeyboard }, () => {
      list.update(id, { held_by: null }); // asked once
      keep({ kind: "move", code, parent, from: held.qr_id });
    });
  });
}

function askFinish(more) {
  const open = queue.lane.parent;
  if (!open) return say("is_child", gettext("No parent is open."));
  const { qr_id: parent } = open;
  const question = () => {
    const { child_count: n, extra, capacity } = queue.lane.parent ?? open;
    return interpolate(gettext("Finish %(parent)s with %(n)s of %(capacity)s?"), { parent, n: n + extra, capacity: capacity ?? "?" });
  };
  return view.ask({ question, yes: gettext("Finish"), no: gettext("Go on"), parent, ...more }, () => keep({ kind: "finish", parent }));
}

function undoNewest() {
  const link = list.newestLink();
  if (link) return takeBack(link);
  return say("nothing_to_undo", gettext("There is no link of the last hour to take back here."));
}

function takeBack({ id, code, parent }) {
  return keep({ kind: "undo", scan_id: id, code, parent });
}

view.onPress("finish", (byKeyboard) => askFinish({ byKeyboard, command: "finish" }));
view.onPress("undo", () => inTurn(undoNewest));
view.onPress("retry", () => queue.retry());
view.onPress("mute", () => feel.setMuted(!feel.muted()));
view.onPress("start-shift", () => begin());
view.onPress("change", () => view.choose(queue.lane.station));
view.volume.addEventListener("input", () => feel.setVolume(view.volume.value));
view.volume.addEventListener("change", () => feel.play("yes"));
feel.onChange(draw);
view.onAnswer(() => wedge.wake());
view.onSignIn(signing.signIn);
view.onChosen((chosen) => {
  if (isParent(chosen)) return gettext("This is a bag's code, not a station's name.");
  localStorage.setItem(STATION, chosen);
  begin();
  if (chosen !== queue.lane.station) list.clear();
  queue.change((lane) => (lane.station = chosen)).then(start);
  return "";
});

/** The first tap or key: from now on there is sound. */
async function begin() {
  if (feel.started()) return;
  await feel.start();
  draw();
}
// Not on pointerdown: the page would move under the finger before it is a click.
for (const kind of ["keydown", "click"]) document.addEventListener(kind, () => queue && view.isOpen() && begin());

/* --- On the page --- */

function draw() {
  if (!draw.ready) return;
  const { lane, waiting, trouble, others, refused } = queue;
  const { parent } = lane;
  const isFull = parent?.capacity && parent.known && parent.child_count + parent.extra >= parent.capacity;
  view.draw({
    station: lane.station,
    parent: parent ?? finished,
    phase: phase(parent, isFull, trouble && waiting),
    open: Boolean(parent),
    waiting, trouble, others, full,
    link: list.newestLink(),
    feel,
  });
  decisions.drawRefused(refused);
  if (draw.parent !== parent?.qr_id) list.refresh(); // offers to move depend on it
  draw.parent = parent?.qr_id;
}

function phase(parent, isFull, unsent) {
  if (!parent) return finished ? gettext("Packed") : gettext("Scan a parent");
  if (isFull && unsent) return gettext("Full, not sent yet. Scan the next parent");
  return unsent ? gettext("Packing, not sent yet") : gettext("Packing");
}

function closeWhenIdle() {
  const { parent, touched } = queue.lane;
  if (!parent || Date.now() - touched < idle) return;
  finished = null;
  const minutes = Math.max(1, Math.round(idle / 60_000));
  queue.change((lane) => {
    if (lane.touched === touched) lane.parent = null;
  });
  queue.lane.parent = null; // for the scan that comes right now
  const word = interpolate(gettext("%(parent)s was closed"), { parent: parent.qr_id });
  view.show({ tone: "rest", icon: "wait", word, detail: interpolate(gettext("Nothing was scanned for %(n)s minutes."), { n: minutes }) });
  draw();
}

async function loadList(station) {
  try {
    const response = await fetch(`${scans}?station=${encodeURIComponent(station)}`, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { results } = await response.json();
    if (station === queue.lane.station) list.load(results);
    draw();
  } catch {
    setTimeout(() => station === queue.lane.station && loadList(station), 5000);
  }
}

async function start() {
  draw.ready = true;
  const { station } = queue.lane;
  if (!station) {
    view.choose("");
    draw();
    return;
  }
  view.open();
  for (const { kind, id, code, told, at, parent, counts, scan_id } of await queue.newest(20)) {
    if (kind === "undo") list.takingBack(scan_id, true);
    else if (kind !== "finish") list.add({ id, code, outcome: told, at, parent, link: counts > 0 });
  }
  loadList(station);
  decisions.load(station);
  queue.beat();
  draw();
  wedge.wake();
  early.splice(0).forEach(scan);
}

/** Scans that the page before this one kept in the tab itself. */
async function adopt(key) {
  const old = JSON.parse(sessionStorage.getItem(key) ?? "null");
  if (!old?.items) return;
  await queue.change((lane) => {
    lane.station ??= old.station;
    if (old.parent) lane.parent ??= { ...openedBy(uuid(), old.parent), known: true };
  });
  for (const { id, kind, code, at, parent, from, link, request } of old.items) {
    const fixed = request && kind === "scan" ? { parent: request.body.parent ?? null } : {};
    await queue.capture({ kind, id, code, at, parent, from, scan_id: link, fixed });
  }
  sessionStorage.removeItem(key);
}

async function watchSpace() {
  const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
  full = quota > 0 && usage / quota > NEARLY_FULL;
  draw();
}

/** Where the page came over https, it opens without the network too. */
async function serveOffline() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/scan/worker.js", { scope: "/scan/" });
  const { active } = await navigator.serviceWorker.ready;
  const files = performance.getEntriesByType("resource").map(({ name: url }) => url);
  active.postMessage({ files: files.filter((url) => /\/(static|jsi18n)\//.test(url)) });
}

try {
  queue = await openQueue({ url: batch, user, name, masks, judged, changed: draw, renew: signing.renew, outdated: () => location.reload() });
  if (!queue.lane.station && localStorage.getItem(STATION)) await queue.change((lane) => (lane.station = localStorage.getItem(STATION)));
  await adopt(`tracetrack.queue.${user}`);
  closeWhenIdle();
  setInterval(closeWhenIdle, Math.min(1000, idle / 4));
  setInterval(watchSpace, 60_000);
  await start();
} catch {
  view.show({ tone: "no", icon: "no", word: gettext("This browser can't keep scans"), detail: gettext("Allow this site to store data, leave private mode, and load the page again.") });
}
page.dataset.ready = "";
serveOffline().catch(() => {}); // without it the page needs the network to open, scans don't
