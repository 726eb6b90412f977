/**
 * This phone's signing key: made here, kept here, and never given to a script.
 *
 * Laws:
 * 1. There is one key pair. It is made when the page is first opened, and made again only when the
 *    browser has lost it; then a new grant is needed.
 * 2. The private key is not extractable: scripts can sign with it and cannot copy it.
 */

import { encode } from "../protocol/cbor.js";
import { toBase64url } from "../protocol/bytes.js";
import { ES256, coseKey } from "../protocol/cose.js";

const KEY = "key";

/** Return this phone's `{signer, cose}`; `cose` is the public half as a COSE_Key. */
export async function ownKey(store) {
  let pair = await store.get(KEY);
  if (pair === undefined) {
    const how = { name: "ECDSA", namedCurve: "P-256" };
    pair = await crypto.subtle.generateKey(how, false, ["sign"]);
    await store.put(KEY, pair);
  }
  const cose = await coseKey(pair.publicKey);
  return { signer: { alg: ES256, key: pair.privateKey }, cose };
}

/** Return the public half as a text that a person can hand over. */
export function shownKey(cose) {
  return toBase64url(encode(cose));
}
