/**
 * Frames: how one message travels in pieces of the size of an ATT value
 * (docs/protocol.md, "Frames").
 *
 *     flags(1) | session id(4) | seq(1) | total length(2, big-endian, first frame only) | payload
 *
 * Laws:
 * 1. A message announces its length, and no byte is kept beyond it.
 * 2. A frame that is refused leaves nothing behind.
 * 3. A frame that the phone has already is ignored: it may come by notification and by a read.
 * 4. Every fourth frame of a message, but not its last, asks for an ACK.
 */

import { join } from "./bytes.js";
import { FrameError } from "./errors.js";
import { MESSAGE_BYTES_MAX } from "./messages.js";

export const FIRST = 1;
export const LAST = 2;
export const ACK = 4;
export const BYE = 8;
/** The smallest frame size: that of an ATT MTU of 23. */
export const SMALLEST_FRAME = 20;
/** The largest that a phone should write. */
export const LARGEST_FRAME = 244;

const FRAMING_VERSION = 1;
const HEADER_BYTES = 6;
const FIRST_HEADER_BYTES = 8;
const RECEIVED_BYTES_MAX = 512;
const WINDOW = 4;
const NUMBERS = 256;
const BEHIND_MAX = 128;

/** Read one frame: `{flags, sid, seq, total, payload}`. Raise FrameError. */
export function decodeFrame(data) {
  if (data.length < HEADER_BYTES || data.length > RECEIVED_BYTES_MAX) {
    throw new FrameError(`frame: ${data.length} bytes`);
  }
  if (data[0] >> 4 !== FRAMING_VERSION) throw new FrameError("frame: of another version");
  const flags = data[0] & 0x0f;
  const isControl = (flags & (ACK | BYE)) !== 0;
  const isFirst = !isControl && (flags & FIRST) !== 0;
  const at = isFirst ? FIRST_HEADER_BYTES : HEADER_BYTES;
  if (isControl && (![ACK, BYE].includes(flags) || data.length !== HEADER_BYTES)) {
    throw new FrameError("frame: an ACK or BYE has its flag alone and no payload");
  }
  if (!isControl && data.length <= at) throw new FrameError("frame: no payload");
  const total = isFirst ? data[6] * NUMBERS + data[7] : 0;
  if (isFirst && (total < 1 || total > MESSAGE_BYTES_MAX)) {
    throw new FrameError("frame: a first frame announces 1..4096 bytes");
  }
  return { flags, sid: data.slice(1, 5), seq: data[5], total, payload: data.slice(at) };
}

function header(flags, sid, seq) {
  return join(Uint8Array.of((FRAMING_VERSION << 4) | flags), sid, Uint8Array.of(seq));
}

/** Return a frame without payload: the ACK of frame `seq`, or a BYE with 0. */
export function controlFrame(flag, sid, seq) {
  return header(flag, sid, seq);
}

/** Joins the frames of one session into messages. */
export class Inbound {
  constructor(sid) {
    this.sid = sid;
    this.due = 0;
    this.total = 0;
    this.parts = [];
    this.frames = 0;
  }

  /** Tell whether a frame is ahead of the one that is due: one is missing. */
  isAhead(frame) {
    return (this.due - frame.seq + NUMBERS) % NUMBERS > BEHIND_MAX;
  }

  /**
   * Take a frame with payload; return `{message, ack}`: what it completes, and the ACK that it asks
   * for, or null. Raise FrameError for a frame out of place, or lengths that do not add up.
   */
  accept(frame) {
    if (frame.seq !== this.due) return { message: null, ack: null };
    const isFirst = (frame.flags & FIRST) !== 0;
    const isLast = (frame.flags & LAST) !== 0;
    if (isFirst === this.total > 0) throw new FrameError("frame: out of place");
    const total = isFirst ? frame.total : this.total;
    const have = this.parts.reduce((sum, part) => sum + part.length, frame.payload.length);
    if (have > total || (have === total) !== isLast) {
      throw new FrameError("frame: the message is longer or shorter than announced");
    }
    this.total = total;
    this.parts.push(frame.payload);
    this.frames = isFirst ? 1 : this.frames + 1;
    this.due = (frame.seq + 1) % NUMBERS;
    if (isLast) return { message: this.whole(), ack: null };
    const asksAck = this.frames % WINDOW === 0;
    return { message: null, ack: asksAck ? controlFrame(ACK, this.sid, frame.seq) : null };
  }

  whole() {
    const message = join(...this.parts);
    this.parts = [];
    this.total = 0;
    return message;
  }
}

/** Cuts the messages of one session into frames; their numbers go on. */
export class Outbound {
  constructor(sid) {
    this.sid = sid;
    this.seq = 0;
  }

  /** Return the frames of a message, of `frameBytes` bytes at most. */
  cut(message, frameBytes) {
    const frames = [];
    for (let at = 0; at < message.length; ) {
      const isFirst = at === 0;
      const room = frameBytes - (isFirst ? FIRST_HEADER_BYTES : HEADER_BYTES);
      const payload = message.slice(at, at + room);
      at += payload.length;
      const flags = (isFirst ? FIRST : 0) | (at === message.length ? LAST : 0);
      const length = [message.length >> 8, message.length & 0xff];
      const total = Uint8Array.from(isFirst ? length : []);
      frames.push(join(header(flags, this.sid, this.seq), total, payload));
      this.seq = (this.seq + 1) % NUMBERS;
    }
    return frames;
  }
}
