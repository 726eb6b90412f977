/**
 * Byte strings: joined, compared, written as text and read back.
 *
 * Laws:
 * 1. A byte string is a Uint8Array, and nobody changes one that came from elsewhere.
 * 2. What is no hex, no base64url or no UTF-8 raises FrameError.
 */

import { FrameError } from "./errors.js";

export const EMPTY = new Uint8Array(0);

const UTF8 = new TextEncoder();
const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return the parts one after the other. */
export function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Tell whether two byte strings are the same; whatever is no byte string is never. */
export function equal(a, b) {
  if (!isBytes(a) || !isBytes(b) || a.length !== b.length) return false;
  return a.every((byte, at) => byte === b[at]);
}

/** Tell whether `value` is a byte string, of `size` bytes if that is given. */
export function isBytes(value, size) {
  return value instanceof Uint8Array && (size === undefined || value.length === size);
}

/** Compare byte by byte: below 0, 0 or above 0. A shorter one is below what it begins. */
export function compare(a, b) {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    if (a[at] !== b[at]) return a[at] - b[at];
  }
  return a.length - b.length;
}

/** Return the UTF-8 of a text. */
export function utf8(text) {
  return UTF8.encode(text);
}

/** Return the text of UTF-8. Raise FrameError. */
export function text(bytes) {
  try {
    return STRICT.decode(bytes);
  } catch (error) {
    throw new FrameError("text that is no UTF-8", { cause: error });
  }
}

/** Return the lower-case hex of a byte string; the key of a Map, too. */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Read hex. Raise FrameError. */
export function fromHex(hex) {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new FrameError("text that is no hex");
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Return base64url without padding (RFC 4648, 5). */
export function toBase64url(bytes) {
  const letters = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return letters.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Read base64url, with or without padding. Raise FrameError. */
export function fromBase64url(letters) {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(letters)) throw new FrameError("text that is no base64url");
  const plain = letters.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  try {
    return Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
  } catch (error) {
    throw new FrameError("text that is no base64url", { cause: error });
  }
}
