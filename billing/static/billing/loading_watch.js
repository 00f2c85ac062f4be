/* Keeps the page true while others work on the same bill: a look at its figures every two seconds, and at
   its lines only where the figures say that the list is not what it was. */

import { bodyOf, whyNot } from "../scanning/sending.js";

const SEEN = 2_000; // ms between two looks
const HIDDEN = 15_000; // ms, while the page is in the background
const SOON = 500; // ms after this page's last verdict: then the lines are read, not between two scans
const CALM = 4_000; // ms since anything came: then all lines are read, where the server's mark says that they are others
const BUSY = 30_000; // ms since they were: then they are, however much comes
const TIMEOUT = 5_000; // ms

/**
 * `now()` is what the page shows; `heard(state)` is newer; `told(why)` says why there is no answer (null:
 * there is); `gone(detail)`: nobody may look at it any more; `edited(old)`: its header is another, or it
 * was closed or opened; `came(lines)`: others made these.
 */
export function createWatch({ page, user, list, isOpen, now, heard, draw, told, gone, edited, came }) {
  const { look: figures, lines } = page.dataset;
  let timer = 0;
  let verdicts = 0; // of this page's scans: what was asked before the last of them is old
  let cameAt = 0; // the last of them, or of others' lines
  let readAt = 0; // all lines

  async function get(url) {
    let response;
    try {
      response = await fetch(url, { headers: { Accept: "application/json", "X-User": user }, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(TIMEOUT) });
    } catch (error) {
      return { why: error.name === "TimeoutError" ? "slow" : "away" };
    }
    const body = bodyOf(response, await response.text().catch(() => ""));
    if (response.ok && body) return { body };
    const lost = body?.code === "permission_denied" || response.status === 404;
    return lost && body ? { gone: body.detail } : whyNot(response, body);
  }

  async function look() {
    clearTimeout(timer);
    let again = SEEN;
    try {
      again = await once();
    } finally {
      if (again !== null) next(again);
    }
  }

  /** Gives the time until the next look; null: there is none. */
  async function once() {
    const before = verdicts;
    const behind = missing();
    const { body, why, gone: detail } = await get(behind === null ? figures : `${lines}?after=${behind}`);
    if (detail) {
      gone(detail);
      return null;
    }
    told(body ? null : why);
    if (!body || before !== verdicts) return SEEN;
    if (behind === 0) readAt = Date.now();
    if (behind) cameAt = Date.now();
    if (behind !== null) report(list.load(body.results, behind === 0, body.state));
    take(body.state ?? body);
    return behind !== 0 && missing() !== null ? 0 : SEEN;
  }

  const since = (at) => Date.now() - at;
  const missing = () => list.missing(now(), since(cameAt) >= CALM || since(readAt) >= BUSY);

  function report(others) {
    if (others.length) came(others);
  }

  function take(news) {
    const old = now();
    heard(news);
    if (old.version !== news.version || isOpen(old) !== isOpen(news)) edited(old);
    draw();
  }

  /** This page's own verdict brought the state along. */
  function verdict(news) {
    verdicts += 1;
    cameAt = Date.now();
    const old = now();
    heard(news);
    if (old.version !== news.version || isOpen(old) !== isOpen(news)) edited(old);
    next(SOON);
  }

  function next(ms) {
    clearTimeout(timer);
    timer = setTimeout(look, ms === SEEN && document.hidden ? HIDDEN : ms);
  }

  document.addEventListener("visibilitychange", () => !document.hidden && look());
  return { verdict, now: look, start: look };
}
