/**
 * The messages between phone and hub: their shapes and exact bytes (docs/protocol.md, "Messages").
 *
 * Laws:
 * 1. Every reader takes bytes and gives a value, or raises FrameError.
 * 2. A message says nothing about who is asking, except inside a seal.
 */

import { decode, encode, hasExactly } from "./cbor.js";
import { EMPTY, equal, isBytes } from "./bytes.js";
import { ErrorCode, isCode } from "./codes.js";
import { AEADS, DIRECT, IV_BYTES, KID_BYTES, RSAES_OAEP_SHA256, aeadHeader } from "./cose.js";
import { FrameError } from "./errors.js";

export const VERSION = 1;
export const MESSAGE_BYTES_MAX = 4096;
export const OP_BYTES = 8;
export const TICKET_ID_BYTES = 16;
export const SECRET_BYTES = 32;
export const GET_EPOCH = encode([1]);

const CHALLENGE_BYTES = 42;
const SID_BYTES = 4;
const NONCE_BYTES = 16;
const HEADERS = AEADS.map((aead) => [aead, aeadHeader(aead)]);

/** Read INFO's value: `{sid, nonce, hub, epoch}`. Raise FrameError, also for another version. */
export function decodeChallenge(data) {
  const value = decode(data.subarray(0, CHALLENGE_BYTES + 1), { depthMax: 1 });
  const sizes = [SID_BYTES, NONCE_BYTES, KID_BYTES, KID_BYTES];
  const isChallenge =
    Array.isArray(value) &&
    value.length === 1 + sizes.length &&
    value[0] === VERSION &&
    sizes.every((size, at) => isBytes(value[at + 1], size));
  if (!isChallenge) throw new FrameError("challenge: not of version 1");
  const [, sid, nonce, hub, epoch] = value;
  return { sid, nonce, hub, epoch };
}

/** Tell whether INFO holds a challenge of another version: an array that begins with its number. */
export function isOfAnotherVersion(data) {
  try {
    const value = decode(data);
    return Array.isArray(value) && isWhole(value[0]) && value[0] !== VERSION;
  } catch (error) {
    if (error instanceof FrameError) return false;
    throw error;
  }
}

function isWhole(value) {
  return typeof value === "number" || typeof value === "bigint";
}

/** Return the bytes of an open; `epoch` is the kid of the key that `encryptedKey` is for. */
export function encodeOpen({ aead, iv, ciphertext, epoch, encryptedKey }) {
  const recipient = [EMPTY, new Map([[1, RSAES_OAEP_SHA256], [4, epoch]]), encryptedKey];
  return encode([2, encrypted(aead, iv, ciphertext, recipient)]);
}

/** Return the bytes of a resume. */
export function encodeResume({ aead, iv, ciphertext, ticket }) {
  return encode([3, encrypted(aead, iv, ciphertext, [DIRECT, new Map([[4, ticket]]), EMPTY])]);
}

function encrypted(aead, iv, ciphertext, recipient) {
  return [aeadHeader(aead), new Map([[5, iv]]), ciphertext, [recipient]];
}

/**
 * Read a hub's message. Raise FrameError.
 *
 * `kind` is "error" with `code`; "epoch" with `hubCertificate` and `epochCertificate`; "verdict" or
 * "state" with `aead`, `iv` and `ciphertext`.
 */
export function decodeToPhone(data) {
  if (data.length > MESSAGE_BYTES_MAX) {
    throw new FrameError(`message: over ${MESSAGE_BYTES_MAX} bytes`);
  }
  const value = decode(data);
  const read = Array.isArray(value) ? READERS.get(value[0]) : undefined;
  const message = read === undefined ? null : read(value);
  if (message === null) {
    throw new FrameError("message: neither error, epoch, verdict nor state of version 1");
  }
  return message;
}

const READERS = new Map([
  [0, readError],
  [1, readEpoch],
  [2, (value) => readSealed("verdict", value)],
  [3, (value) => readSealed("state", value)],
]);

function readError(value) {
  const [, code] = value;
  return value.length === 2 && isCode(ErrorCode, code) ? { kind: "error", code } : null;
}

function readEpoch(value) {
  const [, hubCertificate, epochCertificate] = value;
  const isEpoch = value.length === 3 && isBytes(hubCertificate) && isBytes(epochCertificate);
  return isEpoch ? { kind: "epoch", hubCertificate, epochCertificate } : null;
}

/** Read what is sealed hub to phone: one recipient, whose key is the session's. */
function readSealed(kind, value) {
  const [, content] = value;
  if (value.length !== 2 || !Array.isArray(content) || content.length !== 4) return null;
  const [protectedHeader, unprotected, ciphertext, recipients] = content;
  const [aead] = HEADERS.find(([, header]) => equal(header, protectedHeader)) ?? [];
  const hasIv = hasExactly(unprotected, [5]) && isBytes(unprotected.get(5), IV_BYTES);
  if (aead === undefined || !hasIv || !isBytes(ciphertext) || !isSessions(recipients)) return null;
  return { kind, aead, iv: unprotected.get(5), ciphertext };
}

function isSessions(recipients) {
  if (!Array.isArray(recipients) || recipients.length !== 1) return false;
  const [recipient] = recipients;
  if (!Array.isArray(recipient) || recipient.length !== 3) return false;
  const [protectedHeader, unprotected, key] = recipient;
  return equal(protectedHeader, DIRECT) && hasExactly(unprotected, []) && isBytes(key, 0);
}
