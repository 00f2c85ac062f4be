/* Somebody else may sign in here: what was kept to open pages offline is the last person's. Scans that
   wait are kept elsewhere, and stay. */

async function forget() {
  for (const name of await caches.keys()) await caches.delete(name);
}

if ("caches" in window) forget();
