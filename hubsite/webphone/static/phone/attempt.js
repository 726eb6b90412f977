/**
 * One attempt as a state machine: challenges and messages in, effects out. It is the table "The
 * phone, for each attempt" of docs/protocol.md.
 *
 * Laws:
 * 1. Nothing confidential leaves before both certificates verify, or a ticket's secret can prove
 *    the hub.
 * 2. A ticket is deleted before it is used, and used only where and while its hub is certified.
 * 3. All tries of one attempt carry one op, so that a door moves once.
 * 4. An error in the clear is a hint for one more try and never an answer.
 * 5. What does not belong to the phase changes nothing.
 * 6. The first state after a verdict is the last thing heard, whatever it says.
 * 7. One call at a time: whoever drives the machine awaits each of its promises before the next.
 *
 * `wall` is Unix seconds. `chance(n)` gives n random bytes.
 */

import { equal, toHex } from "../protocol/bytes.js";
import { ErrorCode, Reason } from "../protocol/codes.js";
import { FrameError, ProofError } from "../protocol/errors.js";
import * as messages from "../protocol/messages.js";
import { openState, openVerdict, sessionKeys } from "../protocol/sealing.js";
import { Why, decided, gaveUp, moved, readInfo, send } from "./effects.js";
import { byFullPath, byTicket } from "./requests.js";
import { distrust, mayUse } from "./trust.js";
import { isOver } from "./wallet.js";

export const RETRIES_MAX = 1;
export const BUSY_WAITS_MAX = 2;
const BUSY_SECONDS = 0.5; // and up to 1.5 s more by chance
const CHANCE_PER_SECOND = 170;

export const Phase = Object.freeze({
  START: "start",
  EPOCH: "waiting for certificates",
  VERDICT: "waiting for the verdict",
  SESSION: "answered",
  END: "over",
});

export class Attempt {
  constructor({ wallet, accessPoint, action, chance, transport, op }) {
    this.wallet = wallet;
    this.accessPoint = accessPoint;
    this.action = action;
    this.op = op;
    this.phase = Phase.START;
    this.isShort = false;
    this.chance = chance;
    this.transport = transport;
    this.retries = 0;
    this.waits = 0;
    this.isFullOnly = false;
    this.hasAsked = false;
    this.carries = false;
    this.info = null;
    this.challenge = null;
    this.certified = null;
    this.keys = null;
  }

  // What comes in.

  /** Take what INFO read. */
  async read(info, wall) {
    if (this.phase !== Phase.START) return [];
    if (info.length === 0) return this.busy();
    const challenge = challengeOf(info);
    if (challenge === null) {
      return this.giveUp(messages.isOfAnotherVersion(info) ? Why.OTHER_VERSION : Why.NO_HUB);
    }
    this.info = info;
    this.challenge = challenge;
    const ticket = this.usableTicket(wall);
    if (ticket !== undefined) return this.resume(ticket, wall);
    const known = this.wallet.epochs.get(toHex(challenge.epoch));
    if (known !== undefined && this.distrusts(known, wall) === null) return this.open(known, wall);
    this.phase = Phase.EPOCH;
    return [send(messages.GET_EPOCH)];
  }

  /** Take one whole message from the hub. */
  async receive(data, wall) {
    let message;
    try {
      message = messages.decodeToPhone(data);
    } catch (error) {
      if (error instanceof FrameError) return [];
      throw error;
    }
    const { EPOCH, VERDICT, SESSION } = Phase;
    if (message.kind === "epoch" && this.phase === EPOCH) return this.certificates(message, wall);
    if (message.kind === "error" && [EPOCH, VERDICT].includes(this.phase)) {
      return this.hint(message.code);
    }
    if (message.kind === "verdict" && this.phase === VERDICT) return this.verdict(message);
    if (message.kind === "state" && this.phase === SESSION) return this.state(message);
    return [];
  }

  /** Nothing came in time. */
  silence() {
    if (this.phase === Phase.EPOCH) return this.giveUp(Why.NO_CERTIFICATES);
    if (this.phase === Phase.VERDICT) return this.hint(ErrorCode.TIMEOUT);
    return [];
  }

  /** The link has ended, or the hub said goodbye. */
  lost() {
    if (this.phase === Phase.SESSION) this.phase = Phase.END;
    return this.phase === Phase.END ? [] : this.giveUp(Why.LINK_LOST);
  }

  /** The phone leaves: nothing counts any more. */
  leave() {
    this.phase = Phase.END;
  }

  // The way to a request.

  /** Return the ticket for this hub if it may be used here and now; drop one that is over. */
  usableTicket(wall) {
    const kid = toHex(this.challenge.hub);
    const ticket = this.wallet.tickets.get(kid);
    if (ticket === undefined) return undefined;
    if (isOver(ticket, wall)) this.wallet.tickets.delete(kid);
    const may = mayUse(ticket, this.challenge, this.wallet, this.accessPoint, wall);
    return may && !this.isFullOnly ? ticket : undefined;
  }

  distrusts(known, wall) {
    return distrust(known, this.challenge, this.wallet, this.accessPoint, wall);
  }

  async certificates({ hubCertificate, epochCertificate }, wall) {
    let known;
    try {
      known = await this.wallet.readCertificates(hubCertificate, epochCertificate);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      return this.giveUp(Why.UNTRUSTED);
    }
    const why = this.distrusts(known, wall);
    if (why !== null) return this.giveUp(why);
    this.wallet.keepEpoch(known);
    if (equal(known.epoch.kid, this.challenge.epoch)) return this.open(known, wall);
    // A new epoch has begun, or the first one: the next challenge names it.
    if (this.retries >= RETRIES_MAX) return this.giveUp(Why.OTHER_EPOCH);
    this.retries += 1;
    return this.again();
  }

  wish() {
    return { op: this.op, accessPoint: this.accessPoint, action: this.action };
  }

  /** Send a request by the full path. */
  async open(known, wall) {
    const revocations = this.wallet.revocationsFor(known.hub.hub);
    this.carries = revocations.length > 0;
    this.isShort = false;
    const asked = await byFullPath({
      wallet: this.wallet,
      known,
      wish: { ...this.wish(), revocations },
      transport: this.transport,
      challenge: this.info,
      chance: this.chance,
    });
    return this.ask(asked, wall);
  }

  /** Send a request by the short path. */
  async resume(ticket, wall) {
    this.wallet.tickets.delete(toHex(this.challenge.hub));
    this.isShort = true;
    const asked = await byTicket({
      ticket,
      wish: this.wish(),
      transport: this.transport,
      challenge: this.info,
      chance: this.chance,
    });
    return this.ask(asked, wall);
  }

  async ask({ message, secret, aead, certified }, wall) {
    this.wallet.asked(this.accessPoint, this.action, this.op, wall);
    const { transport, info: challenge } = this;
    const exchange = { secret, transport, challenge, message, aead, hub: certified.hub };
    this.keys = await sessionKeys(exchange);
    this.certified = certified;
    this.hasAsked = true;
    this.phase = Phase.VERDICT;
    return [send(message)];
  }

  // The answer.

  async verdict(message) {
    const verdict = await opened(openVerdict(message, this.keys));
    if (verdict === null || !equal(verdict.op, this.op)) return [];
    this.wallet.answered(this.accessPoint, this.action);
    if (this.carries && !this.isShort) this.wallet.carried(this.certified.hub);
    if (verdict.allowed && verdict.ticket !== null) this.keepTicket(verdict.ticket);
    if (this.isShort && !verdict.allowed && verdict.reason === Reason.NEED_FULL) {
      this.wallet.fullPathAt.add(this.accessPoint);
      this.op = this.chance(messages.OP_BYTES);
      return this.again();
    }
    this.phase = Phase.SESSION;
    return [decided(verdict)];
  }

  /** Keep a ticket with what is certified of its hub. */
  keepTicket({ id, expires }) {
    const { aead, ratchet: secret } = this.keys;
    const ticket = { ...this.certified, id, secret, aead, expires };
    this.wallet.tickets.set(toHex(this.challenge.hub), ticket);
  }

  async state(message) {
    const state = await opened(openState(message, this.keys));
    if (state === null || !equal(state.op, this.op)) return [];
    this.phase = Phase.END;
    return [moved(state)];
  }

  // No answer.

  /** Take an error in the clear, which anybody may have sent. */
  hint(code) {
    if (code === ErrorCode.BUSY && this.waits < BUSY_WAITS_MAX) return this.busy();
    if (this.retries >= RETRIES_MAX) return this.giveUp(Why.NO_ANSWER);
    this.retries += 1;
    this.isFullOnly = true;
    if (code !== ErrorCode.TIMEOUT) this.wallet.epochs.delete(toHex(this.challenge.epoch));
    return this.again();
  }

  /** The hub is at work: read INFO again after a while, at most BUSY_WAITS_MAX times. */
  busy() {
    this.waits += 1;
    if (this.waits > BUSY_WAITS_MAX) return this.giveUp(Why.BUSY);
    return this.again(BUSY_SECONDS + this.chance(1)[0] / CHANCE_PER_SECOND);
  }

  /** Begin again with a new challenge; until it is read, nothing that comes counts. */
  again(afterSeconds = 0) {
    this.phase = Phase.START;
    return [readInfo(afterSeconds)];
  }

  giveUp(why) {
    this.phase = Phase.END;
    return [gaveUp(why, this.hasAsked)];
  }
}

/** Return the challenge that INFO holds, or null. */
export function challengeOf(info) {
  try {
    return messages.decodeChallenge(info);
  } catch (error) {
    if (error instanceof FrameError) return null;
    throw error;
  }
}

/** Return what a seal held; null when it is of another session, or forged. */
async function opened(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ProofError) return null;
    throw error;
  }
}
