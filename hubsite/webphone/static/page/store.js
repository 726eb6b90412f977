/**
 * What the page keeps, in the browser's database (IndexedDB).
 *
 * Laws:
 * 1. A write counts when its transaction is complete.
 * 2. The browser may drop all of it, unless it promised to keep it: `persists` says whether it did.
 *
 * It is not a safe: who reads the files of the browser reads what is here, keys too
 * (docs/protocol.md, "Phones in a browser").
 */

const NAME = "hub-phone";
const TABLE = "kept";
const VERSION = 1;

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A small table of values by name. */
export class Store {
  static async open() {
    const store = new Store();
    store.database = await opened();
    return store;
  }

  /** Return what is kept under a name, undefined for nothing. */
  get(name) {
    return this.act("readonly", (table) => table.get(name));
  }

  /** Keep a value; it is on the disk when the promise is kept. */
  put(name, value) {
    return this.act("readwrite", (table) => table.put(value, name));
  }

  act(mode, what) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(TABLE, mode);
      const request = what(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  }
}

/** Ask the browser to keep all this until a person deletes it; return whether it will. */
export async function persists() {
  if (navigator.storage?.persist === undefined) return false;
  return (await navigator.storage.persisted()) || navigator.storage.persist();
}
