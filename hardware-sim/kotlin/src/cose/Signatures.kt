/**
 * Signatures of a COSE_Sign1: ES256 and PS256, over java.security alone.
 *
 * Laws:
 * 1. Whatever is wrong with a signature is one ProofError.
 * 2. ES256 is r and s of 32 bytes each; DER, which Java's keys speak, never leaves this file.
 * 3. A signing key may be opaque, as one of a key store is: it is asked to sign, and for nothing
 *    else.
 */

package hub.cose

import hub.codec.Bytes
import hub.codec.ProofError
import hub.codec.Tstr
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.encode
import hub.codec.items
import java.security.GeneralSecurityException
import java.security.NoSuchAlgorithmException
import java.security.PrivateKey
import java.security.Signature
import java.security.spec.MGF1ParameterSpec
import java.security.spec.PSSParameterSpec

private const val ES256_BYTES = 64
private const val SALT_BYTES = 32
private const val SEQUENCE = 0x30
private const val INTEGER = 0x02
private val PSS = PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, SALT_BYTES, 1)

/** RSASSA-PSS as Java calls it, and as Android does. */
private val PSS_NAMES = listOf("RSASSA-PSS", "SHA256withRSA/PSS")

/** A phone's signing key, with the public key that verifies what it signs. */
class SigningKey(val verifies: VerifyKey, private val private: PrivateKey) {
    val alg: Int get() = verifies.alg

    /** The size of each signature. */
    val signatureBytes: Int =
        if (alg == ES256) ES256_BYTES else checkNotNull(verifies.cose[-1].bytes()).size

    internal fun sign(covered: Bytes): Bytes {
        val signature = signatureOf(alg)
        signature.initSign(private)
        signature.update(covered.toByteArray())
        val made = Bytes.of(signature.sign())
        return if (alg == ES256) fromDer(made) else made
    }
}

/** Return the signature of a COSE_Sign1. */
fun sign1(key: SigningKey, header: Bytes, payload: Bytes, aad: Bytes = Bytes.EMPTY): Bytes =
    key.sign(covered(header, payload, aad))

/** Check the signature of a COSE_Sign1 whose headers its caller has checked. Throw ProofError. */
fun verify1(
    key: VerifyKey,
    header: Bytes,
    payload: Bytes,
    signature: Bytes,
    aad: Bytes = Bytes.EMPTY,
) {
    val holds =
        try {
            verifies(key, covered(header, payload, aad), signature)
        } catch (error: GeneralSecurityException) {
            throw ProofError("signature: does not verify", error)
        }
    if (!holds) throw ProofError("signature: does not verify")
}

private fun verifies(key: VerifyKey, covered: Bytes, signature: Bytes): Boolean {
    if (key.alg == ES256 && signature.size != ES256_BYTES) return false
    val verifier = signatureOf(key.alg)
    verifier.initVerify(key.public)
    verifier.update(covered.toByteArray())
    val given = if (key.alg == ES256) toDer(signature) else signature
    return verifier.verify(given.toByteArray())
}

/** The Sig_structure of RFC 9052, 4.4. */
private fun covered(header: Bytes, payload: Bytes, aad: Bytes): Bytes =
    encode(items(Tstr("Signature1"), bstr(header), bstr(aad), bstr(payload)))

private fun signatureOf(alg: Int): Signature {
    if (alg == ES256) return Signature.getInstance("SHA256withECDSA")
    val signature = PSS_NAMES.firstNotNullOfOrNull(::named)
    checkNotNull(signature) { "this system has no RSASSA-PSS" }
    signature.setParameter(PSS)
    return signature
}

private fun named(name: String): Signature? =
    try {
        Signature.getInstance(name)
    } catch (_: NoSuchAlgorithmException) {
        null
    }

/** Return r and s, each 32 bytes, of an ECDSA-Sig-Value (RFC 3279, 2.2.3). */
internal fun fromDer(der: Bytes): Bytes {
    val second = 4 + der[3]
    val r = der.slice(4, second)
    val s = der.slice(second + 2)
    return padded(r) + padded(s)
}

private fun padded(number: Bytes): Bytes {
    val zeros = (0 until number.size).indexOfFirst { number[it] != 0 }
    val stripped = number.slice(maxOf(zeros, 0))
    return Bytes.zeros(COORDINATE_BYTES - stripped.size) + stripped
}

/** Return the ECDSA-Sig-Value of r and s. */
internal fun toDer(signature: Bytes): Bytes {
    val r = signature.slice(0, COORDINATE_BYTES)
    val s = signature.slice(COORDINATE_BYTES)
    val numbers = integer(r) + integer(s)
    return Bytes.of(SEQUENCE, numbers.size) + numbers
}

private fun integer(number: Bytes): Bytes {
    val shortest = Bytes.of(unsigned(number).toByteArray())
    return Bytes.of(INTEGER, shortest.size) + shortest
}
