/**
 * The messages between phone and hub: their shapes and exact bytes (docs/protocol.md, "Messages").
 *
 * Laws:
 * 1. Every reader takes bytes and gives a value, or throws FrameError.
 * 2. A message says nothing about who is asking, except inside a seal.
 */

package hub.protocol

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.FrameError
import hub.codec.Items
import hub.codec.Nint
import hub.codec.Uint
import hub.codec.Value
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.codeOf
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.codec.list
import hub.codec.num
import hub.codec.uint
import hub.cose.Aead
import hub.cose.DIRECT
import hub.cose.IV_BYTES
import hub.cose.KID_BYTES
import hub.cose.RSAES_OAEP_SHA256

const val VERSION = 1
const val MESSAGE_BYTES_MAX = 4096
const val OP_BYTES = 8
const val TICKET_ID_BYTES = 16
const val SECRET_BYTES = 32
private const val CHALLENGE_BYTES = 42

val GET_EPOCH: Bytes = encode(items(num(1)))

private val CHALLENGE_SIZES = listOf(4, 16, KID_BYTES, KID_BYTES)

/** What INFO tells; `hub` and `epoch` are hints until a verdict opens. */
data class Challenge(val sid: Bytes, val nonce: Bytes, val hub: Bytes, val epoch: Bytes)

/** Read INFO's value. Throw FrameError, also for another version. */
fun decodeChallenge(data: Bytes): Challenge {
    val read = if (data.size == CHALLENGE_BYTES) decode(data, depthMax = 1) else null
    val value = read.list(1 + CHALLENGE_SIZES.size)
    val parts = value?.drop(1)?.zip(CHALLENGE_SIZES) { part, size -> part.bytes(size) }.orEmpty()
    if (value == null || value[0] != num(VERSION) || parts.contains(null)) {
        throw FrameError("challenge: not of version $VERSION")
    }
    val (sid, nonce, hub, epoch) = parts.filterNotNull()
    return Challenge(sid, nonce, hub, epoch)
}

/** Tell whether INFO holds a challenge of another version: an array that begins with its number. */
fun isOfAnotherVersion(data: Bytes): Boolean =
    try {
        val first = (decode(data) as? Items)?.all?.firstOrNull()
        (first is Uint || first is Nint) && first != num(VERSION)
    } catch (_: FrameError) {
        false
    }

/** What is sealed with an AEAD: its IV, and the ciphertext with its tag. */
class Sealed(val aead: Aead, val iv: Bytes, val ciphertext: Bytes)

/** Return the bytes of an open; `epoch` is the kid of the key that `encryptedKey` is for. */
fun encodeOpen(content: Sealed, epoch: Bytes, encryptedKey: Bytes): Bytes {
    val unprotected = dict(1 to num(RSAES_OAEP_SHA256), 4 to bstr(epoch))
    return encrypted(2, content, items(bstr(Bytes.EMPTY), unprotected, bstr(encryptedKey)))
}

/** Return the bytes of a resume. */
fun encodeResume(content: Sealed, ticket: Bytes): Bytes {
    val recipient = items(bstr(DIRECT), dict(4 to bstr(ticket)), bstr(Bytes.EMPTY))
    return encrypted(3, content, recipient)
}

private fun encrypted(number: Int, content: Sealed, recipient: Value): Bytes {
    val header = bstr(content.aead.header)
    val iv = dict(5 to bstr(content.iv))
    val body = items(header, iv, bstr(content.ciphertext), items(recipient))
    return encode(items(num(number), body))
}

/** What a hub says. */
sealed interface ToPhone

class ErrorInClear(val code: ErrorCode) : ToPhone

class EpochAnswer(val hubCertificate: Bytes, val epochCertificate: Bytes) : ToPhone

class SealedVerdict(val content: Sealed) : ToPhone

class SealedState(val content: Sealed) : ToPhone

/** Read a hub's message. Throw FrameError. */
fun decodeToPhone(data: Bytes): ToPhone {
    if (data.size > MESSAGE_BYTES_MAX) throw FrameError("message: over $MESSAGE_BYTES_MAX bytes")
    val all = (decode(data) as? Items)?.all.orEmpty()
    val message =
        when (all.firstOrNull().uint()) {
            0L -> readError(all)
            1L -> readEpoch(all)
            2L -> readSealed(all)?.let(::SealedVerdict)
            3L -> readSealed(all)?.let(::SealedState)
            else -> null
        }
    return message
        ?: throw FrameError("message: neither error, epoch, verdict nor state of version $VERSION")
}

private fun readError(all: List<Value>): ToPhone? =
    all.takeIf { it.size == 2 }?.let { codeOf<ErrorCode>(it[1]) }?.let(::ErrorInClear)

private fun readEpoch(all: List<Value>): ToPhone? {
    val certificates = all.drop(1).map { it.bytes() }
    val (hub, epoch) = certificates.takeIf { it.size == 2 } ?: return null
    return if (hub != null && epoch != null) EpochAnswer(hub, epoch) else null
}

/** Read what is sealed hub to phone: one recipient, whose key is the session's. */
private fun readSealed(all: List<Value>): Sealed? {
    val content = all.takeIf { it.size == 2 }?.get(1).list(4) ?: return null
    val (header, unprotected, ciphertext, recipients) = content
    val aead = Aead.entries.find { it.header == header.bytes() }
    val iv = (unprotected as? Dict)?.takeIf { it.hasExactly(setOf(5)) }?.get(5).bytes(IV_BYTES)
    val sealed = ciphertext.bytes()
    val sessions = items(items(bstr(DIRECT), dict(), bstr(Bytes.EMPTY)))
    if (aead == null || iv == null || sealed == null || recipients != sessions) return null
    return Sealed(aead, iv, sealed)
}
