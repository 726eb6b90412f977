/**
 * Documents that carry trust: CWTs (RFC 8392), each in a tagged COSE_Sign1 with a constant header.
 *
 * Laws:
 * 1. The kind of a document is its `typ` in the protected header (RFC 9596). No document stands for
 *    one of another kind.
 * 2. Its set of claims is closed.
 * 3. Its signature is checked before any claim is read.
 * 4. Whether it is valid now is for the reader to judge.
 */

import { Tag, decode, encode, hasExactly, isUint } from "./cbor.js";
import { equal, isBytes, utf8 } from "./bytes.js";
import { SIGN1_TAG, verify1 } from "./cose.js";
import { FrameError, ProofError } from "./errors.js";

export const HUB = "application/hub-cert+cwt";
export const EPOCH = "application/hub-epoch+cwt";
export const GRANT = "application/hub-grant+cwt";
export const REQUEST = "application/hub-request+cose";

/** Labels of claims (RFC 8392, 4; RFC 8747; RFC 9200). */
export const ISS = 1;
export const SUB = 2;
export const AUD = 3;
export const EXP = 4;
export const NBF = 5;
export const CTI = 7;
export const CNF = 8;
export const SCOPE = 9;

const NAME_BYTES = 32;
const CLAIMS_ITEMS = 64;
/** Heads in a scope: a grant's 32 entries with 32 rules each. */
const SCOPE_ITEMS = 1 + 32 * (4 + 4 * 32);
const POINT_MAX = 0xffffffff;

/** Return the one protected header of a document or request: {1: alg, 16: typ}. */
export function header(alg, typ) {
  return encode(new Map([[1, alg], [16, typ]]));
}

/**
 * Check shape, headers and signature of a document; return its claims. Raise ProofError.
 *
 * `key` verifies. `kid` stands in the unprotected header, or nothing does (null). The claims are
 * exactly `members`, and any of `optional`.
 */
export async function readDocument(typ, data, { key, kid, members, optional = [] }) {
  const parts = split(typ, data);
  const [protectedHeader, unprotected, payload, signature] = parts;
  const isConstant = equal(protectedHeader, header(key.alg, typ)) && isHeader(unprotected, kid);
  if (!isConstant || !isBytes(payload) || !isBytes(signature)) {
    throw new ProofError(`${typ}: its headers are not those of this kind and signer`);
  }
  await verify1(key, protectedHeader, payload, signature);
  const claims = decodeInside(payload, CLAIMS_ITEMS);
  if (!hasExactly(claims, members, optional)) {
    throw new ProofError(`${typ}: its claims are not exactly those of this kind`);
  }
  return claims;
}

function split(typ, data) {
  let document;
  try {
    document = decode(data, { tags: [SIGN1_TAG] });
  } catch (error) {
    throw new ProofError(`${typ}: ${error.message}`, { cause: error });
  }
  const isSign1 = document instanceof Tag && Array.isArray(document.value);
  if (!isSign1 || document.value.length !== 4) throw new ProofError(`${typ}: no COSE_Sign1`);
  return document.value;
}

function isHeader(unprotected, kid) {
  if (kid === null) return hasExactly(unprotected, []);
  return hasExactly(unprotected, [4]) && equal(unprotected.get(4), kid);
}

/** Decode what a document holds. Raise ProofError for everything wrong inside it. */
function decodeInside(data, itemsMax) {
  if (!isBytes(data)) throw new ProofError("document: bytes expected");
  try {
    return decode(data, { itemsMax });
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    throw new ProofError(`document: ${error.message}`, { cause: error });
  }
}

/** Return the site that is both issuer and audience. Raise ProofError. */
export function siteOf(claims) {
  if (claims.get(ISS) !== claims.get(AUD)) {
    throw new ProofError("document: issuer and audience are not one site");
  }
  return nameOf(claims.get(ISS), "site");
}

/** Return an id of 1..32 bytes of UTF-8. Raise ProofError. */
export function nameOf(value, what) {
  const size = typeof value === "string" ? utf8(value).length : 0;
  if (size < 1 || size > NAME_BYTES) {
    throw new ProofError(`document: ${what} is no text of 1..${NAME_BYTES} bytes`);
  }
  return value;
}

/** Return `{notBefore, expires}` in Unix seconds. Raise ProofError. */
export function timesOf(claims) {
  const notBefore = claims.get(NBF);
  const expires = claims.get(EXP);
  if (!isUint(notBefore) || !isUint(expires) || notBefore > expires) {
    throw new ProofError("document: its times are no span of whole seconds");
  }
  return { notBefore, expires };
}

/** Return the COSE_Key of `cnf` (RFC 8747, 3.2). Raise ProofError. */
export function confirmedKey(claims) {
  const confirmation = claims.get(CNF);
  if (!hasExactly(confirmation, [1]) || !(confirmation.get(1) instanceof Map)) {
    throw new ProofError("document: it does not confirm exactly one COSE_Key");
  }
  return confirmation.get(1);
}

/** Decode a scope, which must be an array. Raise ProofError. */
export function scopeOf(claims) {
  const scope = decodeInside(claims.get(SCOPE), SCOPE_ITEMS);
  if (!Array.isArray(scope) || scope.length === 0) {
    throw new ProofError("document: its scope is no list");
  }
  return scope;
}

/** Tell whether a value is the number of an access point. */
export function isPoint(value) {
  return isUint(value) && value <= POINT_MAX;
}
