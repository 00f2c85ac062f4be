/* Scans onto bills and tickets that wait for the server's verdict. Each is on this device's disk before
   it is sent, goes out by itself, oldest first, and leaves only with a verdict for its very id. Where
   several tabs send the same one, the server counts it once. */

import { backOff, bodyOf, post, SLOWEST, TIMEOUT, uuid, whyNot } from "../scanning/sending.js";
import { ask, cursor, openStore } from "../scanning/store.js";

const STUCK = 10_000; // ms to wait for the tab that sends: then this one sends as well
const SPOILT_TRIES = 3; // the server fails at an item so often: then the others go before it
const SPOILT_WAIT = 30_000; // ms before it is tried again
const REFUSED_KEPT = 7 * 24 * 3600_000; // ms: of what the server has a record too

const STORE = {
  name: "tracetrack.bills",
  version: 1,
  upgrade(db, from) {
    if (from < 1) {
      // Waiting scans, oldest first. A person's are read by `user`.
      db.createObjectStore("items", { keyPath: "n", autoIncrement: true }).createIndex("user", "user");
      // What was refused and not loaded since: the page lists it until somebody has seen to it.
      db.createObjectStore("refused", { keyPath: "id" });
    }
  },
};

const VERDICTS = new Set([200, 201, 404, 409, 422]);
// Of these the server keeps no scan, so they don't bear its id.
const UNRECORDED = new Set(["invalid", "permission_denied", "unknown_bill", "unknown_ticket", "scan_id_reused"]);
const HARMLESS = new Set(["not_on_bill", "not_returned"]);
const DONE = new Set(["loaded", "returned"]);

/** {result}: the verdict for this very item; else {why, after}. */
function judge({ scan_id: id }, response, text) {
  const body = bodyOf(response, text);
  const { status } = response;
  const outcome = body?.outcome ?? body?.code;
  if (UNRECORDED.has(outcome)) return { result: { ...body, outcome, status, recorded: false } };
  if (VERDICTS.has(status) && body?.scan_id === id && typeof outcome === "string") return { result: { ...body, outcome, status, recorded: true } };
  const told = whyNot(response, body);
  return status === 500 && body?.code ? { why: "spoilt" } : told;
}

/**
 * Opens the queue of one person in this browser. An item: {id, n, at, user, name, tab, on, kind, url,
 * code, bag, …}; `on` names its bill or ticket, `kind` is "put" or "off", `bag` is the code as it is compared,
 * `undoes` the puts of which an off takes back the one that is loaded.
 * `judged([{item, result}])` brings verdicts, of other tabs' scans too; `changed()` follows each change of
 * `queue.waiting`, `queue.trouble`, `queue.others` or `queue.refused`.
 */
export async function openQueue({ user, name, tab, judged, changed, renew, outdated }) {
  const store = await openStore(outdated, STORE);
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("tracetrack.bills") : null;
  const queue = { items: [], waiting: 0, trouble: null, others: [], refused: [], keep, retry, told, drop, sendAgain, putsOf };
  const skipped = new Map(); // id -> bag: what the server fails at
  let wake = () => {};
  let flight = null;
  let sentAt = 0;
  let hurried = false; // somebody pressed "Try now" or signed in, or the network came back
  let running = false;

  /** Resolves with the item once it is on the disk. */
  async function keep(draft) {
    const item = { ...draft, id: uuid(), at: new Date().toISOString(), user, name, tab };
    item.n = await store.write(["items"], ({ items }) => ask(items.add(item)));
    queue.items.push(item);
    queue.waiting += 1;
    tell({ kind: "kept" });
    changed();
    run();
    return item;
  }

  /** How things stand in the store; all of it from one moment. */
  async function look() {
    const all = await store.read(["items", "refused"], async ({ items, refused }) => ({
      items: await ask(items.getAll()), refused: await ask(refused.getAll()),
    }));
    queue.items = all.items.filter((one) => one.user === user);
    queue.waiting = queue.items.length;
    queue.refused = all.refused.filter((one) => one.user === user).sort((one, other) => other.n - one.n);
    const others = new Map();
    for (const one of all.items) {
      if (one.user !== user) others.set(one.user, { name: one.name, waiting: (others.get(one.user)?.waiting ?? 0) + 1 });
    }
    queue.others = [...others.values()];
  }

  /** Of a refused one: somebody has seen to it. */
  async function drop(...ids) {
    await store.write(["refused"], ({ refused }) => ids.forEach((id) => refused.delete(id)));
    await afterwards();
  }

  function forgetOld() {
    return store.write(["refused"], async ({ refused }) => {
      const isOld = ({ at, result }) => result.recorded && Date.now() - new Date(at) > REFUSED_KEPT;
      for (const one of await ask(refused.getAll())) if (isOld(one)) refused.delete(one.id);
    });
  }

  async function sendAgain(id) {
    await store.write(["items", "refused"], async ({ items, refused }) => {
      const { n: _n, result: _result, ...item } = await ask(refused.get(id));
      refused.delete(id);
      items.add(item);
    });
    await afterwards();
    run();
  }

  async function afterwards(message = { kind: "kept" }) {
    await look();
    tell(message);
    changed();
  }

  /* --- Sending: one item at a time --- */

  async function run() {
    if (running) return;
    running = true;
    let [tries, timeout] = [0, TIMEOUT];
    while (queue.waiting > 0) {
      const { why, after } = await alone(() => sendOldest(timeout, tries)).catch(() => ({ why: "broken" }));
      const afresh = !why || hurried;
      hurried = false;
      if (!why) trouble(skipped.size ? "spoilt" : null);
      if (afresh) {
        [tries, timeout] = [0, TIMEOUT];
        continue;
      }
      if (why === "resting") {
        await pause(SPOILT_WAIT);
        skipped.clear();
        continue;
      }
      tries += 1;
      trouble(why);
      if (why === "slow") timeout = Math.min(timeout * 2, SLOWEST);
      if (why === "renew") await renew();
      await pause(after ?? backOff(tries));
    }
    running = false;
    changed();
  }

  /** One tab at a time, so that no scan is sent in vain. Sent twice it does no harm. */
  async function alone(work) {
    if (!navigator.locks) return work(); // plain http has none
    try {
      return await navigator.locks.request(`tracetrack.bills.${user}`, { signal: AbortSignal.timeout(STUCK) }, work);
    } catch (error) {
      if (!["AbortError", "TimeoutError"].includes(error.name)) throw error;
      return work();
    }
  }

  async function sendOldest(timeout, tries) {
    const item = await oldest();
    if (!item) {
      await look(); // another tab has sent them, or what is left spoils its request
      return { why: queue.waiting ? "resting" : null };
    }
    flight = new AbortController();
    sentAt = Date.now();
    const { id, url, code, at, accept_empty } = item;
    const answer = await post(url, user, { scan_id: id, code, scanned_at: at, ...(accept_empty && { accept_empty }) }, timeout, flight.signal, judge);
    flight = null;
    if (answer.result) await settle(item, answer.result);
    else if (answer.why === "spoilt" && tries + 1 >= SPOILT_TRIES) skipped.set(id, item.bag);
    return answer;
  }

  /** The oldest that is not passed over; what follows on the same parent waits with it. */
  function oldest() {
    const bags = new Set(skipped.values());
    return store.read(["items"], async ({ items }) => {
      for await (const item of cursor(items.index("user"), IDBKeyRange.only(user))) {
        if (!bags.has(item.bag)) return item;
      }
      return null;
    });
  }

  async function settle(item, result) {
    skipped.delete(item.id);
    const done = await store.write(["items", "refused"], async ({ items, refused }) => {
      const kept = await ask(items.get(item.n));
      if (kept?.id !== item.id) return []; // another tab took it in
      items.delete(item.n);
      const news = [{ item, result }];
      if (item.kind === "put") news.push(...(await undoing(items, item, DONE.has(result.outcome))));
      for (const old of await ask(refused.getAll())) if (old.on === item.on && old.bag === item.bag) refused.delete(old.id);
      if (result.status >= 400 && !HARMLESS.has(result.outcome)) refused.put({ ...item, result });
      return news;
    });
    await look();
    tell({ kind: "judged", done });
    if (done.length) judged(done);
    changed();
  }

  /** What was not loaded is not taken off: it may be somebody else's. Scanned twice, one that is loaded is enough. */
  async function undoing(items, put, done) {
    const dropped = [];
    for (const one of await ask(items.index("user").getAll(user))) {
      if (!one.undoes?.includes(put.id)) continue;
      const undoes = done ? [] : one.undoes.filter((id) => id !== put.id);
      if (done || undoes.length) {
        items.put({ ...one, undoes });
        continue;
      }
      items.delete(one.n);
      dropped.push({ item: one, result: { outcome: "not_needed", status: 200, recorded: false } });
    }
    return dropped;
  }

  /** The puts of this parent that wait, since it was last taken off. */
  function putsOf(on, bag) {
    const all = queue.items.filter((item) => item.on === on && item.bag === bag);
    return all.slice(all.findLastIndex(({ kind }) => kind === "off") + 1).map(({ id }) => id);
  }

  function trouble(why, isTold = false) {
    if ((queue.trouble?.why ?? null) === why) return;
    queue.trouble = why ? { why } : null;
    if (!isTold) tell({ kind: "trouble", why });
    changed();
  }

  /** What a look at the server came to, while nothing was sent: null or why it failed. */
  function told(why) {
    if (!running) trouble(why);
  }

  function pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Send now: end the pause, and a request that hangs. One that fails after this is no reason to wait. */
  function hurry() {
    skipped.clear();
    hurried = true;
    wake();
    if (flight && Date.now() - sentAt >= TIMEOUT) flight.abort();
  }

  function retry() {
    hurry();
    tell({ kind: "retry" });
    run();
  }

  /* --- Other tabs --- */

  function tell(message) {
    channel?.postMessage({ ...message, user });
  }

  channel?.addEventListener("message", async ({ data }) => {
    if (data.kind === "retry") hurry();
    if (data.kind === "trouble" && data.user === user) trouble(data.why, true);
    if (data.kind !== "kept" && data.kind !== "judged") return;
    await look();
    if (data.kind === "judged" && data.user === user && data.done.length) judged(data.done);
    changed();
    run();
  });
  window.addEventListener("online", retry);
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  document.addEventListener("visibilitychange", () => !document.hidden && retry());

  await forgetOld();
  await look();
  run();
  return queue;
}
