/**
 * The frames of one session, and when to read TXR (docs/protocol.md, "Reading TXR").
 *
 * Laws:
 * 1. A frame that is broken, of another session or out of place changes nothing.
 * 2. A phone that hears notifications reads TXR when a frame is missing or nothing comes for 1 s.
 * 3. A phone that hears none lives on TXR alone: often in the first second after its message, for
 *    then the verdict comes, and more slowly after that.
 *
 * Times are seconds of a clock that never goes back.
 */

import { equal } from "../protocol/bytes.js";
import { FrameError } from "../protocol/errors.js";
import { ACK, BYE, Inbound, decodeFrame } from "../protocol/framing.js";

export const PULL_AFTER_SECONDS = 1;
export const PULL_EVERY_SECONDS = 0.1;
export const PULL_SOON_SECONDS = 0.03;
export const SOON_SECONDS = 1;

const NOTHING = Object.freeze({
  ours: false,
  message: null,
  ack: null,
  bye: false,
  gap: false,
  size: 0,
});

export class Listening {
  constructor(sid, subscribed) {
    this.subscribed = subscribed;
    this.inbound = new Inbound(sid);
    this.listens = false;
    this.pulling = false;
    this.began = 0;
    /** When to read TXR next; null during a read, or while nothing is waited for. */
    this.pullAt = null;
  }

  /** A message was written: wait for what comes. */
  begin(now) {
    this.listens = true;
    this.began = now;
    this.pullAt = this.subscribed ? now + PULL_AFTER_SECONDS : now;
  }

  /** Nothing is waited for. */
  rest() {
    this.listens = false;
    this.pullAt = null;
  }

  /** TXR is read now. */
  pulls() {
    this.pulling = true;
    this.pullAt = null;
  }

  /**
   * Take a notification. What a frame led to: `ours`, it is of this session; `message`, it made one
   * whole; `ack`, what to write; `bye`, the hub's goodbye; `gap`, frames are missing before it;
   * `size`, its bytes if it was taken.
   */
  notified(data, now) {
    const outcome = this.take(data);
    if (outcome.ours && this.subscribed && this.listens && !this.pulling) {
      this.pullAt = outcome.gap ? now : now + PULL_AFTER_SECONDS;
    }
    return outcome;
  }

  /** Take what TXR read; after a frame it is read again at once. */
  pulled(value, now) {
    this.pulling = false;
    if (this.listens) this.pullAt = value.length > 0 ? now : now + this.pause(now);
    return value.length > 0 ? this.take(value) : NOTHING;
  }

  pause(now) {
    if (this.subscribed) return PULL_AFTER_SECONDS;
    return now - this.began < SOON_SECONDS ? PULL_SOON_SECONDS : PULL_EVERY_SECONDS;
  }

  take(data) {
    try {
      const frame = decodeFrame(data);
      return equal(frame.sid, this.inbound.sid) ? this.accept(frame, data.length) : NOTHING;
    } catch (error) {
      if (error instanceof FrameError) return NOTHING;
      throw error;
    }
  }

  accept(frame, size) {
    const ours = { ...NOTHING, ours: true };
    if (frame.flags & (ACK | BYE)) return { ...ours, bye: frame.flags === BYE };
    if (this.inbound.isAhead(frame)) return { ...ours, gap: true };
    try {
      return { ...ours, ...this.inbound.accept(frame), size };
    } catch (error) {
      if (error instanceof FrameError) return ours;
      throw error;
    }
  }
}
