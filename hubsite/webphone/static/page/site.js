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
 *    old one; a key that the server refuses, too, changes nothing here.
 * 5. Nothing is asked for that a grant of this hour has answered already. Only one that was judged
 *    and found good counts, and only by a clock that has not gone back since. One that a door did
 *    not take counts no more.
 * 6. An access token that the server does not take is renewed once: a clock that was ahead says
 *    that it has not ended.
 */

import { toBase64url, utf8 } from "../protocol/bytes.js";
import { sha256 } from "../protocol/cose.js";
import { shownOf } from "./keys.js";

export const RENEW_SECONDS = 3600;

const CLIENT = "webphone";
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

/** The server cannot be reached, or cannot answer now. */
export class Away extends Error {
  name = "Away";
}

const NOT_CONNECTED = "This phone is not connected any more. Connect it by a new link.";

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
      throw new Told("The site did not connect this phone. Ask for a new link.");
    }
    await this.token({
      grant_type: "authorization_code",
      code: said.get("code"),
      redirect_uri: here(),
      code_verifier: begun.verifier,
    });
  }

  /** Return the enrolment for this phone's key, which the server knows not yet where it `isNew`. */
  async fetchGrant(key, isNew = false) {
    return navigator.locks.request(LOCK, async () => {
      const kept = await this.store.get(TOKENS);
      if (kept === undefined) return null;
      if (!isNew && !this.isDue && this.isRecent(kept.fetchedAt)) return null;
      const isOver = this.wall() > kept.until - EARLY_SECONDS;
      if (isOver) await this.renew(kept);
      if (isNew) await this.giveKey(key);
      const { enrolment } = await this.ask("grant", undefined, isOver || isNew ? null : kept);
      return enrolment;
    });
  }

  isRecent(fetchedAt) {
    const seconds = this.wall() - fetchedAt;
    return seconds >= 0 && seconds < RENEW_SECONDS;
  }

  /** The grant that was fetched is good: in the next hour none is asked for. */
  async tookGrant() {
    this.isDue = false;
    return navigator.locks.request(LOCK, async () => {
      const kept = await this.store.get(TOKENS);
      if (kept !== undefined) await this.store.put(TOKENS, { ...kept, fetchedAt: this.wall() });
    });
  }

  /** Give the server the key; one that it knows from an earlier connecting is replaced. */
  async giveKey(key) {
    try {
      await this.ask("key", { key: key.shown });
    } catch (error) {
      if (!(error instanceof Told) || !(await this.isConnected())) throw error;
      const other = await key.another();
      await this.ask("key", { key: await shownOf(other) });
      await key.keep(other);
    }
  }

  renew({ refresh }) {
    return this.token({ grant_type: "refresh_token", refresh_token: refresh });
  }

  /** Ask for tokens, and keep them before anything else is done. */
  async token(asked) {
    const body = new URLSearchParams({ client_id: CLIENT, ...asked });
    const response = await answered("/oauth/token", { body });
    if (GONE.includes(response.status)) {
      await this.forget();
      throw new Told(NOT_CONNECTED);
    }
    const said = await jsonOf(response);
    const { access_token: access, refresh_token: refresh, expires_in: seconds } = said;
    if (!response.ok || typeof refresh !== "string") throw new Away("no tokens");
    await this.store.put(TOKENS, { access, refresh, until: this.wall() + seconds, fetchedAt: 0 });
  }

  /** Ask the server; `older`: tokens that are renewed where it does not take them (law 6). */
  async ask(what, said, older = null) {
    const { access } = await this.store.get(TOKENS);
    const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
    const body = said === undefined ? "" : JSON.stringify(said);
    const response = await answered(`/api/phone/${what}`, { headers, body });
    const answer = await jsonOf(response);
    if (response.ok) return answer;
    if (response.status === 401 && older !== null) {
      await this.renew(older);
      return this.ask(what, said);
    }
    if (response.status === 401) await this.forget();
    if (response.status >= 500) throw new Away(answer.sentence);
    throw new Told(answer.sentence ?? "The site refused this phone.");
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

async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Away("the server's answer is none", { cause: error });
  }
}
