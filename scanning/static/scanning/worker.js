/* Opens the station page without the network. It keeps one copy of the page, of the person who is
   signed in, and the files that the page uses; the sign-in page throws that copy away. Scans don't
   pass through here. */

const PAGE = "tracetrack.page";
const NEXT = "/scan/?next"; // a page whose files are not all kept yet
const FILES = "tracetrack.files";
const PATIENCE = 4000; // ms for the network, before the kept page is shown

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** The page says which files it uses: once all are kept, the page is, and no other files. */
self.addEventListener("message", (event) => event.waitUntil(keep(event.data.files)));

async function keep(files) {
  const cache = await caches.open(FILES);
  for (const url of files) if (!(await cache.match(url))) await cache.add(url);
  const pages = await caches.open(PAGE);
  if (!(await pages.match(NEXT))) await fresh(new Request("/scan/"));
  const next = await pages.match(NEXT);
  if (!next) return;
  await pages.put("/scan/", next);
  await pages.delete(NEXT);
  for (const { url } of await cache.keys()) if (!files.includes(url)) await cache.delete(url);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && pathname === "/scan/") event.respondWith(page(request));
  else if (/^\/(static|jsi18n)\//.test(pathname)) event.respondWith(file(request));
});

async function page(request) {
  const kept = caches.match("/scan/", { cacheName: PAGE });
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE)).then(() => kept);
  const now = fresh(request);
  try {
    return (await Promise.race([now, late])) ?? (await now);
  } catch (error) {
    const found = await kept;
    if (found) return found;
    throw error;
  }
}

/** From the server. Only a page that is ours is kept: a captive portal answers with 200 too. */
async function fresh(request) {
  const response = await fetch(request);
  const ours = response.ok && !response.redirected && response.headers.has("X-Request-ID");
  if (ours) await (await caches.open(PAGE)).put(NEXT, response.clone());
  else if (response.status >= 500) throw new Error(`status ${response.status}`);
  return response;
}

async function file(request) {
  return (await caches.match(request, { cacheName: FILES })) ?? fetch(request);
}
