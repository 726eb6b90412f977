/**
 * One visit at a door: performs what `OnLink` says, and reports it.
 *
 * Laws:
 * 1. Nothing is decided here.
 * 2. One thing at a time: a frame that is heard meanwhile waits in a queue of QUEUE_MAX, and what
 *    is beyond is lost, as on air.
 * 3. A link that ends wakes every wait.
 * 4. What the wallet learned is kept before a request leaves, and after each answer. So a ticket
 *    that was used is gone from the disk first.
 * 5. Frames begin small and grow to what the hub's own show; a write that fails forgets that.
 *
 * How it works: `run` takes the next thing that happens, a frame or a moment that is due, gives it
 * to `OnLink` and performs all effects of that, in order, before it takes the next.
 */

import { toHex } from "../protocol/bytes.js";
import { LinkError } from "../protocol/errors.js";
import { FIRST, LAST, LARGEST_FRAME, Outbound, SMALLEST_FRAME } from "../protocol/framing.js";
import { challengeOf } from "./attempt.js";
import { readInfo } from "./effects.js";

export const QUEUE_MAX = 512;

/**
 * `link` has `readInfo()`, `write(frame)` and `readTxr()`, which raise LinkError, and `lost`, a
 * promise that is kept when the link ends. `clock.now()` is seconds that never go back,
 * `clock.wall()` Unix seconds. `keep()` writes the wallet down. `tell(effect)` hears "decided",
 * "moved" and "gave up".
 */
export class Visit {
  constructor({ link, onLink, wallet, clock, keep, tell }) {
    this.link = link;
    this.onLink = onLink;
    this.wallet = wallet;
    this.clock = clock;
    this.keep = keep;
    this.tell = tell;
    this.frames = [];
    this.wake = () => {};
    this.isOver = false;
    this.isLost = false;
    this.outbound = null;
    this.hubKid = "";
    link.lost.then(() => {
      this.isLost = true;
      this.wake();
    });
  }

  /** Take a notification of TX; it waits until its turn. */
  notified(frame) {
    if (this.frames.length < QUEUE_MAX) this.frames.push(frame);
    this.wake();
  }

  /** Make the visit, until the phone leaves or the link ends. */
  async run() {
    try {
      await this.performAll([readInfo()]);
      while (!this.isOver) await this.performAll(await this.next());
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      for (const effect of await this.onLink.lost()) this.tell(effect);
    }
    await this.keep();
  }

  /** Wait for what happens next, and give it to `OnLink`. */
  async next() {
    const { due } = this.onLink;
    const frame = await this.heard(due);
    if (frame !== undefined) return this.take(frame, "notified");
    if (this.isLost) throw new LinkError("the link has ended");
    return this.onLink.passed(this.clock.now());
  }

  /** Return the next notification, undefined when none has come by then or the link has ended. */
  async heard(due) {
    if (this.frames.length === 0 && !this.isLost) {
      const seconds = Math.max(0, due - this.clock.now());
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = () => {};
    }
    return this.frames.shift();
  }

  take(frame, way) {
    this.learnSize(frame);
    return this.onLink[way](frame, this.clock.now(), this.clock.wall());
  }

  async performAll(effects) {
    const waiting = [...effects];
    while (waiting.length > 0) {
      waiting.push(...(await this.perform(waiting.shift())));
    }
  }

  async perform(effect) {
    switch (effect.do) {
      case "read INFO":
        await this.pause(effect.afterSeconds);
        return this.readsInfo();
      case "send":
        await this.send(effect.message);
        return this.onLink.written(this.clock.now());
      case "write":
        await this.link.write(effect.frame);
        return [];
      case "read TXR":
        return this.take(await this.link.readTxr(), "pulled");
      case "leave":
        this.isOver = true;
        return [];
      default:
        this.tell(effect);
        return [];
    }
  }

  async pause(seconds) {
    if (seconds === 0) return;
    await Promise.race([new Promise((go) => setTimeout(go, seconds * 1000)), this.link.lost]);
  }

  async readsInfo() {
    const info = await this.link.readInfo();
    const challenge = challengeOf(info);
    if (challenge !== null) {
      this.outbound = new Outbound(challenge.sid);
      this.hubKid = toHex(challenge.hub);
    }
    return this.onLink.info(info, this.clock.now(), this.clock.wall());
  }

  async send(message) {
    await this.keep();
    const size = this.wallet.frameBytes.get(this.hubKid) ?? SMALLEST_FRAME;
    for (const frame of this.outbound.cut(message, size)) {
      try {
        await this.link.write(frame);
      } catch (error) {
        this.wallet.frameBytes.delete(this.hubKid);
        throw error;
      }
    }
  }

  /** The hub cuts frames of min(MTU - 3, 244): the first of several tells what fits. */
  learnSize(frame) {
    const isFull = frame.length > SMALLEST_FRAME && (frame[0] & (FIRST | LAST)) === FIRST;
    if (!isFull || frame.length > LARGEST_FRAME) return;
    this.wallet.frameBytes.set(this.hubKid, frame.length);
  }
}
