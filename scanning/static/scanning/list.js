/* The last scans of a station, newest on top: what waits is grey, what was judged has its word. */

import { element, icon, spoken, wordsFor } from "./words.js";

const LENGTH = 20;
const UNDO_WITHIN = 60 * 60 * 1000; // ms: the server takes back no older link

/** An entry: {id, code, outcome (null while it waits), parent, child, child_count, capacity, at, undone}. */
export function createList(list, { clock, offers }) {
  const entries = []; // newest first

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
      const entry = { ...result, id: result.scan_id };
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

  /** The newest link that still stands: what Undo would take back. */
  function newestLink() {
    const link = entries.find((entry) => ["linked", "completed"].includes(entry.outcome) && !entry.undone && entry.stands !== false);
    return link && Date.now() - new Date(link.at) < UNDO_WITHIN ? link : null;
  }

  /** Whether there may be older scans than those in the list. */
  function isFull() {
    return entries.length >= LENGTH;
  }

  function draw(entry) {
    const { tone, icon: sign, word } = entry.undone
      ? wordsFor("undone")
      : entry.outcome ? wordsFor(entry.outcome) : { tone: "wait", icon: "wait", word: "Waiting" };
    const { main, lot } = spoken(entry.child ?? entry.code);
    const code = element("span", "code", main);
    const row = element("li", "scan", element("span", "sign", icon(sign)), code, element("span", "word", word));
    row.dataset.tone = tone;
    row.dataset.outcome = entry.undone ? "undone" : entry.outcome ?? "waiting";
    row.append(element("span", "place", tone === "no" ? reason(entry) : [entry.parent !== main && entry.parent, lot].filter(Boolean).join(" · ")));
    const counted = entry.child_count !== null && entry.child_count !== undefined && ["yes", "done"].includes(tone);
    row.append(element("span", "of", counted ? `${entry.child_count} of ${entry.capacity}` : ""));
    const time = element("time", "at", clock.time(entry.at));
    time.dateTime = new Date(entry.at).toISOString();
    row.append(time);
    const offer = entry.outcome && !entry.undone && offers(entry);
    if (offer) row.append(offer);
    return row;
  }

  function reason({ held_by: held, detail }) {
    return held ? `It is in ${held.qr_id}.` : detail ?? "";
  }

  return { add, update, load, clear, isFull, newestLink, refresh: () => entries.forEach((entry) => entry.held_by && redraw(entry)) };
}
