/**
 * One attempt on one link as a state machine: values read, frames and time in, effects out.
 *
 * Laws:
 * 1. A wait for the hub begins when the last frame of a message is written. What is ignored never
 *    prolongs it.
 * 2. When a phone leaves depends on nothing that verdict or state says: it stays after both, until
 *    the first state.
 * 3. One call at a time, as for an `Attempt`.
 *
 * How it works: `Listening` joins frames into messages and says when TXR is to be read. `OnLink`
 * brings the messages to an `Attempt` and keeps its time. Whoever performs the effects reports
 * back: `info`, `written`, `pulled`, `notified`, `passed` when `due` has come, `lost`.
 *
 * `now` is seconds of a clock that never goes back, `wall` is Unix seconds.
 */

import { Action } from "../protocol/codes.js";
import { Phase, challengeOf } from "./attempt.js";
import { leave, readTxr, write } from "./effects.js";
import { Listening } from "./listening.js";

export const EPOCH_SECONDS = 8;
export const VERDICT_SECONDS = 6;
export const STAY_SECONDS = 30;

const PATIENCE_SECONDS = new Map([
  [Phase.EPOCH, EPOCH_SECONDS],
  [Phase.VERDICT, VERDICT_SECONDS],
]);

export class OnLink {
  constructor(attempt, subscribed) {
    this.attempt = attempt;
    this.subscribed = subscribed;
    this.listening = null;
    this.patienceEnds = null;
    this.stayEnds = null;
  }

  /** When `passed` is to be called if nothing comes before; null for never. */
  get due() {
    const moments = [this.patienceEnds, this.stayEnds, this.listening?.pullAt ?? null];
    const known = moments.filter((moment) => moment !== null);
    return known.length > 0 ? Math.min(...known) : null;
  }

  /** Take what INFO read: a new session. */
  async info(value, now, wall) {
    const challenge = challengeOf(value);
    this.listening = challenge === null ? null : new Listening(challenge.sid, this.subscribed);
    return this.after(await this.attempt.read(value, wall), now);
  }

  /** The last frame of a message is written: its answer is waited for from now on. */
  async written(now) {
    this.patienceEnds = now + PATIENCE_SECONDS.get(this.attempt.phase);
    this.listening.begin(now);
    return this.readsTxrIfDue(now);
  }

  /** Take a notification of TX. */
  async notified(data, now, wall) {
    if (this.listening === null) return [];
    return this.heard(this.listening.notified(data, now), now, wall);
  }

  /** Take what TXR read. */
  async pulled(value, now, wall) {
    if (this.listening === null) return [];
    return this.heard(this.listening.pulled(value, now), now, wall);
  }

  /** Say that `due` has come. */
  async passed(now) {
    if (this.stayEnds !== null && now >= this.stayEnds) return this.leaves();
    if (this.patienceEnds !== null && now >= this.patienceEnds) {
      return this.after(this.attempt.silence(), now);
    }
    return this.readsTxrIfDue(now);
  }

  /** The link has ended. */
  async lost() {
    this.rest();
    return this.attempt.lost();
  }

  async heard(frame, now, wall) {
    if (frame.bye) return [...(await this.lost()), ...this.leaves()];
    const effects = frame.ack === null ? [] : [write(frame.ack)];
    if (frame.message !== null) {
      const received = await this.attempt.receive(frame.message, wall);
      effects.push(...this.after(received, now));
    }
    return [...effects, ...this.readsTxrIfDue(now)];
  }

  readsTxrIfDue(now) {
    const pullAt = this.listening?.pullAt ?? null;
    if (pullAt === null || now < pullAt) return [];
    this.listening.pulls();
    return [readTxr()];
  }

  /** Keep the time that goes with what the attempt does. */
  after(effects, now) {
    if (this.attempt.phase === Phase.END) return [...effects, ...this.leaves()];
    const kinds = effects.map((effect) => effect.do);
    if (kinds.includes("send") || kinds.includes("read INFO")) this.rest();
    if (!kinds.includes("decided")) return effects;
    if (this.attempt.action === Action.QUERY) return [...effects, ...this.leaves()];
    this.patienceEnds = null;
    this.stayEnds = now + STAY_SECONDS;
    return effects;
  }

  leaves() {
    this.rest();
    this.attempt.leave();
    return [leave()];
  }

  rest() {
    this.patienceEnds = null;
    this.stayEnds = null;
    this.listening?.rest();
  }
}
