/* What a browser keeps in IndexedDB: scans that wait, what each tab has open, and what the server did
   not take. A change is there to stay once its promise is fulfilled. */

const STATION = {
  name: "tracetrack",
  version: 1,
  upgrade(db, from) {
    if (from < 1) {
      // Waiting scans, oldest first. A person's are read by `user`.
      db.createObjectStore("items", { keyPath: "n", autoIncrement: true }).createIndex("user", "user");
      db.createObjectStore("lanes", { keyPath: "lane" }); // one for each tab
      db.createObjectStore("devices", { keyPath: "user" }); // one person's numbers in this browser
      db.createObjectStore("refused", { keyPath: "id" }); // what the server has no record of
    }
  },
};

/** A request's result, or its error. */
export function ask(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function* cursor(source, range, direction) {
  const request = source.openCursor(range, direction);
  for (let at = await ask(request); at; at = await ask(request)) {
    yield at.value;
    at.continue();
  }
}

/** Opens the store. `outdated` is called when a newer page needs it. */
export async function openStore(outdated, { name, version, upgrade } = STATION) {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = (event) => upgrade(request.result, event.oldVersion);
  const db = await ask(request);
  db.onversionchange = () => {
    db.close();
    outdated();
  };
  db.onclose = outdated;
  return { read: (names, work) => run(db, names, "readonly", work), write: (names, work) => run(db, names, "readwrite", work) };
}

/** `work` gets the stores by name; its result comes once all is committed, to the disk. */
async function run(db, names, mode, work) {
  const transaction = db.transaction(names, mode, { durability: "strict" });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
  });
  done.catch(() => {}); // it is awaited below
  const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]));
  try {
    const result = await work(stores);
    await done;
    return result;
  } catch (error) {
    try {
      transaction.abort();
    } catch { /* it is over already */ }
    throw error;
  }
}
