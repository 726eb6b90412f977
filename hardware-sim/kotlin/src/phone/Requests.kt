/**
 * A phone's requests: sealed to the hub's epoch key (full path), or by a ticket (short path).
 *
 * Laws:
 * 1. The secret, the content key and the IV are drawn fresh, in this order.
 * 2. The padding is inside the signature, so that nobody can put bytes of their own there.
 */

package hub.phone

import hub.codec.Bytes
import hub.codec.bstr
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.cose.Aead
import hub.cose.IV_BYTES
import hub.cose.SigningKey
import hub.cose.seal
import hub.cose.sign1
import hub.cose.wrapKey
import hub.protocol.Place
import hub.protocol.REQUEST
import hub.protocol.Request
import hub.protocol.SECRET_BYTES
import hub.protocol.Sealed
import hub.protocol.Wish
import hub.protocol.binding
import hub.protocol.encodeOpen
import hub.protocol.encodeRequest
import hub.protocol.header
import hub.protocol.resumeKey
import hub.protocol.sealResume

/** A request, and what the keys of its answer are derived from. */
class Asked(val message: Bytes, val secret: Bytes, val aead: Aead, val certified: Certified)

/** Make a request to a hub that the phone trusts. `chance(n)` gives n random bytes. */
fun byFullPath(
    wallet: Wallet,
    known: Known,
    wish: Wish,
    place: Place,
    chance: (Int) -> Bytes,
): Asked {
    val aead = checkNotNull(chooseAead(wallet, known.epoch)) { "certificates that are not trusted" }
    val secret = chance(SECRET_BYTES)
    val bound = binding(place, known.epochBytes, aead)
    val revocations = wallet.revocationsFor(known.hub.hub)
    val request = Request(wish, wallet.holds.grant, secret, revocations)
    val plaintext = signedRequest(request, wallet.holds.key, bound)
    val contentKey = chance(aead.keyBytes)
    val iv = chance(IV_BYTES)
    val content = Sealed(aead, iv, seal(aead, contentKey, iv, plaintext, bound))
    val encryptedKey = wrapKey(known.epoch.key, contentKey)
    val message = encodeOpen(content, known.epoch.kid, encryptedKey)
    return Asked(message, secret, aead, known.certified)
}

/** Return the COSE_Sign1 inside an open, its size padded to a multiple of 256 bytes. */
private fun signedRequest(request: Request, key: SigningKey, bound: Bytes): Bytes {
    val header = header(key.alg, REQUEST)
    val blank = Bytes.zeros(key.signatureBytes)
    val payload = encodeRequest(request) { size ->
        encode(items(bstr(header), dict(), bstr(Bytes.zeros(size)), bstr(blank))).size
    }
    val signature = sign1(key, header, payload, bound)
    return encode(items(bstr(header), dict(), bstr(payload), bstr(signature)))
}

/** Make a request to the hub that gave this ticket. */
fun byTicket(ticket: Ticket, wish: Wish, place: Place, chance: (Int) -> Bytes): Asked {
    val key = resumeKey(ticket.secret, place, ticket.aead, ticket.certified.hub)
    val message = sealResume(wish, key, ticket.aead, chance(IV_BYTES), ticket.id)
    return Asked(message, ticket.secret, ticket.aead, ticket.certified)
}
