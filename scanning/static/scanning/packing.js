/* Which parent is open on a page, and so which parent a scan names. Pure: no page, no network, no
   store. A lane is one tab's packing: {lane, station, parent, last, touched}. Its parent is {qr_id,
   child_count, capacity, known, doubt, opener, since, extra, codes}: `opener` is the scan that opened
   it last and `since` the one that opened it first, `known` says that the server confirmed it,
   `extra` is what waiting scans since then will add to the count, `codes` are children that were
   scanned into it, and `sure` those of them that the server has confirmed. */

import { read } from "./codes.js";

/** Masks are {pattern, capacity}; # is a digit. */
export function maskOf(code, masks) {
  return masks.find(({ pattern }) =>
    new RegExp(`^${pattern.replace(/[^\w# ]/g, "\\$&").replace(/#/g, "\\d")}$`).test(code));
}

/** What a draft means in this lane: the item's own fields. Changes the lane as the scan will. */
export function decide(lane, draft, id, masks) {
  if (draft.kind === "undo") return undo(lane, draft);
  if (draft.kind === "move") return move(lane, draft);
  if (draft.kind === "finish") return finish(lane, draft);
  return scan(lane, draft, id, masks);
}

function scan(lane, { code: raw }, id, masks) {
  const { qr_id: code, form } = read(raw);
  const open = lane.parent;
  const named = { parent: open?.qr_id ?? null, opener: open?.opener ?? id, since: open?.since ?? id, switch: false, counts: 0, told: null };
  if (form === "bad") return { ...named, told: "bad_code" };
  const mask = form === "plain" && maskOf(code, masks);
  if (mask) {
    reopen(lane, code, id, mask.capacity);
    return { ...named, parent: null, opener: id, since: lane.parent.since };
  }
  if (!open) {
    // A label is a child for sure. Other text may be an old parent that no product's mask knows.
    if (form === "label") return { ...named, told: "is_child" };
    lane.parent = openedBy(id, { qr_id: code, doubt: true });
    return named;
  }
  const isChild = form === "label" || open.sure.includes(code);
  if (open.codes.includes(code)) return { ...named, switch: !isChild, told: isChild ? "already_linked" : null };
  open.extra += 1;
  open.codes.push(code);
  return { ...named, switch: !isChild, counts: 1 };
}

function reopen(lane, code, id, capacity) {
  const known = [lane.parent, lane.last].find((one) => one?.qr_id === code && !one.doubt);
  if (lane.parent && lane.parent !== known) close(lane);
  lane.parent = known ? { ...known, opener: id, ended: false } : openedBy(id, { qr_id: code, capacity });
}

/** A parent as a lane holds it, opened by the scan of this id. */
export function openedBy(opener, parent) {
  return { child_count: 0, capacity: null, known: false, doubt: false, extra: 0, codes: [], sure: [], ...parent, opener, since: opener };
}

/** `parent` and `code` are those of the scan that is to be taken back. */
function undo(lane, { parent, code }) {
  if (!lane.parent && lane.last?.qr_id === parent) lane.parent = { ...lane.last, ended: false };
  const same = lane.parent?.qr_id === parent;
  if (same) lane.parent.extra -= 1;
  takeOut(lane, parent, code);
  return { parent, counts: same ? -1 : 0, since: lane.parent?.since, told: null };
}

function move(lane, { parent, code, from }) {
  const same = lane.parent?.qr_id === parent;
  takeOut(lane, from, code);
  if (same) {
    lane.parent.extra += 1;
    lane.parent.codes.push(read(code).qr_id);
  }
  return { counts: same ? 1 : 0, since: lane.parent?.since, told: null };
}

function finish(lane, { parent }) {
  const open = lane.parent;
  if (open?.qr_id === parent) {
    close(lane);
    lane.last.ended = true;
  }
  return { counts: 0, opener: open?.opener, told: null };
}

/** A child is in this parent no more, as far as this lane knows of it. */
function takeOut(lane, parent, code) {
  for (const one of new Set([lane.parent, lane.last])) if (one?.qr_id === parent) forget(one, code);
}

function forget(parent, raw) {
  const { qr_id: code } = read(raw);
  for (const list of ["codes", "sure"]) parent[list] = parent[list].filter((one) => one !== code && one !== raw);
}

function close(lane) {
  lane.last = lane.parent;
  lane.parent = null;
}

/** Takes a verdict into the lane. Gives the parent (or null) that the scans which came after this
    one in the same parent really meant, or undefined where they named the right one. */
export function follow(lane, item, { status, outcome, parent }) {
  const refused = status >= 400;
  if (item.kind === "scan" && item.parent === null) {
    if (status === 400 || status === 403) return undefined; // nobody judged the code itself
    if (refused) return null;
    if (lane.parent?.opener === item.id) learn(lane.parent, parent, { doubt: false });
    return undefined;
  }
  if (item.kind === "scan" && ["parent_opened", "parent_created"].includes(outcome)) {
    release(lane, item);
    return learn(openedBy(item.id, {}), parent, { doubt: false });
  }
  for (const one of new Set([lane.parent, lane.last])) {
    if (one?.qr_id === (parent?.qr_id ?? item.parent)) count(one, item, refused, parent);
  }
  const same = lane.parent && lane.parent.qr_id === item.parent;
  if (outcome === "completed" && same) close(lane);
  if (outcome === "undone" && !lane.parent && lane.last?.qr_id === parent?.qr_id && !lane.last.ended) lane.parent = lane.last;
  if (outcome === "unknown_parent" && same) lane.parent = null;
  return undefined;
}

/** A scan that was expected to count in its parent does not, after all. */
function release(lane, item) {
  for (const one of new Set([lane.parent, lane.last])) {
    if (one?.since !== item.since) continue;
    one.extra -= item.counts;
    forget(one, item.code);
  }
}

function count(open, item, refused, parent) {
  if (item.since === open.since) open.extra -= item.counts;
  if (parent) learn(open, parent);
  if (item.counts > 0 && refused) forget(open, item.code);
  else if (item.counts > 0) open.sure.push(read(item.code).qr_id);
}

function learn(open, parent, more = {}) {
  const { qr_id, child_count, capacity } = parent;
  return Object.assign(open, { qr_id, child_count, capacity, known: true }, more);
}

/** Scans that named a parent which another verdict took away: decide them again, in order, from
    `parent`. What the person was told stays. `later` are the lane's items behind that verdict. */
export function redecide(lane, item, parent, later, masks) {
  const scratch = { ...lane, parent };
  const old = item.parent === null ? item.id : item.opener;
  const again = later.filter((one) => ["scan", "finish"].includes(one.kind) && one.opener === old);
  for (const one of again) if (one.kind === "scan") release(lane, one);
  for (const one of again) {
    if (one.kind === "finish" && scratch.parent) one.parent = scratch.parent.qr_id;
    Object.assign(one, decide(scratch, one, one.id, masks), { told: one.told });
  }
  if (lane.parent?.opener === old) lane.parent = scratch.parent;
  else if (!lane.parent && lane.last?.opener === old) lane.last = scratch.last;
  return again;
}
