/* The parents on a bill or a ticket, newest on top, a row each. A scan touches its own row only. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { button, element, icon, spoken } from "../scanning/words.js";
import { kg, words } from "./loading_words.js";

/**
 * An entry: {bag, id (of its line; at most that where the page only knows the newest), children, capacity,
 * kg, by, by_id, at, bill, back (when it came back from this bill), stands (the server has it), puts and offs
 * (ids of items that wait), fresh}. `user` and `name` are whose page this is.
 */
export function createList(list, { kind, user, name, clock, billAt, takeOff }) {
  const entries = new Map(); // by bag
  let read = 0; // the newest line that was read from the server
  let isRead = false; // whether all were, once
  let mark = null; // the server's, of all that is on the bill, when all lines were read
  let inVain = false; // what was read behind the newest did not make the list agree

  const standing = () => [...entries.values()].filter((entry) => entry.stands);

  function entryOf(bag) {
    if (!entries.has(bag)) entries.set(bag, { bag, id: Infinity, stands: false, puts: new Set(), offs: new Set() });
    return entries.get(bag);
  }

  /* --- What this page does --- */

  function waits({ id, kind: deed, bag, at }) {
    const entry = deed === "put" ? entryOf(bag) : entries.get(bag);
    if (!entry) return;
    entry[deed === "put" ? "puts" : "offs"].add(id);
    if (!entry.stands) entry.at = at;
    place(entry);
  }

  /** A verdict. `done`: the server has it on the list now, or has not; undefined: nothing changed. */
  function settle({ id, bag, at }, done, { parent, held_by: held, state, replayed } = {}) {
    const entry = done ? entryOf(bag) : entries.get(bag);
    if (!entry) return;
    entry.puts.delete(id);
    entry.offs.delete(id);
    if (done === true && !(replayed && entry.stands)) { // said again, its line is known by now
      Object.assign(entry, { stands: true, id: state.newest, children: parent.child_count, capacity: parent.capacity, kg: null });
      Object.assign(entry, { by: name, by_id: user, at, bill: held && { id: held.bill, number: held.number }, back: null });
    }
    if (done === false) entry.stands = false;
    place(entry);
  }

  /* --- What the server has --- */

  /** Takes lines in, of a moment not before `state`. `all`: what is not among them is gone. Gives those that others made. */
  function load(lines, all, state) {
    const others = [];
    for (const line of lines) {
      const known = entries.get(line.parent)?.stands;
      const entry = merge(line);
      if (known || !isRead || entry.by_id === user) continue;
      entry.fresh = true;
      place(entry);
      others.push(entry);
    }
    if (all) {
      const bags = new Set(lines.map(({ parent }) => parent));
      for (const entry of standing()) {
        if (bags.has(entry.bag)) continue;
        entry.stands = false;
        place(entry);
      }
    }
    isRead = true;
    read = Math.max(read, ...lines.map(({ id }) => id));
    if (all) mark = state.mark ?? null;
    inVain = !all && !fits(state);
    return others;
  }

  function merge({ parent: bag, id, children, capacity, kg: weight, bill, ...line }) {
    const entry = entryOf(bag);
    const news = { stands: true, id, children, capacity, kg: weight, bill };
    if (kind.isBill) Object.assign(news, { at: line.loaded_at, by: line.loaded_by, by_id: String(line.loaded_by_id), back: line.returned_at });
    else Object.assign(news, { at: line.returned_at, by: line.returned_by, by_id: String(line.returned_by_id), back: null });
    if (Object.keys(news).every((name) => name === "bill" || entry[name] === news[name])) return entry;
    Object.assign(entry, news);
    place(entry);
    return entry;
  }

  /** Whether the list is what the server says of it, as far as figures tell. */
  function fits({ parents, children, newest }) {
    const all = standing();
    const sum = all.reduce((n, entry) => n + entry.children, 0);
    return all.length === parents && sum === children && (newest ?? 0) <= Math.max(0, ...all.map(({ id }) => id)) && !lacks();
  }

  const lacks = () => standing().some((entry) => entry.kg === null);

  /**
   * What to ask the server for: lines behind this one, all of them (0), or none (null). Its mark tells of what
   * no figure does. It is another one after each scan, too: it counts where this page's own scans rest (`calm`).
   */
  function missing(state, calm) {
    if (!isRead) return 0;
    if (fits(state)) return calm && (state.mark ?? null) !== mark ? 0 : null;
    return !inVain && (standing().length < state.parents || lacks()) ? read : 0;
  }

  /** The newest of these bags that is there, or will be, as far as is known; and that is not taken off already. */
  function newestOf(bags) {
    return bags.findLast((bag) => {
      const entry = entries.get(bag);
      return entry ? entry.offs.size === 0 : !isRead;
    });
  }

  function calm() {
    for (const entry of entries.values()) {
      if (!entry.fresh) continue;
      entry.fresh = false;
      place(entry);
    }
  }

  /* --- On the page --- */

  /** Draws a row, where it belongs: what waits on top, then the newest. */
  function place(entry) {
    const old = entry.row;
    if (!entry.stands && !entry.puts.size) {
      old?.remove();
      entries.delete(entry.bag);
      return;
    }
    const hadFocus = old?.contains(document.activeElement);
    entry.row = draw(entry);
    entry.row.dataset.order = entry.stands ? entry.id : Infinity;
    const stays = old && old.dataset.order === entry.row.dataset.order;
    if (stays) old.replaceWith(entry.row);
    else {
      old?.remove();
      list.insertBefore(entry.row, firstBelow(Number(entry.row.dataset.order)));
    }
    if (hadFocus) entry.row.querySelector("button")?.focus({ preventScroll: true });
  }

  function firstBelow(order) {
    for (const row of list.children) if (Number(row.dataset.order) <= order) return row;
    return null;
  }

  function draw(entry) {
    const { tone, icon: sign, word } = appearance(entry);
    const { main } = spoken(entry.bag);
    const row = element("li", "scan line", element("span", "sign", icon(sign)), element("span", "code", main), element("span", "word", word));
    row.dataset.tone = tone;
    row.dataset.bag = entry.bag;
    if (!entry.stands || entry.offs.size) row.dataset.outcome = "waiting";
    if (entry.fresh) row.dataset.fresh = "";
    row.append(placeOf(entry));
    if (entry.stands) {
      row.append(element("span", "of", interpolate(gettext("%(n)s of %(capacity)s"), { n: entry.children, capacity: entry.capacity })));
      row.append(element("span", "at", entry.kg === null ? "" : kg(entry.kg)));
    }
    if (!entry.offs.size && !entry.back) row.append(remove(entry, main));
    return row;
  }

  function placeOf({ by, at, bill }) {
    const made = element("span", "place");
    if (bill) {
      const link = element("a", "", bill.number);
      link.href = billAt(bill.id);
      made.append(link, " · ");
    }
    if (by) made.append(element("span", "by", by), " · ");
    const time = element("time", "", clock.since(at));
    time.dateTime = new Date(at).toISOString();
    made.append(time);
    return made;
  }

  function appearance({ stands, children, capacity, offs, back }) {
    if (offs.size) return { ...words("safe"), icon: "undo", word: kind.waitsOff() };
    if (!stands) return { ...words("safe"), word: gettext("Safe, not sent yet") };
    if (back) return { ...words("taken_back"), word: gettext("Came back") };
    if (!kind.isBill) return { ...words("returned"), word: "" };
    if (children >= capacity) return { ...words("loaded"), word: "" };
    return { ...words(children ? "half_full" : "empty"), word: children ? gettext("Not full") : gettext("Empty") };
  }

  function remove(entry, main) {
    const press = button("", () => takeOff(entry), "quiet round back");
    press.append(icon(kind.isBill ? "no" : "undo"));
    press.setAttribute("aria-label", kind.off(main));
    return press;
  }

  return { waits, settle, load, missing, newestOf, calm, stands: (bag) => Boolean(entries.get(bag)?.stands && !entries.get(bag).offs.size) };
}
