/* Loading a bill, and taking back on a ticket: what was scanned goes into the queue, and what the server
   said goes onto the page. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { renew as renewParts } from "../tracetrack/live.js";
import { command, normalise, read } from "../scanning/codes.js";
import { createFeel } from "../scanning/feel.js";
import { maskOf } from "../scanning/packing.js";
import { profile } from "../scanning/profile.js";
import { uuid } from "../scanning/sending.js";
import { createSigning } from "../scanning/signing.js";
import { listen } from "../scanning/wedge.js";
import { clock, element, spoken } from "../scanning/words.js";
import { createList } from "./loading_list.js";
import { openQueue } from "./loading_queue.js";
import { createRefused } from "./loading_refused.js";
import { createView } from "./loading_view.js";
import { createWatch } from "./loading_watch.js";
import { emptySentence, KINDS, nameOf, toldSentence, words } from "./loading_words.js";

const TICK = 400; // ms without a verdict: then a soft tone says that the scan is safe here
const STANDS = { loaded: true, returned: true, unloaded: false, taken_back: false, not_on_bill: false, not_returned: false };
const STATION = kept("localStorage", "tracetrack.station") ?? ""; // whose scanner this device has

const page = document.querySelector(".loading");
const { on, user, username, name, zone, put, off, finish, login } = page.dataset;
const kind = KINDS[page.dataset.kind];
const masks = JSON.parse(document.getElementById("masks").textContent);
const LOADED = `tracetrack.loaded.${on}`;

let queue = null;
let state = JSON.parse(document.getElementById("state").textContent);
let said = null; // the last thing the page said, for "repeat"
let own = JSON.parse(kept("sessionStorage", LOADED) ?? "[]"); // what this tab loaded, oldest first: for Undo
let newest = { id: null, n: 0 }; // the last that was kept
let alarm = 0; // what was answered at once: good news of earlier ones don't hide it
let leaving = false; // to where the bill is completed, once all is sent
const tab = kept("sessionStorage", "tracetrack.tab") ?? uuid(); // it tells what it scanned itself, after a reload too
const unjudged = new Set(); // ids
const early = []; // codes that came before the queue was open

const times = clock(zone);
const signing = createSigning({ url: login, username, done: again });
const view = createView(page, kind, { inTurn });
const billAt = (id) => page.dataset.bill.replace("/0/", `/${id}/`);
const list = createList(view.list, { kind, user, name, clock: times, billAt, takeOff: ({ bag }) => inTurn(() => takeOff(bag)) });
const heap = {
  kind, billAt, times, accept: (item) => inTurn(() => accept(item)), drop: (ids) => queue.drop(...ids), again: (id) => queue.sendAgain(id),
};
const refused = { put: createRefused(view.refused, heap), off: createRefused(view.stayed, heap) };
const feel = createFeel({ station: () => "" });
const wedge = listen({
  field: view.field, onCode: scan, onHint: ({ text }) => view.hint(text), profile: () => profile(STATION),
  isParent: (code) => Boolean(maskOf(normalise(code), masks)),
});
const watch = createWatch({
  page, user, list, isOpen: kind.isOpen, now: () => state, heard: (news) => (state = news), draw, told: (why) => queue.told(why), gone: (detail) => say("permission_denied", detail),
  edited, came: (lines) => view.news(kind.came([...new Set(lines.map(({ by }) => by))].join(", "), lines.map(({ bag }) => bag).join(", "))),
});

/* --- From the scanner --- */

/** One after the other: a command that follows a scan finds it in the list. */
let turn = Promise.resolve();
function inTurn(deed) {
  turn = turn.then(deed, deed);
}

function scan(code) {
  view.hint(""); // one about this code comes after it
  if (queue) inTurn(() => take(code));
  else early.push(code);
}

function take(code) {
  const order = command(code);
  if (order) return obey(order);
  const { qr_id: id, form } = read(code);
  const bag = id || normalise(code);
  leaving = false;
  view.help(false);
  view.close(); // the next scan says no
  view.news("");
  list.calm();
  const told = !kind.isOpen(state) ? kind.closed : form === "bad" ? "bad_code" : form === "label" ? "is_child" : list.stands(bag) ? kind.already : null;
  return keep({ kind: "put", url: put, code, bag, told });
}

/** On this device's disk first; then it is shown as safe, or as what the page knows already. */
async function keep(draft) {
  let item;
  try {
    item = await queue.keep({ ...draft, on });
  } catch {
    return sayAtOnce("not_kept", gettext("This device can't keep more scans. Put this parent aside. Connect to the network, then scan again."));
  }
  newest = item;
  if (item.kind === "put" && !item.told) recall(item, true);
  if (!item.told) list.waits(item);
  if (item.told) {
    sayAtOnce(item.told, toldSentence(item.told, spoken(item.code).main, list.stands(item.bag)), item.n);
  } else {
    view.outcome("safe", { detail: item.kind === "off" ? kind.off(item.bag) : spoken(item.code).main });
    unjudged.add(item.id);
    setTimeout(() => unjudged.has(item.id) && feel.play("safe"), TICK);
  }
  return draw();
}

/** `since`: of scans before this one good news are not said any more. */
function sayAtOnce(outcome, detail, since = newest.n + 1) {
  alarm = since;
  say(outcome, detail);
}

function say(outcome, detail, more = {}) {
  said = { outcome, detail, more };
  view.outcome(outcome, { detail, ...more });
  feel.play(words(outcome).tone);
}

/* --- Command codes: nobody needs a mouse --- */

function obey(order) {
  if (view.sayYes(order)) return undefined;
  view.close();
  if (order === "help") return view.help(true);
  if (order === "echo") return said && say(said.outcome, said.detail, said.more);
  if (order === "undo") return undoNewest();
  if (order === "finish") return leave();
  return undefined;
}

/* --- From the server --- */

/** Verdicts, in order. Of several at once the ear gets the worst, and the eye too. */
function judged(done) {
  const here = done.filter(({ item }) => item.on === on);
  if (!here.length) return;
  const news = here.map(settle).filter(Boolean);
  const worst = news.findLast(({ outcome }) => words(outcome).tone === "no") ?? news.at(-1);
  if (worst) say(worst.outcome, worst.detail, worst.more);
  if (worst && words(worst.outcome).tone === "no") leaving = false;
  draw();
}

/** What to say of one verdict; nothing of what the page has said already. */
function settle({ item, result }) {
  unjudged.delete(item.id);
  const { outcome } = result;
  const done = STANDS[outcome];
  if (result.state) watch.verdict(result.state);
  list.settle(item, done, result);
  if (item.kind === "put" && item.tab === tab) recall(item, done === true);
  const bad = words(nameOf(result)).tone === "no";
  if (item.tab !== tab || outcome === "not_needed" || outcome === item.told || (item.n < alarm && !bad)) return null;
  if (outcome === "empty_parent" && item.id === newest.id) ask(item, result.detail);
  const detail = outcome === "empty_parent" ? emptySentence(item.bag) : result.detail ?? "";
  return { outcome: nameOf(result), detail, more: { offer: offer(item, result) } };
}

/** What can be done about it at once. */
function offer({ bag }, { warning, held_by: held, outcome }) {
  if (warning) return view.offer(gettext("Take off"), () => inTurn(() => takeOff(bag)));
  if (!held || !["on_other_bill", "not_dispatched"].includes(outcome)) return null;
  const link = element("a", "button move", interpolate(gettext("Look at bill %(number)s"), { number: held.number }));
  link.href = billAt(held.bill);
  return link;
}

/** Asked once: the next scan, whatever it is, says no. */
function ask(item, question) {
  view.ask({ question, yes: gettext("Load it"), no: gettext("No"), then: () => accept(item) });
}

function accept({ code, bag }) {
  return keep({ kind: "put", url: put, code, bag, accept_empty: true });
}

/** Somebody changed the header, completed it or opened it again. */
async function edited(old) {
  try {
    const response = await fetch(location.href, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(5000) });
    if (response.ok) renewParts(await response.text());
  } catch { /* the figures are new all the same */ }
  const over = document.querySelector("[data-live=closed]").textContent.trim();
  if (over && kind.isOpen(old) && !kind.isOpen(state)) say(kind.closed, over);
  else view.news(kind.changed());
}

/* --- What a person can press --- */

/** Whether Undo may take off what this tab has put. */
function recall({ id, bag }, stands) {
  if (stands === own.some((one) => one.id === id)) return;
  remember(stands ? [...own, { id, bag }] : own.filter((one) => one.id !== id));
}

function kept(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch { // this browser keeps nothing
    return null;
  }
}

function remember(all) {
  own = all;
  try {
    sessionStorage.setItem("tracetrack.tab", tab);
    sessionStorage.setItem(LOADED, JSON.stringify(all));
  } catch { /* then Undo knows them until the page is closed */ }
}

function undoNewest() {
  const bag = list.newestOf(own.map((one) => one.bag));
  if (bag) return takeOff(bag);
  return sayAtOnce("nothing_to_undo", kind.nothing());
}

function takeOff(bag) {
  const undoes = list.stands(bag) ? [] : queue.putsOf(on, bag);
  return keep({ kind: "off", url: off, code: bag, bag, undoes });
}

/** To the page on which it is completed, when all scans have arrived. */
function leave() {
  if (!finish || !kind.isOpen(state)) return;
  leaving = true;
  view.outcome("safe", { detail: kind.leaving() });
  draw();
}

function again() {
  queue.retry();
  watch.now();
}

view.onPress("undo", () => inTurn(undoNewest));
view.onPress("finish", () => inTurn(leave));
view.onPress("retry", again);
view.onPress("mute", () => feel.setMuted(!feel.muted()));
view.onPress("start-shift", () => begin());
view.volume.addEventListener("input", () => feel.setVolume(view.volume.value));
view.volume.addEventListener("change", () => feel.play("yes"));
view.onAnswer(() => wedge.wake());
view.onSignIn(signing.signIn);
feel.onChange(draw);

/** The first tap or key: from now on there is sound. */
async function begin() {
  if (feel.started()) return;
  await feel.start();
  draw();
}
for (const event of ["keydown", "click"]) document.addEventListener(event, () => queue && begin());

/* --- On the page --- */

function draw() {
  if (!queue) return;
  const open = kind.isOpen(state);
  page.dataset.open = open;
  view.draw({ state, open, newest: list.newestOf(own.map(({ bag }) => bag)), feel, waiting: queue.waiting, trouble: queue.trouble, others: queue.others });
  const here = queue.refused.filter((item) => item.on === on);
  refused.put.draw(here.filter(({ kind: deed, bag }) => deed === "put" && !list.stands(bag)));
  refused.off.draw(here.filter(({ kind: deed, bag }) => deed === "off" && list.stands(bag)));
  if (leaving && !queue.items.some((item) => item.on === on)) location.assign(finish);
}

remember(own); // and this tab's name
try {
  queue = await openQueue({ user, name, tab, judged, changed: draw, renew: signing.renew, outdated: () => location.reload() });
  for (const item of queue.items) if (item.on === on && !item.told) list.waits(item);
  draw();
  watch.start();
  wedge.wake();
  early.splice(0).forEach(scan);
} catch {
  view.show({ tone: "no", icon: "no", word: gettext("This browser can't keep scans"), detail: gettext("Allow this site to store data, leave private mode, and load the page again.") });
}
page.dataset.ready = "";
