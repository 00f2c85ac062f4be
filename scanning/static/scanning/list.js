/* The last scans of a station, newest on top: what waits is grey, what was judged has its word. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { button, element, icon, spoken, wordsFor } from "./words.js";

const LENGTH = 20;
const UNDO_WITHIN = 60 * 60 * 1000; // ms: the server takes back no older link

/** An entry: {id, code, outcome (null while it waits), parent, child, child_count, capacity, at,
    link (it may have made a link), undone}. */
export function createList(list, { clock, offers, undo }) {
  const entries = []; // newest first
  const undoing = new Set(); // ids: taken back, not sent yet

  function add(entry) {
    if (entries.some((one) => one.id === entry.id)) return;
    entries.unshift(entry);
    entry.row = draw(entry);
    list.prepend(entry.row);
    trim();
  }

  function update(id, news) {
    const entry = entries.find((one) => one.id === id);
    if (!entry) return;
    Object.assign(entry, news);
    redraw(entry);
  }

  function takingBack(id, waits) {
    undoing[waits ? "add" : "delete"](id);
    update(id, {});
  }

  function redraw(entry) {
    const row = draw(entry);
    entry.row.replaceWith(row);
    entry.row = row;
  }

  /** The server's list, below what this page knows better already. */
  function load(results) {
    const known = new Set(entries.map((entry) => entry.id));
    for (const result of results) {
      if (known.has(result.scan_id)) continue;
      const link = ["linked", "completed"].includes(result.outcome) && result.stands !== false;
      const entry = { ...result, id: result.scan_id, code: result.raw ?? result.code, link };
      entry.row = draw(entry);
      entries.push(entry);
      list.append(entry.row);
    }
    trim();
  }

  function clear() {
    entries.splice(0).forEach((entry) => entry.row.remove());
  }

  /** What waits is never cut from the list's data, though it may be from the page. */
  function trim() {
    while (entries.length > LENGTH && entries.at(-1).outcome) entries.pop().row.remove();
    entries.forEach((entry, place) => (entry.row.hidden = place >= LENGTH));
  }

  function canUndo(entry) {
    return entry.link && !entry.undone && !undoing.has(entry.id) && Date.now() - new Date(entry.at) < UNDO_WITHIN;
  }

  /** The newest link that still stands, or will once it is sent: what Undo takes back. */
  function newestLink() {
    return entries.find(canUndo) ?? null;
  }

  function draw(entry) {
    const { tone, icon: sign, word } = appearance(entry);
    const { main, lot } = spoken(entry.child ?? entry.code);
    const code = element("span", "code", main);
    const row = element("li", "scan", element("span", "sign", icon(sign)), code, element("span", "word", word));
    row.dataset.tone = tone;
    row.dataset.outcome = entry.undone ? "undone" : entry.outcome ?? "waiting";
    row.append(element("span", "place", tone === "no" ? reason(entry) : [entry.parent !== main && entry.parent, lot].filter(Boolean).join(" · ")));
    const counted = entry.child_count !== null && entry.child_count !== undefined && ["yes", "done"].includes(tone);
    row.append(element("span", "of", counted ? interpolate(gettext("%(n)s of %(capacity)s"), { n: entry.child_count, capacity: entry.capacity }) : ""));
    const time = element("time", "at", clock.time(entry.at));
    time.dateTime = new Date(entry.at).toISOString();
    row.append(time);
    const offer = entry.outcome && !entry.undone && offers(entry);
    if (offer) row.append(offer);
    if (canUndo(entry)) row.append(takeBack(entry, main));
    return row;
  }

  function takeBack(entry, name) {
    const press = button("", () => undo(entry), "quiet round back");
    press.append(icon("undo"));
    press.setAttribute("aria-label", interpolate(gettext("Take back %(code)s"), { code: name }));
    return press;
  }

  function appearance(entry) {
    if (entry.undone) return wordsFor("undone");
    if (undoing.has(entry.id)) return { ...wordsFor("safe"), icon: "undo", word: gettext("Taken back, not sent yet") };
    if (entry.outcome) return wordsFor(entry.outcome);
    return { ...wordsFor("safe"), word: gettext("Safe, not sent yet") };
  }

  function reason({ held_by: held, detail }) {
    return held ? interpolate(gettext("It is in %(parent)s."), { parent: held.qr_id }) : detail ?? "";
  }

  return { add, update, takingBack, load, clear, newestLink, refresh: () => entries.forEach((entry) => entry.held_by && redraw(entry)) };
}
