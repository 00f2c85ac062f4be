/* Scans that wait for the server's verdict. Each is on this device's disk before anything is sent,
   goes out oldest first, and leaves only with a verdict for its very id. One tab sends for all. */

import { backOff, isVerdict, post, SLOWEST, TIMEOUT, uuid } from "./sending.js";
import { decide, follow, redecide } from "./packing.js";
import { ask, cursor, openStore } from "./store.js";

const BATCH = 100; // items in one request
const LATE = 10_000; // ms: after that the person has gone on, and a refusal needs a decision
const STUCK = 10_000; // ms without a sign of life from the tab that sends: then this one takes over
const SPOILT_WAIT = 30_000; // ms before items that spoilt a whole request are tried again
const HEARTBEAT = 30_000; // ms between two words to the server while nothing is scanned
const COPY_CHECK = 150; // ms for another tab to say that this one is its copy
const LANE_KEPT = 7 * 24 * 3600_000; // ms
const ALL = ["items", "lanes", "devices", "refused"];

/**
 * Opens the queue of one person in this browser.
 * `judged([{item, result}])` brings verdicts, of other tabs' scans too; `changed()` follows each change of
 * `queue.lane`, `queue.waiting` or `queue.trouble`; `outdated()` says that a newer page is open.
 * Rejects where the browser can't keep anything.
 */
export async function openQueue({ url, user, name, masks, judged, changed, renew, outdated }) {
  const store = await openStore(outdated);
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("tracetrack.queue") : null;
  const me = uuid();
  const queue = { lane: null, waiting: 0, trouble: null, others: [], refused: [], capture, change, retry, newest, beat, dropRefused, sendAgain };
  let device = null; // {user, name, device, issued}: this person's numbers in this browser
  let wake = () => {};
  let flight = null; // the request that is under way, since `sentAt`
  let sentAt = 0;
  let hurried = false; // somebody pressed "Try now", or the network came back, while it hung
  let resting = false; // nothing to send but what spoils a request
  let running = false;
  let alive = 0; // until then the tab that sends is at work
  const own = await ownLane();

  /* --- This tab's lane --- */

  async function ownLane() {
    const kept = sessionStorage.getItem("tracetrack.lane");
    const lane = kept && !(await hasTwin(kept)) ? kept : uuid();
    sessionStorage.setItem("tracetrack.lane", lane);
    return lane;
  }

  async function laneOf(lanes, lane) {
    const found = await ask(lanes.get(lane));
    if (found?.user === user) return found;
    if (lane === own && queue.lane) return queue.lane; // it was forgotten while this page was open
    return { lane, user, station: null, parent: null, last: null, touched: Date.now() };
  }

  async function deviceOf(devices) {
    return (await ask(devices.get(user))) ?? { user, name, device: uuid(), issued: 0 };
  }

  /** Keep a draft {kind, code, station, …}. Resolves with the item once it is on the disk. */
  async function capture(draft) {
    const { item, ...now } = await store.write(["items", "lanes", "devices"], async ({ items, lanes, devices }) => {
      const lane = await laneOf(lanes, own);
      if (!lane.station) throw new Error("no station");
      const numbers = await deviceOf(devices);
      const id = draft.id ?? uuid();
      const at = draft.at ?? new Date().toISOString();
      const seq = numbers.issued + 1;
      const { fixed, ...drawn } = draft;
      const kept = { ...drawn, ...decide(lane, draft, id, masks), ...fixed, id, at, seq, user, lane: own, station: lane.station };
      lane.touched = Date.now();
      kept.n = await ask(items.add(kept));
      lanes.put(lane);
      devices.put({ ...numbers, name, issued: seq });
      return { item: kept, lane, device: { ...numbers, issued: seq } };
    });
    device = now.device;
    queue.lane = now.lane;
    queue.waiting += 1;
    tell({ kind: "captured" });
    changed();
    run();
    return item;
  }

  /** Change this tab's lane by hand: its station, or its parent. */
  async function change(deed) {
    queue.lane = await store.write(["lanes"], async ({ lanes }) => {
      const lane = await laneOf(lanes, own);
      deed(lane);
      lanes.put(lane);
      return lane;
    });
    changed();
  }

  /** How things stand in the store; all of it from one moment. */
  async function look() {
    const now = await store.read(ALL, async ({ items, lanes, devices, refused }) => {
      const everybody = [];
      for (const one of await ask(devices.getAll())) {
        everybody.push({ ...one, waiting: await ask(items.index("user").count(one.user)) });
      }
      return { everybody, lane: await laneOf(lanes, own), refused: await ask(refused.getAll()) };
    });
    device = now.everybody.find((one) => one.user === user) ?? device;
    queue.lane = now.lane;
    queue.waiting = device?.waiting ?? 0;
    queue.others = now.everybody.filter((one) => one.user !== user && one.waiting > 0);
    queue.refused = now.refused.filter((one) => one.user === user);
  }

  /** This tab's newest waiting items, oldest first. */
  async function newest(limit) {
    return store.read(["items"], async ({ items }) => {
      const found = [];
      for await (const item of cursor(items.index("user"), IDBKeyRange.only(user), "prev")) {
        if (item.station === queue.lane.station) found.unshift(item);
        if (found.length === limit) break;
      }
      return found;
    });
  }

  async function dropRefused(id) {
    await store.write(["refused"], async ({ refused }) => refused.delete(id));
    await look();
    changed();
  }

  async function prepare() {
    await store.write(["lanes", "devices"], async ({ lanes, devices }) => {
      const all = (await ask(lanes.getAll())).sort((one, other) => other.touched - one.touched);
      for (const { lane, touched } of all) if (lane !== own && Date.now() - touched > LANE_KEPT) lanes.delete(lane);
      const lane = await laneOf(lanes, own);
      lane.station ??= all.find((one) => one.user === user)?.station ?? null; // as before a crash
      lanes.put(lane);
      devices.put({ ...(await deviceOf(devices)), name });
    });
  }

  /** Give an item that the server had not taken another chance, behind all that waits. */
  async function sendAgain(id) {
    await store.write(["items", "refused"], async ({ items, refused }) => {
      const { n: _n, result: _result, ...item } = await ask(refused.get(id));
      refused.delete(id);
      items.add(item);
    });
    await look();
    changed();
    run();
  }

  /* --- Sending: one tab at a time --- */

  async function run() {
    if (resting) wake();
    if (running) return;
    running = true;
    while (queue.waiting > 0) {
      try {
        await (navigator.locks ? holding(drain) : leased(drain)); // plain http has no locks
        await look();
      } catch {
        trouble({ why: "broken", tries: 1 }); // the disk: what waits is kept, and tried again
        await pause(backOff(4));
      }
    }
    running = false;
    changed();
  }

  /** The right to send; `mine.lost` once another tab took it. */
  function sender() {
    const mine = { lost: false };
    const lose = () => {
      mine.lost = true;
      flight?.abort();
    };
    return { mine, lose };
  }

  async function holding(work) {
    const { mine, lose } = sender();
    const patience = new AbortController();
    alive = Math.max(alive, Date.now());
    const timer = setInterval(() => Date.now() - alive > STUCK && patience.abort(), 1000);
    const hold = (options) => navigator.locks.request(`tracetrack.sender.${user}`, options, () => {
      clearInterval(timer);
      return work(mine);
    });
    try {
      await hold({ signal: patience.signal }).catch((error) => {
        if (!patience.signal.aborted) throw error;
        return hold({ steal: true });
      });
    } catch (error) {
      lose();
      if (error.name !== "AbortError") throw error; // that one is another tab taking over
    } finally {
      clearInterval(timer);
    }
  }

  async function leased(work) {
    const key = `tracetrack.sender.${user}`;
    const [other, until] = (localStorage.getItem(key) ?? "").split(" ");
    if (other && other !== me && Number(until) > Date.now()) return void (await pause(1000));
    const { mine, lose } = sender();
    const isMine = () => localStorage.getItem(key)?.startsWith(me);
    const lease = () => localStorage.setItem(key, `${me} ${Date.now() + STUCK}`);
    lease();
    await pause(30); // of two that came at once the later one has it
    if (!isMine()) return;
    const renewal = setInterval(() => (isMine() ? lease() : lose()), 2000);
    try {
      await work(mine);
    } finally {
      clearInterval(renewal);
      if (isMine()) localStorage.removeItem(key);
    }
  }

  async function drain(mine) {
    let [limit, tries, timeout] = [BATCH, 0, TIMEOUT];
    const skipped = new Set(); // what spoils a request, or the server itself, must not keep the others
    while (!mine.lost) {
      const { batch, waiting } = await oldest(limit, skipped);
      if (!batch.length && !skipped.size) return;
      if (!batch.length) {
        resting = true;
        if (!(await pause(SPOILT_WAIT))) skipped.clear();
        resting = false;
        continue;
      }
      showLife(timeout);
      flight = new AbortController();
      sentAt = Date.now();
      hurried = false;
      const answer = await send(batch, waiting, timeout, flight.signal);
      flight = null;
      if (mine.lost) return;
      const broken = answer.results?.find((result) => result?.status === 500);
      if (broken) skipped.add(broken.id);
      if (answer.results && ((await settle(batch, answer.results)) || broken)) {
        [limit, tries, timeout] = [BATCH, 0, TIMEOUT];
        trouble(skipped.size ? { why: "spoilt", tries: 1 } : null);
        continue;
      }
      if (hurried) {
        [tries, timeout] = [0, TIMEOUT];
        continue;
      }
      tries += 1;
      const why = answer.why ?? "busy";
      trouble({ why, tries });
      if (why === "slow") timeout = Math.min(timeout * 2, SLOWEST);
      if (why === "renew") await renew();
      if (why === "spoilt" && batch.length === 1) skipped.add(batch[0].id);
      if (why === "spoilt" && batch.length > 1) limit = Math.ceil(batch.length / 2);
      else await rest(answer.after ?? backOff(tries));
    }
  }

  function rest(ms) {
    showLife(ms);
    return pause(ms);
  }

  function showLife(ms) {
    alive = Date.now() + ms;
    tell({ kind: "alive", alive });
  }

  function oldest(limit, skipped) {
    return store.read(["items", "devices"], async ({ items, devices }) => {
      const batch = [];
      device = await deviceOf(devices); // of one moment with what waits: else numbers seem lost
      const waiting = await ask(items.index("user").count(user));
      const isHeld = holdBack(skipped);
      for await (const item of cursor(items.index("user"), IDBKeyRange.only(user))) {
        if (!isHeld(item)) batch.push(item);
        if (batch.length === limit) break;
      }
      return { batch, waiting: waiting - batch.length };
    });
  }

  /** Whether an item, in their order, is passed over: skipped itself, or meant by what one of those did. */
  function holdBack(skipped) {
    const ids = new Set(skipped);
    const openers = new Set();
    return (item) => {
      const held = ids.has(item.id) || openers.has(item.opener) || ids.has(item.scan_id);
      if (!held) return false;
      ids.add(item.id);
      if (item.kind === "scan" && (item.parent === null || item.switch)) openers.add(item.opener);
      return true;
    };
  }

  async function send(batch, waiting, timeout, signal) {
    const envelope = {
      device: device.device,
      station: queue.lane.station,
      waiting,
      issued: device.issued,
      parent: queue.lane.parent?.qr_id ?? null,
    };
    return post(url, user, { ...envelope, items: batch.map(wire) }, timeout, signal);
  }

  /** What the server is told of an item. */
  function wire({ kind, id, seq, station, parent, code, from, scan_id, switch: opens, told, at }) {
    // Of a bad code, or a child without a parent, the person knew at once. A clock may have been set back.
    const late = !["bad_code", "is_child"].includes(told) && Math.abs(Date.now() - new Date(at)) > LATE;
    const once = { kind, id, seq, station, at };
    if (kind === "undo") return { ...once, scan_id: scan_id ?? null, late };
    if (kind === "finish") return { ...once, parent };
    if (kind === "move") return { ...once, parent, code, from, late };
    return { ...once, parent, code, switch: opens ?? false, late };
  }

  /** Takes the verdicts in, all at once; gives how many there were. */
  async function settle(batch, results) {
    const verdicts = new Map(results.map((result) => [result?.id, result]));
    const done = await store.write(ALL, async (stores) => {
      const settled = [];
      for (const { n, id } of batch) {
        const result = verdicts.get(id);
        const item = isVerdict(result) && (await ask(stores.items.get(n)));
        if (item?.id !== id) continue; // no verdict yet, or another tab took it in
        stores.items.delete(n);
        if (isUnrecorded(result)) stores.refused.put({ ...item, result });
        await takeIn(stores, item, result);
        settled.push({ item, result });
      }
      return settled;
    });
    await look();
    tell({ kind: "judged", done });
    report(done);
    return done.length;
  }

  async function takeIn({ items, lanes }, item, result) {
    const kept = await ask(lanes.get(item.lane));
    const lane = kept?.user === user ? kept : { lane: item.lane, parent: null, last: null };
    const meant = follow(lane, item, result);
    if (meant !== undefined) {
      const later = [];
      for await (const one of cursor(items, IDBKeyRange.lowerBound(item.n, true))) {
        if (one.lane === item.lane) later.push(one);
      }
      for (const one of redecide(lane, item, meant, later, masks)) items.put(one);
    }
    if (lane === kept) lanes.put(lane);
  }

  function report(done) {
    if (done.length) judged(done);
    changed();
  }

  /** A word to the server while nothing waits: that this station is there. */
  async function beat() {
    if (running || document.hidden || !queue.lane.station) return;
    const answer = await send([], queue.waiting, TIMEOUT);
    if (!running) trouble(answer.results ? null : { why: answer.why, tries: 1 });
    if (answer.why === "renew") await renew();
  }

  function trouble(now, told = false) {
    queue.trouble = now;
    if (!told) tell({ kind: "trouble", now });
    changed();
  }

  /** Resolves after `ms`, or with true when woken before. */
  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Send now: end the pause, and a request that hangs. */
  function hurry() {
    wake();
    if (!flight || Date.now() - sentAt < TIMEOUT) return;
    hurried = true;
    flight.abort();
  }

  function retry() {
    hurry();
    tell({ kind: "retry" });
    run();
    if (!queue.waiting) beat();
  }

  /* --- Other tabs --- */

  function tell(message) {
    channel?.postMessage({ ...message, from: me });
  }

  channel?.addEventListener("message", async ({ data }) => {
    if (data.kind === "twin") return;
    if (data.kind === "alive") alive = data.alive;
    if (data.kind === "retry") hurry();
    if (data.kind === "trouble") trouble(data.now, true);
    if (data.kind === "captured" || data.kind === "judged") {
      await look();
      if (data.kind === "judged") report(data.done);
      run();
    }
  });

  /** A duplicated tab starts with a copy of this tab's name. The tab that was there first says so. */
  async function hasTwin(lane) {
    if (!channel) return false;
    let twin = false;
    const hear = ({ data }) => (twin ||= data.kind === "twin" && data.answer === lane);
    channel.addEventListener("message", hear);
    tell({ kind: "twin", lane });
    await new Promise((resolve) => setTimeout(resolve, COPY_CHECK));
    channel.removeEventListener("message", hear);
    return twin;
  }

  channel?.addEventListener("message", ({ data }) => {
    if (data.kind === "twin" && data.lane && data.lane === own) tell({ kind: "twin", answer: own });
  });
  window.addEventListener("online", retry);
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  document.addEventListener("visibilitychange", () => !document.hidden && retry());
  setInterval(beat, HEARTBEAT);

  await prepare();
  await look();
  run();
  return queue;
}

/** Whether the server has no record of an item with this verdict. */
function isUnrecorded({ status, outcome }) {
  return status === 400 || status === 403 || outcome === "scan_id_reused";
}
