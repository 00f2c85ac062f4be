/* Signing in again in place: the page stays, and what waits on this device goes out afterwards. */

import { gettext } from "../tracetrack/i18n.js";
import { token } from "./sending.js";

/** `url` is the sign-in page, `username` the person whose scans wait here. */
export function createSigning({ url, username, done }) {
  /** A fresh token. */
  async function renew() {
    try {
      await fetch(url, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(5000) });
    } catch { /* the next try will tell */ }
  }

  /** Gives "" or why it did not work. */
  async function signIn(password) {
    await renew();
    try {
      const response = await fetch(url, {
        method: "POST", redirect: "manual", credentials: "same-origin", signal: AbortSignal.timeout(10_000),
        body: new URLSearchParams({ username, password, csrfmiddlewaretoken: token() }),
      });
      if (response.type === "opaqueredirect") done();
      else if (response.status === 429) return gettext("Too many wrong passwords. Try again in a quarter of an hour.");
      else return response.ok ? gettext("This password is not right.") : gettext("The server is busy.");
    } catch {
      return gettext("No connection. Try again.");
    }
    return "";
  }

  return { renew, signIn };
}
