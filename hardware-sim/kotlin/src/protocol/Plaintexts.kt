/**
 * What stands inside the seals: a request, a resume's request, a verdict, a state.
 *
 * Laws:
 * 1. Zeros fill each up, so that its size tells nothing.
 * 2. A verdict or a state is exactly its members, each of its kind and a known code; else it throws
 *    FrameError.
 */

package hub.protocol

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.FrameError
import hub.codec.Null
import hub.codec.Value
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.codeOf
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.list
import hub.codec.num
import hub.codec.uint

private const val RESUME_BYTES = 48
private const val VERDICT_BYTES = 80
private const val STATE_BYTES = 56
private const val REQUEST_MULTIPLE = 256
private const val SEQ_MAX = 0xffffL

/** Two nested strings: each head grows by up to three bytes. */
private const val HEAD_GROWTH_BYTES = 6

/** What a person wants: an access point and an action, under the op that names the wish. */
data class Wish(val op: Bytes, val accessPoint: Long, val action: Action)

data class NewTicket(val id: Bytes, val expires: Long)

/** `time` is the hub's clock in Unix seconds, for display only. */
class Verdict(
    val op: Bytes,
    val allowed: Boolean,
    val reason: Reason,
    val door: Door,
    val time: Long,
    val ticket: NewTicket?,
)

class State(val seq: Int, val op: Bytes, val accessPoint: Long, val door: Door, val time: Long)

/** Return a resume's padded plaintext, always 48 bytes. */
fun encodeResumeRequest(wish: Wish): Bytes = padTo(fieldsOf(wish), 6, RESUME_BYTES)

private fun fieldsOf(wish: Wish): List<Pair<Int, Value>> =
    listOf(
        2 to bstr(wish.op),
        3 to num(wish.accessPoint),
        4 to num(wish.action.number),
    )

/** Encode a map with zeros under `label` in `size` bytes. Throw FrameError: it does not fit. */
fun padTo(fields: List<Pair<Int, Value>>, label: Int, size: Int): Bytes {
    for (zeros in size downTo 0) {
        val encoded = withZeros(fields, label, zeros)
        if (encoded.size == size) return encoded
    }
    throw FrameError("plaintext: it does not fit $size bytes")
}

private fun withZeros(fields: List<Pair<Int, Value>>, label: Int, zeros: Int): Bytes {
    val padding = label to bstr(Bytes.zeros(zeros))
    return encode(dict(*fields.toTypedArray(), padding))
}

/** What a request holds beside the wish; `revocations` is empty where none are carried. */
class Request(val wish: Wish, val grant: Bytes, val secret: Bytes, val revocations: Bytes)

/**
 * Return a request's bytes, padded so that the COSE_Sign1 around it is a multiple of 256 bytes.
 * `sizeAround(n)` says how long that is around a request of n bytes.
 */
fun encodeRequest(request: Request, sizeAround: (Int) -> Int): Bytes {
    val carried = listOf(0 to bstr(request.revocations)).filter { request.revocations.size > 0 }
    val rest = listOf(1 to bstr(request.grant), 5 to bstr(request.secret))
    val fields = carried + rest + fieldsOf(request.wish)
    val beyond = { zeros: Int -> sizeAround(withZeros(fields, 6, zeros).size) % REQUEST_MULTIPLE }
    val missing = (REQUEST_MULTIPLE - beyond(0)) % REQUEST_MULTIPLE
    for (most in listOf(missing, missing + REQUEST_MULTIPLE)) {
        val zeros = (maxOf(0, most - HEAD_GROWTH_BYTES)..most).find { beyond(it) == 0 }
        if (zeros != null) return withZeros(fields, 6, zeros)
    }
    error("two multiples of $REQUEST_MULTIPLE hold every head")
}

/** Read a verdict's plaintext. Throw FrameError. */
fun decodeVerdict(data: Bytes): Verdict {
    val fields = members(data, VERDICT_BYTES, setOf(1, 2, 3, 4, 5, 6, 7, 8))
    val answer = fields[3].uint(1)
    val reason = codeOf<Reason>(fields[4])
    if (fields[1] != num(0) || answer == null || reason == null) {
        throw FrameError("verdict: not exactly its members")
    }
    return Verdict(
        op = opOf(fields),
        allowed = answer == 1L,
        reason = reason,
        door = doorOf(fields),
        time = timeOf(fields),
        ticket = ticketOf(fields[7]),
    )
}

private fun ticketOf(value: Value?): NewTicket? {
    if (value == Null) return null
    val (id, expires) = value.list(2) ?: throw FrameError("verdict: no ticket")
    return NewTicket(
        id = id.bytes(TICKET_ID_BYTES) ?: throw FrameError("verdict: a ticket without its id"),
        expires = expires.uint(POINT_MAX) ?: throw FrameError("verdict: a ticket without its end"),
    )
}

/** Read a state's plaintext. Throw FrameError. */
fun decodeState(data: Bytes): State {
    val fields = members(data, STATE_BYTES, setOf(1, 2, 3, 5, 6, 8))
    val seq = fields[1].uint(SEQ_MAX)
    val accessPoint = fields[3].uint(POINT_MAX)
    if (seq == null || seq < 1 || accessPoint == null) {
        throw FrameError("state: not exactly its members")
    }
    return State(seq.toInt(), opOf(fields), accessPoint, doorOf(fields), timeOf(fields))
}

/** Read a map of exactly these members in `size` bytes, the last of them zeros. */
private fun members(data: Bytes, size: Int, labels: Set<Int>): Dict {
    val fields = (if (data.size == size) decode(data) else null) as? Dict
    if (fields == null || !fields.hasExactly(labels) || fields[8].bytes() == null) {
        throw FrameError("plaintext: not exactly its members in $size bytes")
    }
    return fields
}

private fun opOf(fields: Dict): Bytes =
    fields[2].bytes(OP_BYTES) ?: throw FrameError("plaintext: no op")

private fun doorOf(fields: Dict): Door =
    codeOf<Door>(fields[5]) ?: throw FrameError("plaintext: no state of a door")

private fun timeOf(fields: Dict): Long =
    fields[6].uint(POINT_MAX) ?: throw FrameError("plaintext: no time")
