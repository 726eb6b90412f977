/**
 * COSE as this protocol uses it, over the browser's own cryptography (WebCrypto).
 *
 * Sources: RFC 9052, 9053, 8230 and 9679; docs/protocol.md, "Keys and algorithms".
 *
 * Laws:
 * 1. A protected header is a constant and is compared as bytes.
 * 2. The verifying key fixes the algorithm of a signature.
 * 3. A key id finds an entry in a table, and proves nothing.
 * 4. Every failure, whatever its cause, is one ProofError.
 * 5. A192GCM is read and never used: browsers have no AES with 192 bits.
 */

import { decode, encode, hasExactly } from "./cbor.js";
import { EMPTY, isBytes, join, toBase64url, utf8 } from "./bytes.js";
import { ProofError } from "./errors.js";

export const ES256 = -7;
export const PS256 = -37;
export const RSAES_OAEP_SHA256 = -41;
export const DIRECT_HKDF_SHA256 = -10;
export const SIGN1_TAG = 18;
export const KID_BYTES = 8;
export const IV_BYTES = 12;
export const A128GCM = 1;
export const A192GCM = 2;
export const A256GCM = 3;
/** All that a hub may offer. */
export const AEADS = [A256GCM, A192GCM, A128GCM];
/** What a browser can do of these, the strongest first. */
export const AEADS_HERE = [A256GCM, A128GCM];
/** The protected header of the direct+HKDF-SHA-256 recipient. */
export const DIRECT = encode(new Map([[1, DIRECT_HKDF_SHA256]]));

const COORDINATE_BYTES = 32;
const ES256_SIGNATURE_BYTES = 64;
const SIGNING_MODULI = [256, 384];
const EXPONENT = Uint8Array.of(1, 0, 1);
const POINT = Uint8Array.of(4); // an uncompressed point begins with it (SEC 1, 2.3.3)
const P256 = { name: "ECDSA", namedCurve: "P-256" };
const RSA_PSS = { name: "RSA-PSS", hash: "SHA-256" };
const RSA_OAEP = { name: "RSA-OAEP", hash: "SHA-256" };
const HOW = new Map([
  [ES256, { name: "ECDSA", hash: "SHA-256" }],
  [PS256, { name: "RSA-PSS", saltLength: 32 }],
]);

/** Return the size of an AEAD's key: 16, 24 or 32 bytes. */
export function keyBytes(aead) {
  return 8 + 8 * aead;
}

/** Return the one protected header of content that is sealed with this AEAD. */
export function aeadHeader(aead) {
  return encode(new Map([[1, aead]]));
}

/** Return the SHA-256 of bytes. */
export async function sha256(data) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/** Return the SHA-256 thumbprint of a COSE_Key, over its required members (RFC 9679, 4). */
export async function thumbprint(key) {
  const labels = key.get(1) === 2 ? [1, -1, -2, -3] : [1, -1, -2];
  return sha256(encode(new Map(labels.map((label) => [label, key.get(label)]))));
}

/** Return the id of a key: the first 8 bytes of its thumbprint. */
export async function keyId(key) {
  return (await thumbprint(key)).slice(0, KID_BYTES);
}

/**
 * Read a COSE_Key that may verify signatures: `{alg, kid, cose, key}`. Raise ProofError for any
 * other key, member or size.
 */
export async function readKey(cose) {
  const kind = cose instanceof Map ? cose.get(1) : null;
  if (kind === 2 && isCurveKey(cose)) {
    return verifyKey(ES256, cose, await p256Public(cose.get(-2), cose.get(-3)));
  }
  if (kind === 3 && hasExactly(cose, [1, 3, -1, -2]) && cose.get(3) === PS256) {
    const key = await rsaPublic(cose.get(-1), cose.get(-2), SIGNING_MODULI, RSA_PSS, "verify");
    return verifyKey(PS256, cose, key);
  }
  throw new ProofError("key: neither an ES256 key on P-256 nor a PS256 key");
}

async function verifyKey(alg, cose, key) {
  return { alg, kid: await keyId(cose), cose, key };
}

function isCurveKey(cose) {
  if (!hasExactly(cose, [1, 3, -1, -2, -3])) return false;
  const isP256 = cose.get(3) === ES256 && cose.get(-1) === 1;
  return isP256 && [-2, -3].every((label) => isBytes(cose.get(label), COORDINATE_BYTES));
}

async function p256Public(x, y) {
  try {
    return await crypto.subtle.importKey("raw", join(POINT, x, y), P256, true, ["verify"]);
  } catch (error) {
    throw new ProofError("key: the point is not on P-256", { cause: error });
  }
}

/** Read an RSA public key whose modulus has one of `sizes` bytes. Raise ProofError. */
async function rsaPublic(n, e, sizes, algorithm, use) {
  const isModulus =
    isBytes(n) && sizes.includes(n.length) && n[0] & 0x80 && n[n.length - 1] & 1;
  if (!isModulus || !isBytes(e) || toBase64url(e) !== toBase64url(EXPONENT)) {
    throw new ProofError("key: RSA modulus of a size not allowed, or another exponent than 65537");
  }
  const jwk = { kty: "RSA", n: toBase64url(n), e: toBase64url(e) };
  try {
    return await crypto.subtle.importKey("jwk", jwk, algorithm, false, [use]);
  } catch (error) {
    throw new ProofError("key: no RSA key", { cause: error });
  }
}

/** Check that `n` and `e` are the RSA key of an epoch, and return it for `wrapKey`. */
export function epochKey(n, e, sizes) {
  return rsaPublic(n, e, sizes, RSA_OAEP, "encrypt");
}

/** Return the COSE_Key of a public P-256 key of WebCrypto. */
export async function coseKey(publicKey) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const x = raw.slice(1, 1 + COORDINATE_BYTES);
  const y = raw.slice(1 + COORDINATE_BYTES);
  return new Map([[1, 2], [3, ES256], [-1, 1], [-2, x], [-3, y]]);
}

/** Return the size of a signature under this alg; `modulusBytes` for PS256. */
export function signatureBytes(alg, modulusBytes) {
  return alg === ES256 ? ES256_SIGNATURE_BYTES : modulusBytes;
}

/** Return the signature of a COSE_Sign1; `signer` is `{alg, key}`. */
export async function sign1(signer, protectedHeader, payload, aad = EMPTY) {
  const covered = encode(["Signature1", protectedHeader, aad, payload]);
  return new Uint8Array(await crypto.subtle.sign(HOW.get(signer.alg), signer.key, covered));
}

/** Check the signature of a COSE_Sign1 whose headers its caller has checked. Raise ProofError. */
export async function verify1(key, protectedHeader, payload, signature, aad = EMPTY) {
  const covered = encode(["Signature1", protectedHeader, aad, payload]);
  if (!(await crypto.subtle.verify(HOW.get(key.alg), key.key, signature, covered))) {
    throw new ProofError("signature: does not verify");
  }
}

/** Return the ciphertext with its tag, of a COSE_Encrypt's content (RFC 9052, 5.3). */
export async function seal(aead, key, iv, plaintext, aad = EMPTY) {
  const aes = await aesKey(key, "encrypt");
  return new Uint8Array(await crypto.subtle.encrypt(gcm(aead, iv, aad), aes, plaintext));
}

/** Return the plaintext of a COSE_Encrypt's content. Raise ProofError. */
export async function unseal(aead, key, iv, ciphertext, aad = EMPTY) {
  try {
    const aes = await aesKey(key, "decrypt");
    return new Uint8Array(await crypto.subtle.decrypt(gcm(aead, iv, aad), aes, ciphertext));
  } catch (error) {
    throw new ProofError("seal: the content does not open", { cause: error });
  }
}

function aesKey(key, use) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

function gcm(aead, iv, aad) {
  return { name: "AES-GCM", iv, additionalData: encode(["Encrypt", aeadHeader(aead), aad]) };
}

/** Encrypt a content key: RSAES-OAEP, SHA-256, MGF1-SHA-256, empty label (RFC 8230, 3). */
export async function wrapKey(key, contentKey) {
  return new Uint8Array(await crypto.subtle.encrypt({ name: "RSA-OAEP" }, key, contentKey));
}

/**
 * Return `size` bytes of HKDF-SHA-256 with the COSE_KDF_Context of RFC 9053, 5.2.
 *
 * PartyV is the hub, SuppPubInfo.other the purpose as CBOR text, `alg` what the key is for.
 */
export async function derive({ secret, salt, size, alg, hub, label }) {
  const parties = [[null, null, null], [utf8(hub), null, null]];
  const info = encode([alg, ...parties, [8 * size, DIRECT, encode(label)]]);
  const from = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(how, from, 8 * size));
}

/** Read bytes that hold the COSE_Key of a signature key. Raise FrameError or ProofError. */
export function decodeKey(bytes) {
  return readKey(decode(bytes));
}
