/* One request to the server, and what its answer means. Only a verdict for an item's very id is a
   verdict; a captive portal's page, an error page or half an answer is none. */

export const TIMEOUT = 5_000; // ms for one request; more where the network is slower than that
export const SLOWEST = 20_000; // ms: also the longest that a request hangs after the network came back
const FIRST_WAIT = 500; // ms before the second try; each further wait is twice as long
const LONGEST_WAIT = 15_000; // ms
const LONGEST_ASKED = 60_000; // ms, however long Retry-After asks us to wait

const VERDICTS = new Set([200, 201, 400, 403, 404, 409, 422]);

export function isVerdict(result) {
  return VERDICTS.has(result?.status) && typeof result.outcome === "string" && result.outcome !== "in_progress";
}

export function backOff(tries) {
  const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
  return longest * (0.6 + 0.4 * Math.random());
}

/** A random UUID. crypto.randomUUID is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export function token() {
  return /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? "";
}

/**
 * What `read(body, response, text)` makes of the answer, or {why, after}: why there is none. "away":
 * nobody answers as our server does; "slow": no answer in time; "busy"; "sign_in"; "other": somebody
 * else is signed in here; "renew": the CSRF token is old; "spoilt": the server can't read this request.
 */
export async function post(url, user, body, timeout, signal, read = judge) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  const lose = () => abort.abort();
  signal?.addEventListener("abort", lose);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token(), "X-User": user },
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "manual",
      cache: "no-store",
      signal: abort.signal,
    });
    return read(body, response, await response.text());
  } catch {
    return { why: abort.signal.aborted ? "slow" : "away" };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", lose);
  }
}

/** Of a batch: {device, results}. */
function judge({ device }, response, text) {
  const body = bodyOf(response, text);
  if (response.status === 200 && body?.device === device && Array.isArray(body.results)) return body;
  return whyNot(response, body);
}

/** The JSON of an answer; null where it is none of ours. */
export function bodyOf(response, text) {
  if (!/^application\/(problem\+)?json\b/.test(response.headers.get("Content-Type") ?? "")) return null;
  try {
    const body = JSON.parse(text);
    return typeof body === "object" ? body : null;
  } catch {
    return null;
  }
}

/** {why, after} of an answer that is no verdict. */
export function whyNot(response, body) {
  const { status } = response;
  const after = asked(response);
  if (status >= 500 || status === 429 || status === 408 || status === 425) return { why: "busy", after };
  if (status === 413) return { why: "spoilt" };
  if (body === null) return { why: "away", after };
  if (status === 401) return { why: body.code === "other_user" ? "other" : "sign_in", after };
  if (status === 403 && body.code === "csrf_failed") return { why: "renew" };
  const problem = typeof body.code === "string" && [400, 422].includes(status);
  return { why: problem ? "spoilt" : "away", after };
}

function asked(response) {
  const seconds = Number(response.headers.get("Retry-After") || NaN);
  if (!(seconds > 0)) return undefined;
  return Math.min(LONGEST_ASKED, seconds * 1000) + 250 * Math.random();
}
