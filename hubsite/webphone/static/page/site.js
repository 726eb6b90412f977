/**
 * The site's server: connects this phone by OAuth 2, and fetches its grant, again and again.
 *
 * The steps are those of docs/site.md, "A phone in a browser": authorization code with PKCE (RFC
 * 7636), a refresh token that is new at each use.
 *
 * Laws:
 * 1. A code counts only for the connecting that this page began: its state, its proof, its server.
 * 2. A refresh token is used once. One page at a time uses it, and keeps the next one first.
 * 3. Without network, or while the server cannot answer, nothing changes. When the server says that
 *    this phone is connected no more, its tokens go, and the grant stays until its end.
 * 4. A key is one device's. After a new connecting this phone has a new key, if the server knew the
 *    old one; a key that the server refuses, too, changes nothing here. Tokens know that the server
 *    has no key yet, so a page that was closed meanwhile goes on. Until it has one, the tokens of
 *    before are kept beside them, and count again if the connecting comes to nothing.
 * 5. Nothing is asked for that a grant of this hour has answered already. Only one that was judged
 *    and found good counts, and only by a clock that has not gone back since. One that a door did
 *    not take counts no more.
 * 6. An access token that the server does not take is renewed once: a clock that was ahead says
 *    that it has not ended.
 */

import { toBase64url, utf8 } from "../protocol/bytes.js";
import { sha256 } from "../protocol/cose.js";
import { shownOf } from "../key/keys.js";

export const RENEW_SECONDS = 3600;

const CLIENT = "webphone";
const AGAIN = "/api/phone/again";
const SCOPE = "phone";
const BEGUN = "connecting";
const TOKENS = "tokens";
const LOCK = "hub-phone-tokens";
const SECRET_BYTES = 32;
const EARLY_SECONDS = 30; // a token that ends so soon is renewed first
const ANSWER_SECONDS = 20;
const GONE = [400, 401]; // at the tokens' door: these tokens are no more

/** What the server refused, in words for the person. */
export class Told extends Error {
  name = "Told";
}

/** The server knows this phone no more. */
export class Gone extends Told {}

/** The server cannot be reached, or cannot answer now. */
export class Away extends Error {
  name = "Away";
}

const NOT_CONNECTED = "This phone is not connected any more. Connect it by a new link.";
const NOT_MADE = "The site did not connect this phone. Ask for a new link.";

function random() {
  return toBase64url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

function here() {
  return location.origin + location.pathname;
}

export class SiteServer {
  /** `wall` gives Unix seconds. */
  constructor(store, wall) {
    this.store = store;
    this.wall = wall;
    this.isDue = false; // this phone has no grant, or a door did not take it
  }

  /** Return whether this phone has tokens of the server. */
  async isConnected() {
    return (await this.store.get(TOKENS)) !== undefined;
  }

  /** Forget the tokens: the next connecting is by a new link. */
  forget() {
    return this.store.put(TOKENS, undefined);
  }

  /** These tokens count no more; those of before a connecting do again, if there were any. */
  async drop() {
    return this.store.put(TOKENS, (await this.store.get(TOKENS))?.before);
  }

  /** Return where the browser has to go to be connected; it comes back with a code. */
  async begin() {
    const verifier = random();
    const state = random();
    await this.store.put(BEGUN, { verifier, state });
    const asked = new URLSearchParams({
      response_type: "code",
      client_id: CLIENT,
      redirect_uri: here(),
      scope: SCOPE,
      state,
      code_challenge: toBase64url(await sha256(utf8(verifier))),
      code_challenge_method: "S256",
    });
    return `${location.origin}/oauth/authorize?${asked}`;
  }

  /** Take the code in an address, for tokens. Raise Told or Away. */
  async finish(address) {
    const said = new URL(address).searchParams;
    const begun = await this.store.get(BEGUN);
    await this.store.put(BEGUN, undefined);
    const isOurs = begun !== undefined && said.get("state") === begun.state;
    if (!isOurs || !isOfHere(said.get("iss")) || said.get("code") === null) {
      throw new Told(NOT_MADE);
    }
    const asked = { code: said.get("code"), redirect_uri: here(), code_verifier: begun.verifier };
    const kept = await this.store.get(TOKENS);
    const before = kept?.owesKey ? kept.before : kept;
    try {
      await this.token({ grant_type: "authorization_code", ...asked }, { owesKey: true, before });
    } catch (error) {
      throw error instanceof Gone ? new Told(NOT_MADE) : error;
    }
  }

  /** Return the enrolment for this phone's key, which the server gets first where it has none. */
  async fetchGrant(key) {
    return navigator.locks.request(LOCK, async () => {
      const kept = await this.store.get(TOKENS);
      if (kept === undefined) return null;
      if (!kept.owesKey && !this.isDue && this.isRecent(kept.fetchedAt)) return null;
      const older = await this.fresh(kept);
      if (kept.owesKey) await this.giveKey(key);
      const { enrolment } = await this.ask("grant", undefined, kept.owesKey ? null : older);
      return enrolment;
    });
  }

  /** Renew tokens that are over; return them where they may be renewed still, else null. */
  async fresh(kept) {
    if (this.wall() <= kept.until - EARLY_SECONDS) return kept;
    await this.renew(kept);
    return null;
  }

  /** Ask the server something by this phone's tokens. Raise Told, Away. */
  say(what, said) {
    return navigator.locks.request(LOCK, async () => {
      const kept = await this.store.get(TOKENS);
      if (kept === undefined) throw new Gone(NOT_CONNECTED);
      return this.ask(what, said, await this.fresh(kept));
    });
  }

  /** Tell whether a passkey connects a browser here again. A server that is away offers nothing. */
  async offersReturn() {
    const { pathname } = new URL("offers.json", location.href);
    try {
      return (await okOf(await answered(pathname, { method: "GET" }))).comesBack === true;
    } catch (error) {
      if (error instanceof Away || error instanceof Told) return false;
      throw error;
    }
  }

  /** Return what a passkey has to sign, so that this browser is connected. Raise Told, Away. */
  async askedAgain() {
    return okOf(await answered(AGAIN, { method: "GET" }));
  }

  /** Tell the server what a passkey has signed. Raise Told, Away. */
  async provenAgain(told) {
    const headers = { "Content-Type": "application/json" };
    return okOf(await answered(AGAIN, { headers, body: JSON.stringify(told) }));
  }

  isRecent(fetchedAt) {
    const seconds = this.wall() - fetchedAt;
    return seconds >= 0 && seconds < RENEW_SECONDS;
  }

  /** The grant that was fetched is good: in the next hour none is asked for. */
  async tookGrant() {
    this.isDue = false;
    return navigator.locks.request(LOCK, () => this.note({ fetchedAt: this.wall() }));
  }

  /** Give the server the key that waits, or this one; one that it knows already is replaced. */
  async giveKey(key) {
    if ((await key.coming()) === undefined && !(await this.takes(key.shown))) {
      await key.expect(await key.another());
    }
    if ((await key.coming()) !== undefined) await this.giveComing(key);
    await this.note({ owesKey: false, before: undefined });
  }

  /** Tell whether the server takes a key for this phone. Raise Gone, Away. */
  async takes(shown) {
    try {
      await this.ask("key", { key: shown });
      return true;
    } catch (error) {
      if (!(error instanceof Told) || error instanceof Gone) throw error;
      return false;
    }
  }

  /** Give the server the key that waits, and keep it in this one's place. */
  async giveComing(key) {
    const coming = await key.coming();
    try {
      await this.ask("key", { key: await shownOf(coming) });
    } catch (error) {
      if (error instanceof Told) {
        await key.expect(undefined);
        if ((await this.store.get(TOKENS))?.before !== undefined) await this.drop();
      }
      throw error;
    }
    await key.keep(coming);
    await key.expect(undefined);
  }

  /** Keep something more beside the tokens. */
  async note(more) {
    const kept = await this.store.get(TOKENS);
    if (kept !== undefined) await this.store.put(TOKENS, { ...kept, ...more });
  }

  async renew({ refresh, owesKey, before }) {
    const more = owesKey ? { owesKey, before } : {};
    try {
      await this.token({ grant_type: "refresh_token", refresh_token: refresh }, more);
    } catch (error) {
      if (error instanceof Gone) await this.drop();
      throw error;
    }
  }

  /** Ask for tokens, and keep them before anything else is done; `more` is kept with them. */
  async token(asked, more) {
    const body = new URLSearchParams({ client_id: CLIENT, ...asked });
    const response = await answered("/oauth/token", { body });
    if (GONE.includes(response.status)) throw new Gone(NOT_CONNECTED);
    const said = await jsonOf(response);
    const { access_token: access, refresh_token: refresh, expires_in: seconds } = said;
    if (!response.ok || typeof refresh !== "string") throw new Away("no tokens");
    const kept = { access, refresh, until: this.wall() + seconds, fetchedAt: 0 };
    await this.store.put(TOKENS, { ...kept, ...more });
  }

  /** Ask the server; `older`: tokens that are renewed where it does not take them (law 6). */
  async ask(what, said, older = null) {
    const { access } = await this.store.get(TOKENS);
    const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
    const body = said === undefined ? "" : JSON.stringify(said);
    const response = await answered(`/api/phone/${what}`, { headers, body });
    if (response.status !== 401) return okOf(response);
    if (older !== null) {
      await this.renew(older);
      return this.ask(what, said);
    }
    await this.drop();
    throw new Gone(NOT_CONNECTED);
  }
}

/** Tell whether an issuer is this server (RFC 9207). */
function isOfHere(issuer) {
  return URL.canParse(issuer ?? "") && new URL(issuer).origin === location.origin;
}

async function answered(path, what) {
  const limit = { signal: AbortSignal.timeout(ANSWER_SECONDS * 1000), redirect: "error" };
  try {
    return await fetch(location.origin + path, { method: "POST", ...limit, ...what });
  } catch (error) {
    throw new Away(error.message, { cause: error });
  }
}

/** Return what an answer says. Raise Told for a refusal, Away for a server that cannot answer. */
async function okOf(response) {
  const answer = await jsonOf(response);
  if (response.ok) return answer;
  if (response.status >= 500) throw new Away(answer.sentence);
  throw new Told(answer.sentence ?? "The site refused this phone.");
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Away("the server's answer is none", { cause: error });
  }
}
