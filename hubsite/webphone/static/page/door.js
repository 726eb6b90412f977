/**
 * A visit at a door: choose it, connect, ask, and show what it answers.
 *
 * Laws:
 * 1. A grant that is over asks nothing of a door.
 * 2. A hub that was not reached is connected once more.
 * 3. What goes wrong ends in a sentence.
 */

import { Attempt } from "../phone/attempt.js";
import { OnLink } from "../phone/onlink.js";
import { Visit } from "../phone/visit.js";
import { Action } from "../protocol/codes.js";
import { LinkError } from "../protocol/errors.js";
import { BLE_GATT } from "../protocol/sealing.js";
import { NoPasskey } from "../key/passkey.js";
import { NotChosen } from "./radio.js";
import * as words from "./words.js";

const CONNECT_TRIES = 2;

const chance = (size) => crypto.getRandomValues(new Uint8Array(size));

export class AtDoor {
  /** `keep` keeps what was learned, `doubtGrant` is told that a door did not take the grant. */
  constructor({ screen, radio, key, clock, keep, doubtGrant }) {
    this.screen = screen;
    this.radio = radio;
    this.key = key;
    this.clock = clock;
    this.keep = keep;
    this.doubtGrant = doubtGrant;
  }

  /** Ask a door to open. Raise what `failed` says. */
  async visit(wallet, enrolment, accessPoint) {
    if (this.clock.wall() > enrolment.expires) return this.screen.trouble(words.GRANT_OVER);
    this.screen.working(this.key.isProtected ? words.PROVE : words.CHOOSE);
    wallet.signer = await this.key.signer();
    this.screen.working(words.CHOOSE);
    await this.radio.choose(enrolment.shownNames.get(accessPoint) ?? "");
    this.screen.working(words.CONNECTING);
    const link = await this.connect();
    try {
      await this.visitOn(link, wallet, accessPoint);
    } finally {
      this.radio.leave(link);
    }
    return undefined;
  }

  async connect() {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.radio.connect();
      } catch (error) {
        if (!(error instanceof LinkError) || tries === CONNECT_TRIES) throw error;
      }
    }
  }

  async visitOn(link, wallet, accessPoint) {
    const { clock, keep } = this;
    const action = Action.OPEN;
    const op = wallet.opFor(accessPoint, action, clock.wall(), chance);
    const wish = { wallet, accessPoint, action, chance, transport: BLE_GATT, op };
    const onLink = new OnLink(new Attempt(wish), link.subscribed);
    const tell = (effect) => this.tell(effect);
    const visit = new Visit({ link, onLink, wallet, clock, keep, tell });
    link.hear = (frame) => visit.notified(frame);
    await visit.run();
  }

  /** Show what a visit tells. */
  tell(effect) {
    if (effect.do === "decided") this.screen.verdict(effect.verdict);
    if (words.isOfOldGrant(effect.verdict)) this.doubtGrant();
    if (effect.do === "moved") this.screen.door(effect.state.door);
    if (effect.do !== "gave up") return;
    this.screen.ended(effect);
    if (words.isOfAnotherHub(effect.why)) this.radio.doubt();
  }

  /** Show what went wrong before a door was asked. Raise what no sentence is for. */
  failed(error) {
    if (error instanceof NoPasskey) return this.screen.trouble(words.LOCKED);
    if (error instanceof NotChosen) return this.screen.trouble(words.wordsOfNobody(error));
    this.screen.trouble(words.NOT_REACHED);
    if (!(error instanceof LinkError)) throw error;
    return this.radio.forget();
  }
}
