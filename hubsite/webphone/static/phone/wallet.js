/**
 * What a phone has: its key, its grant, the site's issuer, and what it learned of hubs and doors
 * (docs/protocol.md, "What to keep").
 *
 * Laws:
 * 1. Nothing in it identifies a person.
 * 2. Losing what was learned costs one longer unlock and nothing else.
 * 3. A ticket is worth no more than the hub certificate it began with: not at other access points,
 *    and not for longer.
 * 4. A wish without an answer keeps its op for WISH_SECONDS; every other wish has a new one.
 * 5. The site's AEADs are kept without A192GCM, which no browser has.
 * 6. A hub that was revoked once stays so, whatever a later enrolment says.
 *
 * Ids are hex where they are keys of a Map. Times are Unix seconds.
 */

import { toHex } from "../protocol/bytes.js";
import { readEpochCertificate, readHubCertificate } from "../protocol/certificates.js";
import { AEADS_HERE, sha256 } from "../protocol/cose.js";
import { ProofError } from "../protocol/errors.js";
import { OP_BYTES } from "../protocol/messages.js";

export const EPOCHS_MAX = 16;
export const CARRY_BYTES_MAX = 2400; // grant and list together, so that an open fits 4096 bytes
export const WISH_SECONDS = 120; // never longer than a hub remembers an op
export const RSA_BYTES = [384, 512];

/** Tell whether a ticket's time has ended, or its hub's. */
export function isOver(ticket, wall) {
  return wall > ticket.expires || wall > ticket.hubExpires;
}

export class Wallet {
  /**
   * `site` is its name, `issuer` its key as `readKey` gives it, `signer` this phone's `{alg, key}`,
   * `grant` the document. `aeads` are in the site's order, `rsaBytes` the sizes of a modulus that
   * it takes, `revokedHubs` kids in hex, `revocations` the list to carry to hubs, or empty.
   */
  constructor({ site, issuer, signer, grant, aeads, rsaBytes, revokedHubs, revocations }) {
    this.site = site;
    this.issuer = issuer;
    this.signer = signer;
    this.grant = grant;
    this.aeads = aeads.filter((aead) => AEADS_HERE.includes(aead));
    this.rsaBytes = rsaBytes ?? RSA_BYTES;
    this.revokedHubs = new Set(revokedHubs);
    this.revocations = revocations ?? new Uint8Array(0);
    this.revocationsDigest = "";
    this.epochs = new Map();
    this.tickets = new Map();
    this.fullPathAt = new Set();
    this.unanswered = new Map();
    this.carriedTo = new Map();
    this.frameBytes = new Map();
  }

  /** Make a wallet with what an earlier one has `learned`, less what of it proves nothing. */
  static async open(holds, learned = {}) {
    const wallet = new Wallet(holds);
    wallet.revocationsDigest = toHex(await sha256(wallet.revocations));
    for (const kid of learned.revokedHubs ?? []) wallet.revokedHubs.add(kid);
    wallet.tickets = new Map(learned.tickets);
    wallet.fullPathAt = new Set(learned.fullPathAt);
    wallet.unanswered = new Map(learned.unanswered);
    wallet.carriedTo = new Map(learned.carriedTo);
    wallet.frameBytes = new Map(learned.frameBytes);
    for (const { hubCertificate, epochCertificate } of learned.epochs ?? []) {
      try {
        wallet.keepEpoch(await wallet.readCertificates(hubCertificate, epochCertificate));
      } catch (error) {
        if (!(error instanceof ProofError)) throw error;
      }
    }
    return wallet;
  }

  /** Return what was learned, in values that a database of the browser takes. */
  learned() {
    const epochs = Array.from(this.epochs.values(), ({ hubCertificate, epochCertificate }) => ({
      hubCertificate,
      epochCertificate,
    }));
    const { tickets, fullPathAt, unanswered, carriedTo, frameBytes, revokedHubs } = this;
    return { epochs, tickets, fullPathAt, unanswered, carriedTo, frameBytes, revokedHubs };
  }

  /** Verify both certificates: `{hub, epoch, hubCertificate, epochCertificate}`, or ProofError. */
  async readCertificates(hubCertificate, epochCertificate) {
    const hub = await readHubCertificate(hubCertificate, this.issuer);
    const epoch = await readEpochCertificate(epochCertificate, hub, this.rsaBytes);
    return { hub, epoch, hubCertificate, epochCertificate };
  }

  /** Cache certificates under the epoch's kid; the oldest goes beyond EPOCHS_MAX. */
  keepEpoch(known) {
    while (this.epochs.size >= EPOCHS_MAX) {
      const [oldest] = this.epochs.keys();
      this.epochs.delete(oldest);
    }
    this.epochs.set(toHex(known.epoch.kid), known);
  }

  /** Return the list that this hub has not had from this phone yet; empty for none. */
  revocationsFor(hub) {
    const had = this.carriedTo.get(hub) === this.revocationsDigest;
    const fits = this.grant.length + this.revocations.length <= CARRY_BYTES_MAX;
    return had || !fits ? new Uint8Array(0) : this.revocations;
  }

  /** The hub has answered a request that held the list. */
  carried(hub) {
    this.carriedTo.set(hub, this.revocationsDigest);
  }

  /** Return the op for a wish: the same while it has no answer, else a new one. */
  opFor(accessPoint, action, wall, chance) {
    const sent = this.unanswered.get(wishKey(accessPoint, action));
    const age = sent === undefined ? -1 : wall - sent.askedAt;
    return age >= 0 && age <= WISH_SECONDS ? sent.op : chance(OP_BYTES);
  }

  /** Remember that a wish was sent; the time of its first sending counts. */
  asked(accessPoint, action, op, wall) {
    const wish = wishKey(accessPoint, action);
    const sent = this.unanswered.get(wish);
    if (sent === undefined || toHex(sent.op) !== toHex(op)) {
      this.unanswered.set(wish, { op, askedAt: wall });
    }
  }

  /** Forget a wish that has its answer, whatever it is. */
  answered(accessPoint, action) {
    this.unanswered.delete(wishKey(accessPoint, action));
  }
}

function wishKey(accessPoint, action) {
  return `${accessPoint}/${action}`;
}
