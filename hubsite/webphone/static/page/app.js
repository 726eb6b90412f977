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

import { ComingBack } from "../key/comingback.js";
import { OwnKey } from "../key/keys.js";
import { NoPasskey, hasPasskeys } from "../key/passkey.js";
import { Wallet } from "../phone/wallet.js";
import { AtDoor } from "./door.js";
import * as grants from "./grants.js";
import { Radio, hasRadio } from "./radio.js";
import { Screen } from "./screen.js";
import { Away, Gone, SiteServer, Told } from "./site.js";
import { Store, persists } from "./store.js";
import { Tabs } from "./tabs.js";
import * as words from "./words.js";

const ENROLMENT = "enrolment";
const WAS_ENROLLED = "was enrolled"; // in localStorage, which outlives a database that is evicted

const clock = {
  now: () => performance.now() / 1000,
  wall: () => Date.now() / 1000,
};

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
    this.site = new SiteServer(this.store, clock.wall);
    this.comingBack = new ComingBack(this.site, this.key);
    this.atDoor = this.doorway();
    this.showKey();
    this.screen.say("no-radio", hasRadio() ? "" : words.NO_RADIO);
    await this.takeKept();
    await this.takeAddress(location.href);
    await this.connectSite(location.href);
    this.screen.say("not-kept", (await persists()) ? "" : words.NOT_KEPT);
    this.screen.show("starting", false);
    this.comingBack.look(this.enrolment !== null).then(() => this.showKey());
  }

  doorway() {
    const { screen, radio, key } = this;
    const keep = () => this.keep();
    const doubtGrant = () => {
      this.site.isDue = true;
    };
    return new AtDoor({ screen, radio, key, clock, keep, doubtGrant });
  }

  showKey() {
    const { isOffered, mayKeep } = this.comingBack;
    const { isProtected, comesBack } = this.key;
    this.screen.say("own-key", this.key.shown);
    this.screen.show("protect", mayKeep || (hasPasskeys() && !isProtected));
    this.screen.show("protect-by-link", !mayKeep);
    this.screen.show("protect-in-place", mayKeep);
    this.screen.show("is-protected", isProtected);
    this.screen.show("comes-back", comesBack && isOffered);
    this.screen.show("come-back", isOffered && this.enrolment === null);
  }

  /** The person wants a key under a passkey: a new one, so what the old one could is over. */
  async protect() {
    this.screen.say("protect-trouble", "");
    try {
      if (this.comingBack.mayKeep) return await this.protectInPlace();
      await this.key.protect();
    } catch (error) {
      return this.screen.say("protect-trouble", words.wordsOfTrouble(error, words.NO_PASSKEY));
    }
    this.enrolment = null;
    this.wallet = null;
    await this.store.put(ENROLMENT, undefined);
    await this.tabs.keep(undefined);
    await this.site.forget();
    this.showKey();
    return this.showEnrolment();
  }

  async protectInPlace() {
    await this.comingBack.keepPasskey();
    return this.goTo(await this.comingBack.prove());
  }

  /** The person proves the passkey of the phone that this browser was. */
  async comeBack() {
    this.screen.say("come-back-trouble", "");
    try {
      return this.goTo(await this.comingBack.prove());
    } catch (error) {
      return this.screen.say(
        "come-back-trouble",
        words.wordsOfTrouble(error, words.NO_PASSKEY_HERE),
      );
    }
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
    if (said.has("connect")) {
      await this.key.expect(undefined); // it was for another connecting
      return this.goTo(await this.site.begin());
    }
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
      const before = this.key.shown;
      const text = await this.site.fetchGrant(this.key);
      if (this.key.shown !== before) this.keyIsNew();
      const isGood = text !== null && (await this.offer(text, { isOfServer: true }));
      if (isGood) await this.site.tookGrant();
      this.screen.say("site-trouble", "");
    } catch (error) {
      if (error instanceof Away && first === null) return;
      const isPerhapsAnother = error instanceof Gone && this.key.comesBack;
      const more = isPerhapsAnother ? ` ${words.PERHAPS_ANOTHER}` : "";
      this.screen.say("site-trouble", words.wordsOfTrouble(error, words.LOCKED) + more);
    }
  }

  /** Another key has taken the place of this one: its grant and its tickets go with it. */
  keyIsNew() {
    this.enrolment = null;
    this.wallet?.tickets.clear();
    this.screen.show("came-back", this.key.comesBack);
    this.showKey();
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
    this.showKey();
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
      this.atDoor.failed(error);
    } finally {
      this.isVisiting = false;
      this.screen.busy(false);
    }
    if (this.site.isDue) await this.renewGrant();
  }

  async visit(accessPoint) {
    await this.catchUp();
    await this.atDoor.visit(this.wallet, this.enrolment, accessPoint);
  }
}
