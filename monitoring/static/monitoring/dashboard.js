/* Keeps the dashboard true: often while somebody looks, seldom while nobody does. */

const SEEN = 5_000; // ms between two looks at the server
const HIDDEN = 30_000; // ms, while the page is in the background
const TIMEOUT = 5_000; // ms

const page = document.querySelector(".dashboard");
const state = page.querySelector("[data-part=state]");
const asOf = page.querySelector("[data-part=as_of]");
const live = page.querySelector("[data-part=live]");
const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: page.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

let timer = 0;
let last = live.textContent;

async function load(url) {
  const response = await fetch(url, { credentials: "same-origin", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  if (response.status === 401 || response.status === 403) location.reload(); // leads to the sign-in
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

async function look() {
  clearTimeout(timer);
  try {
    const [stats, part] = await Promise.all([load(page.dataset.stats), load(page.dataset.live)]);
    show(await stats.json());
    replace(await part.text());
    page.classList.remove("stale");
    state.textContent = "As of";
  } catch {
    page.classList.add("stale");
    state.textContent = "No connection. As of";
  }
  timer = setTimeout(look, document.hidden ? HIDDEN : SEEN);
}

function show(stats) {
  for (const total of page.querySelectorAll("[data-total]")) {
    const text = number.format(stats[total.dataset.total]);
    if (total.textContent !== text) total.textContent = text;
  }
  asOf.dateTime = stats.as_of;
  asOf.textContent = clock.format(new Date(stats.as_of));
}

/** The server's own part of the page. Left alone when nothing changed, or while somebody uses it. */
function replace(text) {
  const part = new DOMParser().parseFromString(text, "text/html").body;
  if (part.textContent === last || live.contains(document.activeElement)) return;
  if (!part.querySelector(".live")) return; // not ours
  last = part.textContent;
  live.replaceChildren(...part.childNodes);
}

for (const total of page.querySelectorAll("[data-total]")) total.textContent = number.format(Number(total.textContent));
document.addEventListener("visibilitychange", () => !document.hidden && look());
timer = setTimeout(look, SEEN);
