/**
 * The page's own life: it begins, takes a grant, and opens a door at a touch.
 *
 * Laws:
 * 1. One visit at a time, and each begins with a touch of the person.
 * 2. A new grant takes the place of the old one only when it proves itself. What was learned of
 *    hubs stays, but for the doors that wanted the full path.
 * 3. What goes wrong ends in a sentence, and the button works again.
 * 4. After an answer that a newer grant may mend, one is asked for at once.
 */

import { Attempt } from "../phone/attempt.js";
import { OnLink } from "../phone/onlink.js";
import { Visit } from "../phone/visit.js";
import { Wallet } from "../phone/wallet.js";
import { Action } from "../protocol/codes.js";
import { LinkError } from "../protocol/errors.js";
import { BLE_GATT } from "../protocol/sealing.js";
import * as grants from "./grants.js";
import { OwnKey } from "./keys.js";
import { NoPasskey, hasPasskeys } from "./passkey.js";
import { NotChosen, Radio, hasRadio } from "./radio.js";
import { Screen } from "./screen.js";
import { Away, SiteServer, Told } from "./site.js";
import { Store, persists } from "./store.js";
import { Tabs } from "./tabs.js";
import * as words from "./words.js";

const ENROLMENT = "enrolment";
const WAS_ENROLLED = "was enrolled"; // in localStorage, which outlives a database that is evicted
const CONNECT_TRIES = 2;

const clock = {
  now: () => performance.now() / 1000,
  wall: () => Date.now() / 1000,
};

const chance = (size) => crypto.getRandomValues(new Uint8Array(size));

export class App {
  constructor(document) {
    this.screen = new Screen(document);
    this.radio = new Radio();
    this.store = null;
    this.key = null;
    this.enrolment = null;
    this.wallet = null;
    this.isVisiting = false;
  }

  /** Begin: read what is kept, and take what the page's address brings. */
  async start() {
    this.store = await Store.open();
    this.tabs = new Tabs(this.store);
    this.key = await OwnKey.open(this.store, clock.now);
    this.showKey();
    this.screen.say("no-radio", hasRadio() ? "" : words.NO_RADIO);
    this.site = new SiteServer(this.store, clock.wall);
    await this.takeKept();
    await this.takeAddress(location.href);
    await this.connectSite(location.href);
    this.screen.say("not-kept", (await persists()) ? "" : words.NOT_KEPT);
    this.screen.show("starting", false);
  }

  showKey() {
    this.screen.say("own-key", this.key.shown);
    this.screen.show("protect", hasPasskeys() && !this.key.isProtected);
    this.screen.show("is-protected", this.key.isProtected);
  }

  /** The person wants a key under a passkey: a new one, so what the old one could is over. */
  async protect() {
    this.screen.say("protect-trouble", "");
    try {
      await this.key.protect();
    } catch (error) {
      if (!(error instanceof NoPasskey)) throw error;
      return this.screen.say("protect-trouble", words.NO_PASSKEY);
    }
    this.enrolment = null;
    this.wallet = null;
    await this.store.put(ENROLMENT, undefined);
    await this.tabs.keep(undefined);
    await this.site.forget();
    this.showKey();
    return this.showEnrolment();
  }

  async takeKept() {
    const text = await this.store.get(ENROLMENT);
    if (text === undefined) {
      const isForgotten = localStorage.getItem(WAS_ENROLLED) !== null;
      this.screen.say("grant-trouble", isForgotten ? words.FORGOTTEN : "");
      return this.showEnrolment();
    }
    try {
      await this.use(await this.read(text), await this.tabs.learned());
    } catch (error) {
      if (!(error instanceof grants.Refused)) throw error;
      this.screen.say("grant-trouble", error.message);
    }
    return this.showEnrolment();
  }

  /** Take the grant that an address holds, and forget it there. */
  async takeAddress(address) {
    const text = grants.enrolmentIn(address);
    if (text === "") return;
    history.replaceState(null, "", location.pathname + location.search);
    await this.offer(text);
  }

  /** Connect this phone with the site's server, where its address asks for that; fetch a grant. */
  async connectSite(address) {
    const said = new URL(address).searchParams;
    if (said.has("connect")) return this.goTo(await this.site.begin());
    const isBack = said.has("state") && (said.has("code") || said.has("error"));
    if (isBack) history.replaceState(null, "", location.pathname);
    return this.renewGrant(isBack ? () => this.site.finish(address) : null);
  }

  /** Leave this page for another address; nothing of this one goes on. */
  goTo(address) {
    location.replace(address);
    return new Promise(() => {});
  }

  /** Fetch a newer grant, where one is due; `first` is done before it. */
  async renewGrant(first = null) {
    try {
      if (first !== null) await first();
      this.site.isDue ||= this.enrolment === null;
      const text = await this.site.fetchGrant(this.key, first !== null);
      this.showKey();
      const isGood = text !== null && (await this.offer(text, { isOfServer: true }));
      if (isGood) await this.site.tookGrant();
      this.screen.say("site-trouble", "");
    } catch (error) {
      if (error instanceof NoPasskey) this.screen.say("site-trouble", words.LOCKED);
      else if (error instanceof Told) this.screen.say("site-trouble", error.message);
      else if (!(error instanceof Away)) throw error;
      else if (first !== null) this.screen.say("site-trouble", words.SITE_AWAY);
    }
  }

  read(text) {
    return grants.readEnrolment(text, this.key.cose, clock.wall());
  }

  /** Take a grant, where `doubtOf` has one when the person says so. Tell whether it was good. */
  async offer(text, { isSure = false, isOfServer = false } = {}) {
    let isGood = false;
    this.screen.say("grant-trouble", "");
    this.screen.show("other-site", false);
    try {
      const enrolment = await this.read(text);
      const isOther = this.enrolment !== null && !grants.isOfSameSite(this.enrolment, enrolment);
      const doubt = this.doubtOf(enrolment, isOther, isOfServer);
      if (doubt !== "" && !isSure) return this.ask(text, doubt);
      await this.take(text, enrolment, isOther);
      isGood = true;
    } catch (error) {
      if (!(error instanceof grants.Refused)) throw error;
      this.screen.say("grant-trouble", error.message);
    }
    this.showEnrolment();
    return isGood;
  }

  /** Return what is to be asked before a grant is taken, "" for nothing. */
  doubtOf(enrolment, isOther, isOfServer) {
    if (isOther) return words.OTHER_SITE;
    if (this.enrolment === null || isOfServer) return "";
    const renamed = grants.renamedDoor(this.enrolment, enrolment);
    return renamed === null ? "" : words.renames(renamed);
  }

  ask(text, doubt) {
    this.offered = text;
    this.screen.say("other-site-words", doubt);
    this.screen.show("other-site", true);
    return true;
  }

  async take(text, enrolment, isOther) {
    const learned = isOther || this.wallet === null ? {} : this.wallet.learned();
    await this.use(enrolment, { ...learned, fullPathAt: new Set() });
    await this.store.put(ENROLMENT, text);
    localStorage.setItem(WAS_ENROLLED, enrolment.site);
    await this.keep();
  }

  async use(enrolment, learned) {
    await this.hold(enrolment, learned);
    this.screen.doors(enrolment.doors, grants.doorIn(location.href));
  }

  async hold(enrolment, learned) {
    const { site, issuer, grant, aeads, revokedHubs, revocations } = enrolment;
    const holds = { site, issuer, grant, aeads, revokedHubs, revocations };
    this.wallet = await Wallet.open({ ...holds, signer: null }, learned);
    this.enrolment = enrolment;
  }

  showEnrolment() {
    const isEnrolled = this.enrolment !== null;
    this.screen.show("unlock", isEnrolled && hasRadio());
    this.screen.say("site", isEnrolled ? this.enrolment.site : "");
    this.screen.enrolling(!isEnrolled);
  }

  keep() {
    return this.tabs.keep(this.wallet.learned());
  }

  /** Read what another tab has learned since. */
  async catchUp() {
    if (await this.tabs.isBehind()) await this.hold(this.enrolment, await this.tabs.learned());
  }

  /** The person chose another door: its hub may be another one. */
  doorChosen() {
    this.radio.forget();
  }

  /** The person touched "Open". */
  async open() {
    if (this.isVisiting || this.wallet === null) return;
    this.isVisiting = true;
    this.screen.busy(true);
    try {
      const elsewhere = () => this.screen.trouble(words.ELSEWHERE);
      await this.tabs.alone(() => this.visit(this.screen.chosenDoor()), elsewhere);
    } catch (error) {
      this.failed(error);
    } finally {
      this.isVisiting = false;
      this.screen.busy(false);
    }
    if (this.site.isDue) await this.renewGrant();
  }

  async visit(accessPoint) {
    await this.catchUp();
    if (clock.wall() > this.enrolment.expires) return this.screen.trouble(words.GRANT_OVER);
    this.screen.working(this.key.isProtected ? words.PROVE : words.CHOOSE);
    this.wallet.signer = await this.key.signer();
    this.screen.working(words.CHOOSE);
    await this.radio.choose(this.enrolment.shownNames.get(accessPoint) ?? "");
    this.screen.working(words.CONNECTING);
    const link = await this.connect();
    try {
      await this.visitOn(link, accessPoint);
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

  async visitOn(link, accessPoint) {
    const { wallet } = this;
    const action = Action.OPEN;
    const op = wallet.opFor(accessPoint, action, clock.wall(), chance);
    const wish = { wallet, accessPoint, action, chance, transport: BLE_GATT, op };
    const onLink = new OnLink(new Attempt(wish), link.subscribed);
    const keep = () => this.keep();
    const tell = (effect) => this.tell(effect);
    const visit = new Visit({ link, onLink, wallet, clock, keep, tell });
    link.hear = (frame) => visit.notified(frame);
    await visit.run();
  }

  tell(effect) {
    if (effect.do === "decided") this.screen.verdict(effect.verdict);
    this.site.isDue ||= words.isOfOldGrant(effect.verdict);
    if (effect.do === "moved") this.screen.door(effect.state.door);
    if (effect.do !== "gave up") return;
    this.screen.ended(effect);
    if (words.isOfAnotherHub(effect.why)) this.radio.doubt();
  }

  failed(error) {
    if (error instanceof NoPasskey) return this.screen.trouble(words.LOCKED);
    if (error instanceof NotChosen) return this.screen.trouble(words.wordsOfNobody(error));
    this.screen.trouble(words.NOT_REACHED);
    if (!(error instanceof LinkError)) throw error;
    return this.radio.forget();
  }
}
