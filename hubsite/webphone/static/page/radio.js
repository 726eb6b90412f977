/**
 * The radio of a page: Web Bluetooth, as docs/protocol.md, "Connection", asks for it.
 *
 * Laws:
 * 1. One operation is under way at a time, and each has an end of ATT_SECONDS.
 * 2. A link that ends is known at once, by the browser's event, and each failure is a LinkError.
 * 3. A device that a person chose is used again while this page lives; then no chooser is shown.
 * 4. It never pairs.
 * 5. Where a door's hub has a name on the air, the chooser is asked for that one. When that led to
 *    no hub, or to a wrong one, the next chooser shows every hub: a name may be an old one.
 * 6. The first read of a link has FIRST_SECONDS. Who is silent for longer is connected once more
 *    (docs/protocol.md, "Connection").
 *
 * Where a browser gives no notifications, the phone lives on TXR.
 */

import { LinkError } from "../protocol/errors.js";

export const SERVICE = "7a3c0001-5f0e-4c53-9a6e-2f8d1b6e4a90";
const INFO = "7a3c0002-5f0e-4c53-9a6e-2f8d1b6e4a90";
const RX = "7a3c0003-5f0e-4c53-9a6e-2f8d1b6e4a90";
const TX = "7a3c0004-5f0e-4c53-9a6e-2f8d1b6e4a90";
const TXR = "7a3c0005-5f0e-4c53-9a6e-2f8d1b6e4a90";

export const ATT_SECONDS = 6;
export const FIRST_SECONDS = 2;
export const CONNECT_SECONDS = 10;
export const BETWEEN_SECONDS = 0.3; // a hub may not have seen the phone leave

/** Tell whether this browser has a radio for pages. */
export function hasRadio() {
  return navigator.bluetooth !== undefined;
}

/** Nobody was chosen, or the browser may not use the radio. */
export class NotChosen extends Error {
  name = "NotChosen";
  isByName = false;
  isOff = false;

  /** Whether the browser wants another touch: the last one is too long ago. */
  get isTooLate() {
    return this.cause.name === "SecurityError";
  }
}

/** A browser's radio, with the devices that were chosen since the page was loaded. */
export class Radio {
  constructor() {
    this.device = null;
    this.leftAt = -Infinity; // nobody was left yet
    this.isDoubted = false;
  }

  /**
   * Let the person choose a hub, unless one was chosen before; `name` is what it is called on the
   * air, "" for any. Needs a touch. Raise NotChosen.
   */
  async choose(name) {
    if (this.device !== null) return;
    const byName = name === "" || this.isDoubted ? {} : { name };
    const filters = [{ services: [SERVICE], ...byName }];
    try {
      this.device = await navigator.bluetooth.requestDevice({ filters });
      this.isDoubted = false;
    } catch (error) {
      const chosen = new NotChosen(error.message, { cause: error });
      chosen.isByName = byName.name !== undefined;
      chosen.isOff = !(await navigator.bluetooth.getAvailability());
      if (!chosen.isTooLate) this.isDoubted = chosen.isByName;
      throw chosen;
    }
  }

  /** Forget the hub that was chosen: the next touch shows the chooser. */
  forget() {
    this.device = null;
  }

  /** The hub that was chosen is of another door: the next touch shows every hub (law 5). */
  doubt() {
    this.device = null;
    this.isDoubted = true;
  }

  /** Connect, find the table and listen, if that is possible. Raise LinkError. */
  async connect() {
    const rest = this.leftAt + BETWEEN_SECONDS * 1000 - performance.now();
    if (rest > 0) await new Promise((go) => setTimeout(go, rest));
    const link = new Link(this.device);
    try {
      await withEnd(link.open(), CONNECT_SECONDS, link.lost);
      await link.begin();
    } catch (error) {
      this.leave(link);
      throw error;
    }
    return link;
  }

  /** Disconnect. */
  leave(link) {
    link.close();
    this.leftAt = performance.now();
  }
}

/** One connection to a hub. `lost` is a promise that is kept when it has ended. */
class Link {
  constructor(device) {
    this.device = device;
    this.subscribed = false;
    this.info = null;
    this.hear = () => {};
    this.last = Promise.resolve();
    this.parts = new Map();
    this.lost = new Promise((resolve) => {
      this.tellLost = resolve;
    });
    this.onTx = ({ target }) => this.hear(bytesOf(target.value));
    device.addEventListener("gattserverdisconnected", this.tellLost);
  }

  async open() {
    const server = await this.device.gatt.connect();
    const service = await server.getPrimaryService(SERVICE);
    for (const uuid of [INFO, RX, TX, TXR]) {
      this.parts.set(uuid, await service.getCharacteristic(uuid));
    }
    await this.listen();
  }

  /** Subscribe to TX, where that works. */
  async listen() {
    const tx = this.parts.get(TX);
    try {
      await tx.startNotifications();
      tx.addEventListener("characteristicvaluechanged", this.onTx);
      this.subscribed = true;
    } catch {
      this.subscribed = false;
    }
  }

  /** Read INFO for the first time: what comes is what `readInfo` returns first (law 6). */
  async begin() {
    const first = this.parts.get(INFO).readValue();
    this.info = bytesOf(await withEnd(first, FIRST_SECONDS, this.lost));
  }

  async readInfo() {
    const first = this.info;
    this.info = null;
    return first ?? this.inTurn(async () => bytesOf(await this.parts.get(INFO).readValue()));
  }

  readTxr() {
    return this.inTurn(async () => bytesOf(await this.parts.get(TXR).readValue()));
  }

  write(frame) {
    return this.inTurn(() => this.parts.get(RX).writeValueWithResponse(frame));
  }

  /** Do one operation when the one before it has ended. */
  inTurn(operation) {
    const before = this.last;
    const done = before.then(() => withEnd(operation(), ATT_SECONDS, this.lost));
    this.last = done.catch(() => {});
    return done;
  }

  close() {
    this.device.removeEventListener("gattserverdisconnected", this.tellLost);
    this.parts.get(TX)?.removeEventListener("characteristicvaluechanged", this.onTx);
    this.device.gatt.disconnect();
    this.tellLost();
  }
}

function bytesOf(view) {
  return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Return what a promise gives. Raise LinkError when it fails, takes too long, or the link ends. */
async function withEnd(promise, seconds, lost) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new LinkError("no answer in time")), seconds * 1000);
  });
  const ended = lost.then(() => {
    throw new LinkError("the link has ended");
  });
  try {
    return await Promise.race([promise, late, ended]);
  } catch (error) {
    if (error instanceof LinkError) throw error;
    throw new LinkError(error.message, { cause: error });
  } finally {
    clearTimeout(timer);
    ended.catch(() => {});
  }
}
