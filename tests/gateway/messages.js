// The messages of docs/uplink.md, in JavaScript and without any library: CBOR, and the shape of each message.
//
//   node messages.js FILE...      runs files of tests/vectors/wire, and says what does not hold
"use strict";
const fs = require("node:fs");

const UINT_MAX = 2n ** 63n - 1n;

// CBOR with one form for each value (RFC 8949, 4.2.1): whole numbers, bytes, text, lists, null.
function encode(value) {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === "bigint" || Number.isInteger(value)) {
    const number = BigInt(value);
    return number < 0n ? head(1, -1n - number) : head(0, number);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  return Buffer.concat([head(4, value.length), ...value.map(encode)]);
}
function head(major, count) {
  const top = major << 5;
  if (count < 24) return Buffer.from([top | Number(count)]);
  const widths = [[1, 0x100n], [2, 0x10000n], [4, 0x100000000n], [8, 1n << 64n]];
  const place = widths.findIndex(([, end]) => BigInt(count) < end);
  const long = Buffer.alloc(9);
  long.writeBigUInt64BE(BigInt(count), 1);
  const digits = long.subarray(9 - widths[place][0]);
  return Buffer.concat([Buffer.from([top | (24 + place)]), digits]);
}
// A number above 2^53 comes as a BigInt. Throws for anything that has another form.
function decode(data, deepest = 4) {
  let at = 0;
  function count(first) {
    const low = first & 31;
    if (low < 24) return BigInt(low);
    if (low > 27) throw new Error("a length of no form");
    const width = 1 << (low - 24);
    if (at + width > data.length) throw new Error("cut short");
    const value = BigInt(`0x${data.subarray(at, at + width).toString("hex")}`);
    at += width;
    const least = low === 24 ? 24n : 1n << BigInt(4 * width);
    if (value < least) throw new Error("a head that is too long");
    return value;
  }
  function one(depth) {
    if (at >= data.length) throw new Error("cut short");
    const first = data[at++];
    if (first === 0xf6) return null;
    const major = first >> 5;
    if (major > 4) throw new Error("a value of no kind");
    const number = count(first);
    if (major === 0) return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
    if (major === 1) return number < BigInt(Number.MAX_SAFE_INTEGER) ? -1 - Number(number) : -1n - number;
    if (number > BigInt(data.length - at)) throw new Error("cut short");
    if (major === 4) {
      if (depth === deepest) throw new Error("too deep");
      return Array.from({ length: Number(number) }, () => one(depth + 1));
    }
    const bytes = data.subarray(at, (at += Number(number)));
    return major === 2 ? bytes : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  }
  const value = one(0);
  if (at !== data.length) throw new Error("bytes behind");
  return value;
}

// What a field may be.
const uint = (most = UINT_MAX, least = 0) => (value) =>
  (typeof value === "number" || typeof value === "bigint") && value >= least && value <= most;
const int = (value) => (typeof value === "number" || typeof value === "bigint") && value >= -UINT_MAX && value <= UINT_MAX;
const bytes = (least, most = least) => (value) => Buffer.isBuffer(value) && value.length >= least && value.length <= most;
const text = (most, least = 1) => (value) => {
  const length = typeof value === "string" ? Buffer.byteLength(value) : -1;
  return length >= least && length <= most && !/[\p{C}\p{Z}]/u.test(value.replaceAll(" ", ""));
};
const list = (least, most, each) => (value) =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every(each);
const row = (...fields) => (value) =>
  Array.isArray(value) && value.length === fields.length && fields.every((fits, at) => fits(value[at]));
const or = (...kinds) => (value) => kinds.some((fits) => fits(value));
const none = (value) => value === null;
const oneOf = (...numbers) => (value) => numbers.includes(value);
const device = (value) => typeof value === "string" && /^[a-z][a-z0-9-]{0,31}$/.test(value);

const id = bytes(16);
const hash = bytes(32);
const detail = text(200, 0);
const numbers = list(1, 256, uint(UINT_MAX, 1));
const COUNT_MAX = 4294967295;
const name = (value) => typeof value === "string" && /^[a-z0-9-]{1,32}$/.test(value);
const trouble = row(name, uint(1), uint(COUNT_MAX), list(0, 64, name), uint(COUNT_MAX));
const troubles = (value) =>
  list(0, 32, trouble)(value) && value.reduce((count, one) => count + one[3].length, 0) <= 64;
const quantities = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 64, 65];

// Each message: its name, its ceiling in bytes, its fields.
const UPLINK_FROM_HUB = {
  1: ["Hello", 4096, uint(255, 1), text(32), text(32), id, text(32), uint(), hash, uint(), hash, uint()],
  2: ["Evidence", 4160, uint(UINT_MAX, 1), bytes(1, 4096), hash],
  3: ["Result", 4096, id, uint(4), detail],
  4: ["PolicyResult", 4096, uint(), detail],
  5: ["Ping", 4096, bytes(8)],
  6: ["ActResult", 4096, id, list(0, 64, row(device, uint(4))), detail],
  7: ["OrderResult", 4096, id, uint(4), detail],
  8: ["Telemetry", 4096, list(1, 64, row(device, oneOf(...quantities), int, uint()))],
  9: ["PiecesWanted", 4096, list(1, 64, hash)],
  10: ["NewKey", 4096, hash, hash],
  11: ["RetireKey", 4096, hash],
  12: ["CertificateRequest", 4096, hash, uint()],
  13: ["Alive", 4096, bytes(8)],
  14: ["Notice", 4160, uint(UINT_MAX, 1), bytes(1, 4096), hash],
  15: ["UpdateState", 4096, uint(8), uint(2), text(64), or(bytes(0), hash), text(64, 0), uint(2), uint(1), uint(6), uint(),
    list(0, 32, hash)],
  35: ["HealthState", 4096, troubles, uint(COUNT_MAX)],
};
const UPLINK_FROM_BACKEND = {
  16: ["Welcome", 4096, uint(), uint(), hash],
  17: ["Acknowledge", 4096, numbers],
  18: ["Release", 4096, id, uint(65535), uint(), or(none, uint(3600, 1)), text(32)],
  19: ["NewPolicy", 4194368, bytes(1, 4194304)],
  20: ["Pong", 4096, bytes(8), uint()],
  21: ["Halt", 4096, uint(4, 1), uint(), hash, detail],
  22: ["Act", 4096, id, text(32), or(device, uint(65535, 1)), uint(10, 1), or(none, uint(65535)), uint()],
  23: ["Order", 4096, id, text(32), or(none, uint(65535)), oneOf(2, 3, 4), uint(1), uint(), or(none, uint())],
  24: ["Pieces", 262240, list(1, 4, bytes(1, 65536))],
  25: ["KeyTaken", 4096, hash, uint(2, 1), detail],
  26: ["Held", 4096, numbers],
  27: ["Certificate", 4160, bytes(1, 4096)],
  28: ["RotateKey", 4096, hash],
  29: ["Probe", 4096, bytes(8)],
  30: ["TlsCertificate", 4096, bytes(1, 2048)],
  51: ["CarriedMandate", 1032, bytes(1, 1024)],
  55: ["CarriedEnds", 9480, bytes(1, 9472)],
};
const ENROLMENT_FROM_HUB = {
  1: ["Ask", 4096, uint(), bytes(10), bytes(1, 128), bytes(64), bytes(1, 1024), text(32)],
};
const ENROLMENT_FROM_BACKEND = {
  17: ["Waiting", 4096, text(32), text(32)],
  18: [
    "Enrolled", 16384, text(32), text(32), text(64), bytes(1, 4096), bytes(1, 512), bytes(1, 2048), bytes(1, 2048), list(1, 4, text(270)),
    list(1, 2, hash), or(bytes(0), bytes(16)), or(bytes(0), hash), list(1, 32, row(uint(65535, 1), text(64))),
  ],
  19: ["Refused", 4096, uint(6, 1), detail],
};
const SIDES = {
  "uplink hub": UPLINK_FROM_HUB,
  "uplink backend": UPLINK_FROM_BACKEND,
  "enrolment hub": ENROLMENT_FROM_HUB,
  "enrolment backend": ENROLMENT_FROM_BACKEND,
};

// Read one message of a side: its name, and its array. Throws for anything else.
function read(side, data) {
  const most = Math.max(...Object.values(side).map(([, ceiling]) => ceiling));
  if (data.length > most) throw new Error("longer than any message");
  const array = decode(data);
  if (!Array.isArray(array) || !Object.hasOwn(side, String(array[0]))) throw new Error("no message of a known type");
  const [name, ceiling, ...fields] = side[array[0]];
  if (data.length > ceiling) throw new Error(`${name} is too long`);
  if (array.length !== 1 + fields.length) throw new Error(`${name} has other fields`);
  fields.forEach((fits, at) => {
    if (!fits(array[at + 1])) throw new Error(`${name}: field ${at + 1} is out of shape`);
  });
  return { name, array };
}

// A file of vectors.
function bytesOf(entry) {
  if (entry.bytes !== undefined) return Buffer.from(entry.bytes, "hex");
  return Buffer.concat(entry.parts.map((part) => (typeof part === "number" ? Buffer.alloc(part) : Buffer.from(part, "hex"))));
}
function valueOf(shown) {
  if (Array.isArray(shown)) return shown.map(valueOf);
  if (shown === null || typeof shown !== "object") return shown;
  if (shown.int !== undefined) return BigInt(shown.int);
  return shown.zeros === undefined ? Buffer.from(shown.hex, "hex") : Buffer.alloc(shown.zeros);
}
function holds(side, entry) {
  const data = bytesOf(entry);
  let said;
  try {
    said = read(side, data);
  } catch (error) {
    return entry.verdict === "invalid";
  }
  if (entry.verdict !== "valid" || said.name !== entry.name) return false;
  return encode(said.array).equals(data) && encode(valueOf(entry.array)).equals(data);
}

module.exports = { encode, decode, read, SIDES };

if (require.main === module) {
  let wrong = 0;
  for (const file of process.argv.slice(2)) {
    const { talk, from, messages } = JSON.parse(fs.readFileSync(file));
    const broken = messages.filter((entry) => !holds(SIDES[`${talk} ${from}`], entry));
    for (const entry of broken) console.error(`${file}: ${entry.verdict}: ${entry.name ?? entry.why}`);
    console.log(`${talk} from ${from}: ${messages.length - broken.length} of ${messages.length}`);
    wrong += broken.length;
  }
  process.exit(wrong ? 1 : 0);
}
