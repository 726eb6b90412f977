/**
 * Binding and keys: what every seal and signature covers, and with which key it is made
 * (docs/protocol.md, "Binding and keys").
 *
 * Laws:
 * 1. Everything is bound to the protocol, the transport, this link's challenge, the hub and the
 *    epoch certificate. Nothing fits elsewhere.
 * 2. Each direction and purpose has a key of its own.
 * 3. Inside the seal every failure is one ProofError.
 */

package hub.protocol

import hub.codec.Bytes
import hub.codec.FrameError
import hub.codec.ProofError
import hub.codec.Tstr
import hub.codec.bstr
import hub.codec.encode
import hub.codec.items
import hub.codec.num
import hub.cose.Aead
import hub.cose.DIRECT_HKDF_SHA256
import hub.cose.Purpose
import hub.cose.derive
import hub.cose.seal
import hub.cose.sha256
import hub.cose.unseal

const val BLE_GATT = "ble-gatt"
private const val PROTOCOL = "hub/1"

/** Where an exchange takes place: the transport, and the 42 bytes of INFO as they were read. */
class Place(val transport: String, val challenge: Bytes)

/** The keys of what follows a phone's request; `ratchet` is the secret of the next ticket. */
class SessionKeys(val aead: Aead, val toPhone: Bytes, val ratchet: Bytes)

/** Return the external AAD of an open, and of the request in it. */
fun binding(place: Place, epochCertificate: Bytes, aead: Aead): Bytes =
    encode(
        items(
            Tstr(PROTOCOL),
            Tstr(place.transport),
            bstr(place.challenge),
            bstr(sha256(epochCertificate)),
            num(aead.number),
        )
    )

private fun transcript(place: Place, message: Bytes): Bytes =
    sha256(
        encode(
            items(Tstr(PROTOCOL), Tstr(place.transport), bstr(place.challenge), bstr(message))
        )
    )

/**
 * Derive the keys of what follows a phone's complete `message`. `secret` is the one that it
 * carried, or its ticket's; `hub` is `sub` of the hub certificate.
 */
fun sessionKeys(secret: Bytes, place: Place, message: Bytes, aead: Aead, hub: String): SessionKeys {
    val salt = transcript(place, message)
    val next = Purpose(DIRECT_HKDF_SHA256, SECRET_BYTES, "ticket")
    return SessionKeys(
        aead = aead,
        toPhone = derive(secret, salt, hub, Purpose(aead.number, aead.keyBytes, "h2p")),
        ratchet = derive(secret, salt, hub, next),
    )
}

/** Derive the key that seals a resume, phone to hub. */
fun resumeKey(secret: Bytes, place: Place, aead: Aead, hub: String): Bytes {
    val salt = transcript(place, Bytes.EMPTY)
    return derive(secret, salt, hub, Purpose(aead.number, aead.keyBytes, "p2h"))
}

/** Return the whole resume. */
fun sealResume(wish: Wish, key: Bytes, aead: Aead, iv: Bytes, ticket: Bytes): Bytes {
    val ciphertext = seal(aead, key, iv, encodeResumeRequest(wish))
    return encodeResume(Sealed(aead, iv, ciphertext), ticket)
}

/** Unseal a verdict. Throw ProofError: it is of another session, or not from this hub. */
fun openVerdict(content: Sealed, keys: SessionKeys): Verdict = open(content, keys, ::decodeVerdict)

/** Unseal a door state. Throw ProofError. */
fun openState(content: Sealed, keys: SessionKeys): State = open(content, keys, ::decodeState)

private fun <T> open(content: Sealed, keys: SessionKeys, decode: (Bytes) -> T): T {
    if (content.aead != keys.aead) throw ProofError("seal: another AEAD than the session's")
    val plaintext = unseal(content.aead, keys.toPhone, content.iv, content.ciphertext)
    try {
        return decode(plaintext)
    } catch (error: FrameError) {
        throw ProofError("inside the seal: ${error.message}", error)
    }
}
