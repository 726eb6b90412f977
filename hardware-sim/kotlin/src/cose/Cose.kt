/**
 * COSE as this protocol uses it: seals, content keys and derived keys, over javax.crypto alone.
 *
 * Sources: RFC 9052, 9053, 8230 and 5869; docs/protocol.md, "Keys and algorithms".
 *
 * Laws:
 * 1. A protected header is a constant and is compared as bytes.
 * 2. Every failure to open, whatever its cause, is one ProofError.
 */

package hub.cose

import hub.codec.Bytes
import hub.codec.Null
import hub.codec.ProofError
import hub.codec.Tstr
import hub.codec.bstr
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.codec.num
import java.security.GeneralSecurityException
import java.security.MessageDigest
import java.security.interfaces.RSAPublicKey
import java.security.spec.MGF1ParameterSpec
import javax.crypto.Cipher
import javax.crypto.Mac
import javax.crypto.spec.GCMParameterSpec
import javax.crypto.spec.OAEPParameterSpec
import javax.crypto.spec.PSource
import javax.crypto.spec.SecretKeySpec

const val RSAES_OAEP_SHA256 = -41
const val DIRECT_HKDF_SHA256 = -10
const val IV_BYTES = 12
const val SHA256_BYTES = 32

/** The protected header of the direct+HKDF-SHA-256 recipient. */
val DIRECT: Bytes = encode(dict(1 to num(DIRECT_HKDF_SHA256)))

/** OAEP with SHA-256 for both: some systems take SHA-1 for MGF1 unless they are told. */
val OAEP =
    OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT)

const val OAEP_CIPHER = "RSA/ECB/OAEPPadding"
private const val TAG_BYTES = 16
private const val HMAC = "HmacSHA256"

fun sha256(data: Bytes): Bytes =
    Bytes.of(MessageDigest.getInstance("SHA-256").digest(data.toByteArray()))

/** Return the ciphertext with its tag, of a COSE_Encrypt's content (RFC 9052, 5.3). */
fun seal(aead: Aead, key: Bytes, iv: Bytes, plaintext: Bytes, aad: Bytes = Bytes.EMPTY): Bytes =
    Bytes.of(gcm(Cipher.ENCRYPT_MODE, aead, key, iv, aad).doFinal(plaintext.toByteArray()))

/** Return the plaintext of a COSE_Encrypt's content. Throw ProofError. */
fun unseal(aead: Aead, key: Bytes, iv: Bytes, ciphertext: Bytes, aad: Bytes = Bytes.EMPTY): Bytes {
    // Java's own cipher meets one without a whole tag with an error that is none of security.
    if (ciphertext.size < TAG_BYTES) throw ProofError("seal: the content has no whole tag")
    try {
        val cipher = gcm(Cipher.DECRYPT_MODE, aead, key, iv, aad)
        return Bytes.of(cipher.doFinal(ciphertext.toByteArray()))
    } catch (error: GeneralSecurityException) {
        throw ProofError("seal: the content does not open", error)
    }
}

private fun gcm(mode: Int, aead: Aead, key: Bytes, iv: Bytes, aad: Bytes): Cipher {
    require(key.size == aead.keyBytes) { "a key of $aead has ${aead.keyBytes} bytes" }
    val cipher = Cipher.getInstance("AES/GCM/NoPadding")
    val secret = SecretKeySpec(key.toByteArray(), "AES")
    cipher.init(mode, secret, GCMParameterSpec(8 * TAG_BYTES, iv.toByteArray()))
    val covered = items(Tstr("Encrypt"), bstr(aead.header), bstr(aad))
    cipher.updateAAD(encode(covered).toByteArray())
    return cipher
}

/** Encrypt a content key: RSAES-OAEP, SHA-256, MGF1-SHA-256, empty label (RFC 8230, 3). */
fun wrapKey(key: RSAPublicKey, contentKey: Bytes): Bytes {
    val cipher = Cipher.getInstance(OAEP_CIPHER)
    cipher.init(Cipher.ENCRYPT_MODE, key, OAEP)
    return Bytes.of(cipher.doFinal(contentKey.toByteArray()))
}

/** What a derived key is for: `alg` of COSE, its size in bytes, and the purpose as text. */
data class Purpose(val alg: Int, val size: Int, val label: String)

/**
 * Return a key of HKDF-SHA-256 with the COSE_KDF_Context of RFC 9053, 5.2: PartyV is the hub, and
 * SuppPubInfo.other the purpose as CBOR text.
 */
fun derive(secret: Bytes, salt: Bytes, hub: String, purpose: Purpose): Bytes {
    val bits = num(8 * purpose.size)
    val other = bstr(encode(Tstr(purpose.label)))
    val context =
        items(
            num(purpose.alg),
            items(Null, Null, Null),
            items(bstr(Bytes.utf8(hub)), Null, Null),
            items(bits, bstr(DIRECT), other),
        )
    return expand(hmac(salt, secret), encode(context), purpose.size)
}

/** HKDF's second step (RFC 5869, 2.3). */
private fun expand(pseudorandom: Bytes, info: Bytes, size: Int): Bytes {
    var block = Bytes.EMPTY
    var all = Bytes.EMPTY
    for (number in 1..(size + SHA256_BYTES - 1) / SHA256_BYTES) {
        block = hmac(pseudorandom, block + info + Bytes.of(number))
        all += block
    }
    return all.slice(0, size)
}

private fun hmac(key: Bytes, data: Bytes): Bytes {
    val mac = Mac.getInstance(HMAC)
    mac.init(SecretKeySpec(key.toByteArray(), HMAC))
    return Bytes.of(mac.doFinal(data.toByteArray()))
}
