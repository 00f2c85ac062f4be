/* What was scanned and has no verdict yet. Strictly in order, one at a time, and the very same body
   again until the server has judged it. It lives in sessionStorage: a reload or a new sign-in in this
   tab loses nothing, and two tabs never mix. */

const TIMEOUT = 5_000; // ms for one request
const FIRST_WAIT = 500; // ms before the second try; each further wait is twice as long
const LONGEST_WAIT = 15_000; // ms
const LONGEST_ASKED = 60_000; // ms, however long Retry-After asks us to wait
const COPY_CHECK = 150; // ms for another tab to say that this one is its copy

const JUDGED = new Set([200, 201, 404, 409, 422]);
const REFUSED = new Set([400, 403, 404, 409, 422]);
// Refusals of the request itself: they name no scan, and sending it again would not help.
const NOT_ACCEPTED = new Set(["invalid", "parse_error", "scan_id_reused", "permission_denied"]);

/** A random UUID. crypto.randomUUID is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** "verdict", or why to send again: "sign_in", "renew" (the CSRF token), "busy", "away". */
export function judge(item, status, type, body) {
  const json = /^application\/(problem\+)?json\b/.test(type) && body !== null && typeof body === "object";
  if (!json) return status >= 500 || status === 429 ? "busy" : "away";
  if (status === 401) return "sign_in";
  if (status === 403 && body.code === "csrf_failed") return "renew";
  if (isAbout(item, body) && JUDGED.has(status)) return "verdict";
  const refused = /problem/.test(type) && REFUSED.has(status) && typeof body.code === "string";
  if (refused && (item.kind !== "scan" || NOT_ACCEPTED.has(body.code))) return "verdict";
  return status >= 500 || status === 429 ? "busy" : "away";
}

function isAbout(item, body) {
  if (item.kind === "finish") return body.outcome === "finished";
  return (item.kind === "undo" ? body.undo_id : body.scan_id) === item.id;
}

/**
 * `prepare(item, state)` gives {url, body} when an item's turn has come; it is kept with the item.
 * `settle(item, answer, state)` takes the verdict in, and may give an item to send in its place.
 * `changed(trouble)` is called whenever something was added, judged, or could not be sent.
 */
export function createQueue({ key, user, prepare, settle, changed, renew }) {
  const kept = read(key);
  const state = kept ?? { parent: null, touched: Date.now(), items: [], tab: uuid() };
  let running = false;
  let ready = kept === null;
  let trouble = null; // {why, tries} while sending fails
  let wake = () => {};
  let full = false;

  function save() {
    try {
      sessionStorage.setItem(key, JSON.stringify(state));
      full = false;
    } catch {
      full = true; // the items still wait in memory
    }
  }

  function add(item) {
    state.items.push({ id: uuid(), request: null, ...item });
    save();
    changed(trouble);
    run();
    return state.items.at(-1);
  }

  async function run() {
    if (running || !ready) return;
    running = true;
    while (state.items.length) {
      const item = state.items[0];
      if (!item.request) {
        item.request = prepare(item, state);
        save();
      }
      const { why, answer, after } = await send(item, user);
      if (why === "verdict") {
        trouble = null;
        const instead = settle(item, answer, state);
        if (instead) state.items[0] = { ...item, ...instead, id: uuid(), request: null };
        else state.items.shift();
        save();
        changed(trouble);
      } else {
        trouble = { why, tries: (trouble?.tries ?? 0) + 1 };
        changed(trouble);
        if (why === "renew") await renew();
        await pause(after ?? backOff(trouble.tries));
      }
    }
    running = false;
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

  window.addEventListener("online", () => wake());
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  watchForCopies(state, () => {
    // The other tab sends what was in the copied store, and has that parent open.
    const old = new Set(kept.items.map((item) => item.id));
    Object.assign(state, { parent: null, last: null, tab: uuid(), items: state.items.filter((item) => !old.has(item.id)) });
    save();
    changed(trouble);
  }, kept !== null && COPY_CHECK).then(() => {
    ready = true;
    run();
  });
  save();
  return { state, add, save, retry: () => wake(), isFull: () => full };
}

function read(key) {
  try {
    const state = JSON.parse(sessionStorage.getItem(key));
    return Array.isArray(state?.items) ? state : null;
  } catch {
    return null;
  }
}

/** How many items other people left in this tab. */
export function leftByOthers(prefix, own) {
  return Object.keys(sessionStorage)
    .filter((key) => key.startsWith(prefix) && key !== own)
    .reduce((sum, key) => sum + (read(key)?.items.length ?? 0), 0);
}

export function backOff(tries) {
  const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
  return longest * (0.6 + 0.4 * Math.random());
}

async function send(item, user) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT);
  try {
    const response = await fetch(item.request.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token(), "X-User": user },
      body: JSON.stringify(item.request.body),
      credentials: "same-origin",
      redirect: "manual",
      cache: "no-store",
      signal: abort.signal,
    });
    const text = await response.text();
    let body = null;
    try {
      body = JSON.parse(text);
    } catch { /* no JSON is no verdict */ }
    const why = judge(item, response.status, response.headers.get("Content-Type") ?? "", body);
    return { why, answer: { ...body, status: response.status }, after: asked(response) };
  } catch {
    return { why: "away" };
  } finally {
    clearTimeout(timer);
  }
}

function asked(response) {
  const seconds = Number(response.headers.get("Retry-After") || NaN);
  if (!(seconds > 0)) return undefined;
  return Math.min(LONGEST_ASKED, seconds * 1000) + 250 * Math.random();
}

export function token() {
  return /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? "";
}

/** A duplicated tab starts with a copy of the store. The tab that was there first says so. */
async function watchForCopies(state, onCopy, wait) {
  if (!("BroadcastChannel" in window)) return;
  const channel = new BroadcastChannel("tracetrack.station");
  const me = uuid();
  let asking = wait > 0;
  channel.onmessage = ({ data }) => {
    if (data.tab !== state.tab || data.from === me) return;
    if (data.ask && !asking) channel.postMessage({ tab: state.tab, from: me });
    else if (!data.ask && asking) {
      asking = false;
      onCopy();
    }
  };
  if (!wait) return;
  channel.postMessage({ ask: true, tab: state.tab, from: me });
  await new Promise((resolve) => setTimeout(resolve, wait));
  asking = false;
}
