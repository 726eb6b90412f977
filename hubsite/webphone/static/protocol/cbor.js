/**
 * Deterministic CBOR (RFC 8949, 4.2.1): one value has one encoding, and no other is ever read.
 *
 * Laws:
 * 1. Indefinite lengths, heads longer than needed, bytes after the end, and keys that are unsorted
 *    or repeated are refused.
 * 2. Floats, booleans, `undefined` and other simple values but `null` are refused, and so is every
 *    tag that the caller does not allow.
 * 3. Nesting, items and lengths have ceilings, and are checked before anything is built.
 *
 * Whole numbers are numbers, beyond 2^53 BigInt. Byte strings are Uint8Array, maps are Map, arrays
 * are Array, and a tag is a `Tag`.
 */

import { compare, isBytes, join, text, utf8 } from "./bytes.js";
import { FrameError } from "./errors.js";

export const DEPTH_MAX = 8; // arrays, maps and tags inside one another
export const ITEMS_MAX = 1024; // heads in one value

const [UINT, NINT, BSTR, TSTR, ARRAY, MAP, TAG, SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7];
const NULL = 22;
const LONG = 24; // a smaller argument stands in the head's first byte
const FOLLOWING_BYTES = new Map([[24, 1], [25, 2], [26, 4], [27, 8]]);
const SHORTEST = new Map([[24, 24n], [25, 1n << 8n], [26, 1n << 16n], [27, 1n << 32n]]);

/** A tagged value. */
export class Tag {
  constructor(number, value) {
    this.number = number;
    this.value = value;
  }
}

/** Return the deterministic encoding of a value. Raise TypeError for what has none here. */
export function encode(value) {
  if (value === null) return Uint8Array.of((SIMPLE << 5) | NULL);
  if (typeof value === "string") return encodeString(TSTR, utf8(value));
  if (isBytes(value)) return encodeString(BSTR, value);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return encodeInteger(value);
  if (Array.isArray(value)) return join(head(ARRAY, value.length), ...value.map(encode));
  if (value instanceof Map) return encodeMap(value);
  if (value instanceof Tag) return join(head(TAG, value.number), encode(value.value));
  throw new TypeError(`CBOR: ${typeof value} has no encoding here`);
}

function encodeString(major, bytes) {
  return join(head(major, bytes.length), bytes);
}

function encodeInteger(value) {
  return value < 0 ? head(NINT, -1n - BigInt(value)) : head(UINT, value);
}

function encodeMap(map) {
  const pairs = Array.from(map, ([key, value]) => [encode(key), encode(value)]);
  pairs.sort(([a], [b]) => compare(a, b));
  return join(head(MAP, map.size), ...pairs.flat());
}

/** Return the shortest head of a value: its major type, and a number, a length or a count. */
function head(major, argument) {
  const number = BigInt(argument);
  if (number < BigInt(LONG)) return Uint8Array.of((major << 5) | Number(number));
  const info = [27, 26, 25, 24].find((one) => number >= SHORTEST.get(one));
  const bytes = new Uint8Array(1 + FOLLOWING_BYTES.get(info));
  bytes[0] = (major << 5) | info;
  let rest = number;
  for (let at = bytes.length - 1; at > 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/**
 * Return the one value that `data` encodes. Raise FrameError for anything that is not exactly one
 * deterministic encoding. `tags`: the numbers that may stand; the other two are ceilings.
 */
export function decode(data, { tags = [], depthMax = DEPTH_MAX, itemsMax = ITEMS_MAX } = {}) {
  const reader = new Reader(data, tags, itemsMax);
  const value = reader.value(depthMax);
  if (reader.at !== data.length) throw new FrameError("CBOR: bytes after the end of the value");
  return value;
}

/** Reads one value from its first head to its last. */
class Reader {
  constructor(data, tags, itemsMax) {
    this.at = 0;
    this.data = data;
    this.tags = tags;
    this.itemsLeft = itemsMax;
  }

  value(depth) {
    if (this.itemsLeft === 0) throw new FrameError("CBOR: more items than its reader takes");
    this.itemsLeft -= 1;
    const [major, argument] = this.head();
    if (major === UINT) return argument;
    if (major === NINT) return negative(argument);
    if (major <= TSTR) return this.string(major, argument);
    if (major === SIMPLE) return simple(argument);
    if (depth === 0) throw new FrameError("CBOR: nested too deep");
    return this.content(major, argument, depth - 1);
  }

  /** Pass a head; return its major type and its argument. */
  head() {
    if (this.at >= this.data.length) throw new FrameError("CBOR: the data ends inside a value");
    const first = this.data[this.at];
    const major = first >> 5;
    const info = first & 0x1f;
    this.at += 1;
    return [major, info < LONG ? info : this.longArgument(major, info)];
  }

  longArgument(major, info) {
    const size = FOLLOWING_BYTES.get(info);
    if (size === undefined) throw new FrameError("CBOR: indefinite length or reserved head");
    if (this.data.length - this.at < size) {
      throw new FrameError("CBOR: the data ends inside a head");
    }
    let argument = 0n;
    for (let count = 0; count < size; count += 1) {
      argument = (argument << 8n) | BigInt(this.data[this.at]);
      this.at += 1;
    }
    if (major === SIMPLE || argument < SHORTEST.get(info)) {
      throw new FrameError("CBOR: float, simple value or a head longer than needed");
    }
    return plain(argument);
  }

  string(major, size) {
    if (size > this.data.length - this.at) {
      throw new FrameError("CBOR: a string longer than the data");
    }
    const bytes = this.data.slice(this.at, this.at + size);
    this.at += size;
    return major === BSTR ? bytes : text(bytes);
  }

  /** Read what is inside an array, a map or a tag. */
  content(major, argument, depth) {
    if (major === TAG) {
      if (!this.tags.includes(argument)) throw new FrameError("CBOR: a tag that is not allowed");
      return new Tag(argument, this.value(depth));
    }
    if (argument > this.data.length - this.at) {
      throw new FrameError("CBOR: more items announced than bytes are left");
    }
    return major === MAP ? this.map(argument, depth) : this.array(argument, depth);
  }

  array(count, depth) {
    const items = [];
    for (let number = 0; number < count; number += 1) items.push(this.value(depth));
    return items;
  }

  map(count, depth) {
    const map = new Map();
    let previous = new Uint8Array(0);
    for (let number = 0; number < count; number += 1) {
      const start = this.at;
      const key = this.key();
      const encoded = this.data.subarray(start, this.at);
      if (compare(encoded, previous) <= 0) {
        throw new FrameError("CBOR: map keys unsorted or repeated");
      }
      previous = encoded;
      map.set(key, this.value(depth));
    }
    return map;
  }

  key() {
    if (this.at < this.data.length && this.data[this.at] >> 5 > TSTR) {
      throw new FrameError("CBOR: a map key that is no integer or string");
    }
    return this.value(0);
  }
}

function simple(argument) {
  if (argument !== NULL) throw new FrameError("CBOR: simple value not allowed");
  return null;
}

function negative(argument) {
  return plain(-1n - BigInt(argument));
}

/** Return a number where that is exact, else the BigInt. */
function plain(big) {
  const number = Number(big);
  return Number.isSafeInteger(number) ? number : big;
}

/** Tell whether a value is a whole number of 0 or more. */
export function isUint(value) {
  return (typeof value === "number" || typeof value === "bigint") && value >= 0;
}

/** Tell whether a map has exactly these keys, and perhaps some of `optional`. */
export function hasExactly(map, keys, optional = []) {
  if (!(map instanceof Map)) return false;
  const known = (key) => keys.includes(key) || optional.includes(key);
  return keys.every((key) => map.has(key)) && Array.from(map.keys()).every(known);
}
