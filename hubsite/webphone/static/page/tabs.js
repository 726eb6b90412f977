/**
 * Several tabs of this page: they share a key, a grant and tickets, and one of them is at a door.
 *
 * Laws:
 * 1. One visit at a time, in all tabs together. Who comes second is told so, and waits for nobody.
 * 2. What another tab has learned is read before a visit: a ticket that was used is used by nobody.
 */

const LOCK = "visit";
const LEARNED = "learned";
const LEARNED_BY = "learned by";

/** What is learned of hubs, as the tabs of one page keep it together. */
export class Tabs {
  constructor(store) {
    this.store = store;
    this.id = crypto.randomUUID();
  }

  /** Do `visit` alone, or `elsewhere` when another tab is at a door (law 1). */
  alone(visit, elsewhere) {
    const act = (lock) => (lock === null ? elsewhere() : visit());
    return navigator.locks.request(LOCK, { ifAvailable: true }, act);
  }

  /** Return what is kept. */
  async learned() {
    return (await this.store.get(LEARNED)) ?? {};
  }

  /** Keep this, undefined for nothing. Whose it is comes first: who ends between is read again. */
  async keep(learned) {
    await this.store.put(LEARNED_BY, this.id);
    await this.store.put(LEARNED, learned);
  }

  /** Tell whether another tab was the last that kept something. */
  async isBehind() {
    const by = await this.store.get(LEARNED_BY);
    return by !== undefined && by !== this.id;
  }
}
