/**
 * What a vector file gives a phone: keys, wallet and chance (tests/vectors/README.md).
 *
 * Law: every byte of chance comes from the file, in its order, in the size that it has there.
 */

package hub.vectors

import hub.codec.Bytes
import hub.codec.bstr
import hub.codec.codeOf
import hub.codec.dict
import hub.codec.num
import hub.cose.Aead
import hub.cose.ES256
import hub.cose.PS256
import hub.cose.SigningKey
import hub.cose.decodeKey
import hub.cose.readKey
import hub.phone.Certified
import hub.phone.Holds
import hub.phone.Ticket
import hub.phone.Wallet
import java.math.BigInteger
import java.security.KeyFactory
import java.security.PrivateKey
import java.security.interfaces.RSAPrivateCrtKey
import java.security.spec.InvalidKeySpecException
import java.security.spec.PKCS8EncodedKeySpec
import java.util.Base64

private const val COORDINATE_BYTES = 32

@Suppress("UNCHECKED_CAST")
fun Json.member(name: String): Json = this[name] as Json

@Suppress("UNCHECKED_CAST")
fun Json.members(name: String): List<Json> = (this[name] ?: emptyList<Json>()) as List<Json>

fun Json.text(name: String): String = this[name] as String

fun Json.number(name: String): Double = this[name] as Double

fun Json.whole(name: String): Long = number(name).toLong()

/** The bytes of a member in hex; none where it is missing. */
fun Json.hex(name: String): Bytes = Bytes.fromHex((this[name] ?: "") as String)

fun Json.wholes(name: String): List<Long> =
    ((this[name] ?: emptyList<Any>()) as List<*>).map { (it as Double).toLong() }

/** Random bytes of one file. */
class Chance(private val drawn: List<Json>) {
    private var at = 0

    /** How many draws of the file were not made. */
    val left: Int get() = drawn.size - at

    fun draw(size: Int): Bytes {
        check(at < drawn.size) { "a draw of $size bytes that the file does not hold" }
        val value = drawn[at].hex("bytes")
        check(value.size == size) { "draw $at: $size bytes, the file has ${value.size}" }
        at += 1
        return value
    }
}

/** Read a private key in PEM (PKCS 8), P-256 or RSA. */
fun privateKey(pem: String): PrivateKey {
    val spec = PKCS8EncodedKeySpec(der(pem))
    return try {
        KeyFactory.getInstance("EC").generatePrivate(spec)
    } catch (_: InvalidKeySpecException) {
        KeyFactory.getInstance("RSA").generatePrivate(spec)
    }
}

private fun der(pem: String): ByteArray =
    Base64.getMimeDecoder().decode(pem.replace(Regex("-----[^-]+-----"), ""))

/** Read a phone's key. A P-256 key's file ends with its point. */
private fun signingKey(pem: String): SigningKey {
    val private = privateKey(pem)
    if (private is RSAPrivateCrtKey) {
        val labels =
            dict(
                1 to num(3),
                3 to num(PS256),
                -1 to bstr(unsigned(private.modulus)),
                -2 to bstr(unsigned(private.publicExponent)),
            )
        return SigningKey(readKey(labels), private)
    }
    val whole = Bytes.of(der(pem))
    val y = whole.size - COORDINATE_BYTES
    val x = y - COORDINATE_BYTES
    val labels =
        dict(
            1 to num(2),
            3 to num(ES256),
            -1 to num(1),
            -2 to bstr(whole.slice(x, y)),
            -3 to bstr(whole.slice(y)),
        )
    return SigningKey(readKey(labels), private)
}

private fun unsigned(number: BigInteger): Bytes {
    val bytes = Bytes.of(number.toByteArray())
    return if (bytes[0] == 0) bytes.slice(1) else bytes
}

fun aead(number: Long): Aead = checkNotNull(codeOf<Aead>(num(number)))

fun walletOf(given: Json): Wallet {
    val holds =
        Holds(
            site = given.text("site"),
            issuer = decodeKey(given.hex("issuer")),
            key = signingKey(given.text("key")),
            grant = given.hex("grant"),
            aeads = given.wholes("aeads").map(::aead),
            rsaBytes = given.wholes("rsa_bytes").map(Long::toInt).toSet(),
            revokedHubs = (given["revoked_hubs"] as List<*>).map { hexOf(it) }.toSet(),
        )
    val wallet = Wallet(holds)
    for (known in given.members("epochs")) {
        val hub = known.hex("hub_certificate")
        wallet.keepEpoch(wallet.readCertificates(hub, known.hex("epoch_certificate")))
    }
    for (kept in given.members("tickets")) wallet.tickets[kept.hex("hub_kid")] = ticketOf(kept)
    wallet.fullPathAt.addAll(given.wholes("full_path_at"))
    return wallet
}

private fun hexOf(value: Any?) = Bytes.fromHex(value as String)

private fun ticketOf(kept: Json) =
    Ticket(
        certified =
            Certified(
                hub = kept.text("hub"),
                accessPoints = kept.wholes("access_points").toSet(),
                hubExpires = kept.whole("hub_expires").toULong(),
            ),
        id = kept.hex("id"),
        secret = kept.hex("secret"),
        aead = aead(kept.whole("aead")),
        expires = kept.whole("expires"),
    )
