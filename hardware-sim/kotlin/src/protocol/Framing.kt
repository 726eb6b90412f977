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

package hub.protocol

import hub.codec.Bytes
import hub.codec.FrameError

const val FIRST = 1
const val LAST = 2
const val ACK = 4
const val BYE = 8

/** The largest frame that a phone should write. */
const val FRAME_BYTES_MAX = 244

/** What a notification or a write takes of an ATT MTU. */
const val ATT_OVERHEAD = 3

private const val FRAMING_VERSION = 1
private const val HEADER_BYTES = 6
private const val FIRST_HEADER_BYTES = 8
private const val RECEIVED_BYTES_MAX = 512
private const val WINDOW = 4
private const val NUMBERS = 256
private const val BEHIND_MAX = 128

/** `total` is that of a first frame, else 0. */
class Frame(val flags: Int, val sid: Bytes, val seq: Int, val total: Int, val payload: Bytes) {
    val isControl: Boolean get() = flags and (ACK or BYE) != 0
}

/** Return how many bytes a frame may have at an ATT MTU. */
fun frameBytes(mtu: Int): Int = minOf(mtu - ATT_OVERHEAD, FRAME_BYTES_MAX)

/** Read one frame. Throw FrameError. */
fun decodeFrame(data: Bytes): Frame {
    if (data.size !in HEADER_BYTES..RECEIVED_BYTES_MAX) {
        throw FrameError("frame: ${data.size} bytes")
    }
    if (data[0] shr 4 != FRAMING_VERSION) throw FrameError("frame: of another version")
    val flags = data[0] and 0x0f
    val isControl = flags and (ACK or BYE) != 0
    val isFirst = !isControl && flags and FIRST != 0
    val at = if (isFirst) FIRST_HEADER_BYTES else HEADER_BYTES
    if (isControl && (flags !in listOf(ACK, BYE) || data.size != HEADER_BYTES)) {
        throw FrameError("frame: an ACK or BYE has its flag alone and no payload")
    }
    if (!isControl && data.size <= at) throw FrameError("frame: no payload")
    val total = if (isFirst) data[6] * 256 + data[7] else 0
    if (isFirst && total !in 1..MESSAGE_BYTES_MAX) {
        throw FrameError("frame: a first frame announces 1..$MESSAGE_BYTES_MAX bytes")
    }
    return Frame(flags, data.slice(1, 5), data[5], total, data.slice(at))
}

/** Return a frame without payload: the ACK of frame `seq`, or a BYE with 0. */
fun controlFrame(flag: Int, sid: Bytes, seq: Int): Bytes = frameHeader(flag, sid, seq)

private fun frameHeader(flags: Int, sid: Bytes, seq: Int): Bytes =
    Bytes.of((FRAMING_VERSION shl 4) or flags) + sid + Bytes.of(seq)

/** What a frame completes: a whole message, and the ACK that it asks for. */
class Joined(val message: Bytes? = null, val ack: Bytes? = null)

/** Joins the frames of one session into messages. */
class Inbound(val sid: Bytes) {
    private var due = 0
    private var total = 0
    private var have = Bytes.EMPTY
    private var frames = 0

    /** Tell whether a frame is ahead of the one that is due: one is missing. */
    fun isAhead(frame: Frame): Boolean = (due - frame.seq + NUMBERS) % NUMBERS > BEHIND_MAX

    /** Take a frame with payload. Throw FrameError: out of place, or lengths do not add up. */
    fun accept(frame: Frame): Joined {
        if (frame.seq != due) return Joined()
        val isFirst = frame.flags and FIRST != 0
        val isLast = frame.flags and LAST != 0
        if (isFirst == total > 0) throw FrameError("frame: out of place")
        val announced = if (isFirst) frame.total else total
        val size = have.size + frame.payload.size
        if (size > announced || (size == announced) != isLast) {
            throw FrameError("frame: the message is longer or shorter than announced")
        }
        total = announced
        have += frame.payload
        frames = if (isFirst) 1 else frames + 1
        due = (frame.seq + 1) % NUMBERS
        if (isLast) return Joined(message = whole())
        return Joined(ack = if (frames % WINDOW == 0) controlFrame(ACK, sid, frame.seq) else null)
    }

    private fun whole(): Bytes {
        val message = have
        have = Bytes.EMPTY
        total = 0
        return message
    }
}

/** Cuts the messages of one session into frames; their numbers go on. */
class Outbound(private val sid: Bytes) {
    private var seq = 0

    /** Return the frames of a message, of `frameBytes` bytes at most. */
    fun cut(message: Bytes, frameBytes: Int): List<Bytes> {
        val frames = ArrayList<Bytes>()
        var at = 0
        while (at < message.size) {
            val isFirst = at == 0
            val room = frameBytes - if (isFirst) FIRST_HEADER_BYTES else HEADER_BYTES
            val payload = message.slice(at, minOf(at + room, message.size))
            at += payload.size
            val flags = (if (isFirst) FIRST else 0) or (if (at == message.size) LAST else 0)
            val total = Bytes.of(message.size shr 8, message.size and 0xff)
            val head = frameHeader(flags, sid, seq)
            frames.add(head + (if (isFirst) total else Bytes.EMPTY) + payload)
            seq = (seq + 1) % NUMBERS
        }
        return frames
    }
}
