/* The station: what was scanned goes into the queue, and what the server said goes onto the page. The
   page holds the open parent. No other tab knows it, and neither does the server. */

import { createList } from "./list.js";
import { createQueue, leftByOthers } from "./queue.js";
import { isMuted, mute, play } from "./tones.js";
import { createView } from "./view.js";
import { listen, normalise } from "./wedge.js";
import { clock, spoken, wordsFor } from "./words.js";

const page = document.querySelector(".station");
const { user, zone, scans, undo, move, finish, login } = page.dataset;
const idle = Number(page.dataset.idle) * 1000; // ms
const masks = JSON.parse(document.getElementById("masks").textContent).map(
  (mask) => new RegExp(`^${mask.replace(/[^\w# ]/g, "\\$&").replace(/#/g, "\\d")}$`),
);
const STATION = "tracetrack.station";
const QUEUE = "tracetrack.queue.";

const isParent = (code) => masks.some((mask) => mask.test(normalise(code)));
const times = clock(zone);
const view = createView(page, { times, login });
const list = createList(view.list, { clock: times, offers: offerMove });
const queue = createQueue({ key: QUEUE + user, user, prepare, settle, changed: draw, renew });
const { state } = queue;
state.station ??= localStorage.getItem(STATION);
let finished = null; // the parent that was just completed: shown until the next scan

/* --- From the scanner --- */

const wedge = listen({ field: view.field, onCode: scan, isParent, isActive: () => Boolean(state.station) && view.isOpen() });

function scan(code) {
  closeWhenIdle(); // this device may have slept until now
  finished = null;
  state.touched = Date.now();
  send({ kind: "scan", code });
}

function send(what) {
  const item = queue.add({ ...what, station: state.station, at: new Date().toISOString() });
  view.show({ tone: "wait", icon: "wait", word: spoken(item.code).main, detail: "" });
  list.add({ id: item.id, code: item.code, outcome: null, at: item.at });
}

/* --- To the server --- */

/** An item's turn has come: only now is it known which parent is open. */
function prepare(item) {
  const { id, code, station } = item;
  const once = { scan_id: id, station, code, scanned_at: item.at };
  if (item.kind === "undo") return { url: undo, body: { undo_id: id, station, scan_id: item.link ?? null } };
  if (item.kind === "finish") return { url: finish, body: { parent: item.parent, station } };
  if (item.kind === "move") return { url: move, body: { ...once, parent: item.parent, from: item.from } };
  const opens = item.asParent || !state.parent || isParent(code);
  return { url: scans, body: { ...once, parent: opens ? null : state.parent.qr_id } };
}

async function renew() {
  try {
    await fetch(location.pathname, { credentials: "same-origin", signal: AbortSignal.timeout(5000) });
  } catch { /* the next try will tell */ }
}

/** The server's verdict on an item. */
function settle(item, answer) {
  const outcome = answer.outcome ?? answer.code;
  const named = item.request.body.parent; // null where it was to open a parent
  const row = item.row ?? item.id;
  if (item.kind === "scan" && named && outcome === "is_parent") return { asParent: true, row };
  state.touched = Date.now();
  follow(item, outcome, answer.parent, named);
  if (item.kind === "undo" && outcome === "undone") list.update(answer.scan_id, { undone: true });
  if (outcome === "not_newest") { // another tab or device packs here too
    list.clear();
    loadList(state.station);
  }
  if (item.kind === "scan" || item.kind === "move") {
    list.update(row, { outcome, ...entryOf(answer), parent: answer.parent?.qr_id ?? named });
  }
  const words = { ...wordsFor(outcome), detail: sentence(outcome, answer), outcome, held: answer.held_by };
  view.show({ ...words, offer: offerMove({ ...entryOf(answer), id: row, outcome, code: item.code, parent: named }) });
  play(words.tone);
  return null;
}

function entryOf({ child = null, parent, held_by = null, detail }) {
  return { child, child_count: parent?.child_count ?? null, capacity: parent?.capacity ?? null, held_by, detail };
}

function sentence(outcome, { detail, held_by: held }) {
  if (outcome !== "linked_elsewhere" || !held) return detail ?? "";
  return `${detail} Packed ${held.by ? `by ${held.by} ` : ""}${held.station ? `at ${held.station} ` : ""}` +
    `since ${times.since(held.at)}.`;
}

/** Which parent is open after this verdict. */
function follow(item, outcome, parent, named) {
  const same = parent && state.parent?.qr_id === parent.qr_id;
  const last = state.last; // the parent that this page had open last; another tab's never opens here
  if (["parent_created", "parent_opened"].includes(outcome)) state.parent = parent;
  else if (item.kind === "scan" && named === null) state.parent = null; // what comes must not land in the old one
  else if (["completed", "finished"].includes(outcome)) {
    finished = parent;
    if (same) state.parent = null;
  } else if (outcome === "unknown_parent") state.parent = null;
  else if (same || (outcome === "undone" && !state.parent && parent?.qr_id === last)) state.parent = parent;
  if (state.parent) state.last = state.parent.qr_id;
}

/* --- What a person can press --- */

/** A button that moves a refused child here, as long as the parent it was scanned for is open. */
function offerMove({ id, outcome, code, child, parent, held_by: held }) {
  if (outcome !== "linked_elsewhere" || !held || !("moves" in page.dataset)) return null;
  if (!parent || state.parent?.qr_id !== parent) return null;
  return view.button("Move here", (byKeyboard) => {
    const question = `Move ${spoken(child ?? code).main} from ${held.qr_id} to ${parent}?`;
    view.ask({ question, yes: "Move", no: "Leave it", parent, byKeyboard }, () => {
      list.update(id, { held_by: null }); // asked once
      send({ kind: "move", code, parent, from: held.qr_id });
    });
  });
}

view.onPress("finish", (byKeyboard) => {
  const { qr_id: parent } = state.parent;
  const question = () => `Finish ${parent} with ${state.parent?.child_count} of ${state.parent?.capacity}?`;
  view.ask({ question, yes: "Finish", no: "Go on", parent, byKeyboard }, () =>
    queue.add({ kind: "finish", parent, station: state.station }));
});
view.onPress("undo", () => queue.add({ kind: "undo", station: state.station, link: list.newestLink()?.id }));
view.onPress("retry", () => queue.retry());
view.onPress("mute", () => {
  mute(!isMuted());
  draw();
});
view.onPress("change", () => view.choose(state.station));
view.onAnswer(() => wedge.wake());
view.onChosen((name) => {
  if (isParent(name)) return "This is a bag's code, not a station's name.";
  localStorage.setItem(STATION, name);
  if (name !== state.station) list.clear();
  state.station = name;
  start();
  return "";
});

/* --- On the page --- */

function draw(trouble = draw.trouble) {
  draw.trouble = trouble;
  if (!draw.ready) return;
  view.draw({
    station: state.station,
    parent: state.parent ?? finished,
    phase: state.parent ? "Packing" : finished ? "Packed" : "Scan a parent",
    expected: expectedParent(),
    open: Boolean(state.parent),
    waiting: state.items.length,
    trouble,
    full: queue.isFull(),
    others: leftByOthers(QUEUE, QUEUE + user),
    link: list.newestLink(),
    older: list.isFull(),
    muted: isMuted(),
  });
  if (draw.parent !== state.parent?.qr_id) list.refresh(); // offers to move depend on it
  draw.parent = state.parent?.qr_id;
}

/** While nothing can be sent: the parent that will be open once the waiting scans are. */
function expectedParent() {
  const opener = state.items.findLast((item) => item.kind === "scan" && (item.asParent || isParent(item.code)));
  return opener ? normalise(opener.code) : null;
}

function closeWhenIdle() {
  if (!state.parent || state.items.length || Date.now() - state.touched < idle) return;
  const { qr_id: parent } = state.parent;
  state.parent = finished = null;
  queue.save();
  const minutes = Math.max(1, Math.round(idle / 60_000));
  view.show({ tone: "rest", icon: "wait", word: `${parent} was closed`, detail: `Nothing was scanned for ${minutes} minutes.` });
  draw();
}

async function loadList(station) {
  try {
    const response = await fetch(`${scans}?station=${encodeURIComponent(station)}`, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { results } = await response.json();
    if (station === state.station) list.load(results);
    draw();
  } catch {
    setTimeout(() => station === state.station && loadList(station), 5000);
  }
}

function start() {
  draw.ready = true;
  queue.save();
  if (!state.station) {
    view.choose("");
    draw();
    return;
  }
  view.open();
  for (const item of state.items) {
    if (item.kind === "scan" || item.kind === "move") list.add({ id: item.row ?? item.id, code: item.code, outcome: null, at: item.at });
  }
  loadList(state.station);
  draw();
  wedge.wake();
}

closeWhenIdle();
setInterval(closeWhenIdle, Math.min(1000, idle / 4));
start();
page.dataset.ready = "";
