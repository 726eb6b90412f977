/**
 * This phone's signing key: made here, kept here, and never given to a script.
 *
 * Laws:
 * 1. There is one key pair. It is made when the page is first opened, and made again only when the
 *    browser has lost it, or the person protects it; then a new grant is needed.
 * 2. The private key that signs is not extractable: scripts can sign with it and cannot copy it.
 * 3. A key that is to take this one's place waits beside it until the site has taken it.
 * 4. A protected key is kept wrapped (AES-GCM) under a passkey, and nowhere else. It is unwrapped
 *    when the person proves himself, for UNLOCKED_SECONDS of this page's life.
 */

import { encode } from "../protocol/cbor.js";
import { toBase64url } from "../protocol/bytes.js";
import { ES256, IV_BYTES, coseKey } from "../protocol/cose.js";
import { makePasskey, wrappingKey } from "./passkey.js";

export const UNLOCKED_SECONDS = 300;

const KEY = "key";
const COMING = "coming key";
const P256 = { name: "ECDSA", namedCurve: "P-256" };

export class OwnKey {
  /** Return this phone's key, a new one where none is kept. `now` gives seconds. */
  static async open(store, now) {
    const own = new OwnKey();
    own.store = store;
    own.now = now;
    await own.keep((await store.get(KEY)) ?? (await plainKey()));
    return own;
  }

  async keep(kept) {
    await this.store.put(KEY, kept);
    this.kept = kept;
    this.unlocked = null;
    /** The public half as a COSE_Key. */
    this.cose = await coseKey(kept.publicKey);
  }

  /** Let a key wait (law 3); undefined for none. */
  expect(coming) {
    return this.store.put(COMING, coming);
  }

  /** Return the key that waits, undefined for none. */
  coming() {
    return this.store.get(COMING);
  }

  /** Whether its passkey brings this phone back after the browser has forgotten it. */
  get comesBack() {
    return this.kept.comesBack === true;
  }

  /** Whether it is kept under a passkey. */
  get isProtected() {
    return this.kept.wrapped !== undefined;
  }

  /** The public half as a text that a person can hand over. */
  get shown() {
    return shownKey(this.cose);
  }

  /** Make a new key under a new passkey. Needs a touch. Raise NoPasskey: the old one stays. */
  async protect() {
    const passkey = await makePasskey();
    await this.keep(await wrappedKey(passkey, await wrappingKey(passkey)));
  }

  /** Make another key, protected as this one is; `keep` takes it. Raise NoPasskey. */
  async another() {
    const { passkey } = this.kept;
    if (passkey === undefined) return plainKey();
    return wrappedKey(passkey, await wrappingKey(passkey));
  }

  /** Return `{alg, key}` to sign with; a protected key asks the person. Raise NoPasskey. */
  async signer() {
    if (!this.isProtected) return { alg: ES256, key: this.kept.privateKey };
    if (this.unlocked === null || this.now() > this.unlocked.until) {
      const { wrapped, iv, passkey } = this.kept;
      const wraps = await wrappingKey(passkey);
      const key = await unwrapped(wrapped, wraps, iv);
      this.unlocked = { key, until: this.now() + UNLOCKED_SECONDS };
    }
    return { alg: ES256, key: this.unlocked.key };
  }
}

/** Return a public key as a text that a person can hand over. */
function shownKey(cose) {
  return toBase64url(encode(cose));
}

/** Return the text of the public half of a key that `another` made. */
export async function shownOf(kept) {
  return shownKey(await coseKey(kept.publicKey));
}

function plainKey() {
  return crypto.subtle.generateKey(P256, false, ["sign"]);
}

/** Make a key under what a passkey makes; `more` is kept with it. */
export async function wrappedKey(passkey, wraps, more = {}) {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(P256, true, ["sign"]);
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const how = { name: "AES-GCM", iv };
  const wrapped = new Uint8Array(await crypto.subtle.wrapKey("pkcs8", privateKey, wraps, how));
  return { publicKey, wrapped, iv, passkey, ...more };
}

function unwrapped(wrapped, wraps, iv) {
  const how = { name: "AES-GCM", iv };
  return crypto.subtle.unwrapKey("pkcs8", wrapped, wraps, how, P256, false, ["sign"]);
}
