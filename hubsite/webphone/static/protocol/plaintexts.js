/**
 * What stands inside the seals: a request, a resume's request, a verdict, a state.
 *
 * Laws:
 * 1. Zeros fill each up, so that its size tells nothing.
 * 2. A verdict or a state is exactly its members, each of its kind and a known code; else it raises
 *    FrameError.
 */

import { decode, encode, hasExactly } from "./cbor.js";
import { isBytes } from "./bytes.js";
import { Door, Reason, isCode } from "./codes.js";
import { FrameError } from "./errors.js";
import { OP_BYTES, TICKET_ID_BYTES } from "./messages.js";
import { isPoint } from "./documents.js";

const RESUME_BYTES = 48;
const VERDICT_BYTES = 80;
const STATE_BYTES = 56;
const REQUEST_MULTIPLE = 256;
const HEAD_GROWTH_BYTES = 6; // two nested strings, each head grows by up to three bytes
const SEQ_MAX = 0xffff;

/** Return a resume's padded plaintext, always 48 bytes. */
export function encodeResumeRequest({ op, accessPoint, action }) {
  return padTo(new Map([[2, op], [3, accessPoint], [4, action]]), 6, RESUME_BYTES);
}

/** Encode a map of rising labels with zeros under `label`, the last of them, in `size` bytes. */
export function padTo(fields, label, size) {
  for (let zeros = size; zeros >= 0; zeros -= 1) {
    const encoded = encode(new Map([...fields, [label, new Uint8Array(zeros)]]));
    if (encoded.length === size) return encoded;
  }
  throw new FrameError(`plaintext: it does not fit ${size} bytes`);
}

/**
 * Return a request's bytes, padded so that the COSE_Sign1 around it is a multiple of 256 bytes.
 *
 * `sizeAround(n)` says how long that is around a request of `n` bytes.
 */
export function encodeRequest({ grant, op, accessPoint, action, secret, revocations }, sizeAround) {
  const carried = revocations.length > 0 ? [[0, revocations]] : [];
  const fields = [...carried, [1, grant], [2, op], [3, accessPoint], [4, action], [5, secret]];
  const padded = (zeros) => encode(new Map([...fields, [6, new Uint8Array(zeros)]]));
  const rest = (zeros) => sizeAround(padded(zeros).length) % REQUEST_MULTIPLE;
  const missing = (REQUEST_MULTIPLE - rest(0)) % REQUEST_MULTIPLE;
  for (const most of [missing, missing + REQUEST_MULTIPLE]) {
    for (let zeros = Math.max(0, most - HEAD_GROWTH_BYTES); zeros <= most; zeros += 1) {
      if (rest(zeros) === 0) return padded(zeros);
    }
  }
  throw new FrameError("request: two multiples of 256 hold every head");
}

/** Read a verdict's plaintext: `{op, allowed, reason, door, time, ticket}`. Raise FrameError. */
export function decodeVerdict(data) {
  const fields = decode(data);
  const isVerdict =
    data.length === VERDICT_BYTES &&
    hasExactly(fields, [1, 2, 3, 4, 5, 6, 7, 8]) &&
    fields.get(1) === 0 &&
    [0, 1].includes(fields.get(3)) &&
    isCode(Reason, fields.get(4)) &&
    isTold(fields);
  if (!isVerdict) throw new FrameError("verdict: not exactly its members");
  return {
    op: fields.get(2),
    allowed: fields.get(3) === 1,
    reason: fields.get(4),
    door: fields.get(5),
    time: fields.get(6),
    ticket: readTicket(fields.get(7)),
  };
}

/** Tell whether what verdict and state have in common is of its kind: op, door, time, zeros. */
function isTold(fields) {
  const isKnown = isBytes(fields.get(2), OP_BYTES) && isCode(Door, fields.get(5));
  return isKnown && isPoint(fields.get(6)) && isBytes(fields.get(8));
}

function readTicket(value) {
  if (value === null) return null;
  const isTicket = Array.isArray(value) && value.length === 2;
  if (!isTicket || !isBytes(value[0], TICKET_ID_BYTES) || !isPoint(value[1])) {
    throw new FrameError("verdict: no ticket");
  }
  return { id: value[0], expires: value[1] };
}

/** Read a state's plaintext: `{seq, op, accessPoint, door, time}`. Raise FrameError. */
export function decodeState(data) {
  const fields = decode(data);
  const isState =
    data.length === STATE_BYTES &&
    hasExactly(fields, [1, 2, 3, 5, 6, 8]) &&
    isSeq(fields.get(1)) &&
    isPoint(fields.get(3)) &&
    isTold(fields);
  if (!isState) throw new FrameError("state: not exactly its members");
  return {
    seq: fields.get(1),
    op: fields.get(2),
    accessPoint: fields.get(3),
    door: fields.get(5),
    time: fields.get(6),
  };
}

function isSeq(value) {
  return typeof value === "number" && value >= 1 && value <= SEQ_MAX;
}
