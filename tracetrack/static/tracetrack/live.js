/* Keeps a page true: looks at the server often while somebody looks at the page, seldom while
   nobody does. The server sends parts; each takes the place of the part with its name. */

const SEEN = 5_000; // ms between two looks at the server
const HIDDEN = 30_000; // ms, while the page is in the background
const TIMEOUT = 5_000; // ms

export async function load(url) {
  const response = await fetch(url, { credentials: "same-origin", redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  // Signed out, or another role by now: the page itself says so.
  if (response.type === "opaqueredirect" || [401, 403].includes(response.status)) location.reload();
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

/** Calls `look` again and again. While it fails, the page says since when it is out of date. */
export function keepTrue(page, look) {
  const state = page.querySelector("[data-part=state]");
  const fresh = state.textContent;
  let timer = 0;

  async function again() {
    clearTimeout(timer);
    let stale = false;
    try {
      await look();
    } catch {
      stale = true;
    }
    page.classList.toggle("stale", stale);
    state.textContent = stale ? state.dataset.stale : fresh;
    clearTimeout(timer); // of a look that came in between
    timer = setTimeout(again, document.hidden ? HIDDEN : SEEN);
  }

  document.addEventListener("visibilitychange", () => !document.hidden && again());
  timer = setTimeout(again, SEEN);
}

/** Each part (`data-live`) of the server's text takes its place in the page. */
export function renew(text) {
  const sent = new DOMParser().parseFromString(text, "text/html");
  for (const part of sent.querySelectorAll("[data-live]")) {
    const old = document.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (old && !old.isEqualNode(part) && !isBeingCopied(old)) swap(old, part);
  }
}

/** What was scrolled stays where it is, and a link that has the focus keeps it. */
function swap(old, part) {
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const scrolled = [...old.querySelectorAll(".scroll")].map((one) => ({ left: one.scrollLeft, top: one.scrollTop }));
  old.replaceWith(part);
  part.querySelectorAll(".scroll").forEach((one, place) => one.scrollTo(scrolled[place] ?? {}));
  if (focused === null) return;
  const same = [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
  same?.focus({ preventScroll: true });
}

function isBeingCopied(part) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}
