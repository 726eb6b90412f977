/**
 * Signing keys: COSE_Key, thumbprints and signatures, over java.security alone.
 *
 * Sources: RFC 9053, 2.1; RFC 8230, 2; RFC 9679, 4; docs/protocol.md, "Keys and algorithms".
 *
 * Laws:
 * 1. The verifying key fixes the algorithm of a signature.
 * 2. A key id finds an entry in a table, and proves nothing.
 * 3. A key is taken only with the sizes of this protocol, and a point only on its curve.
 */

package hub.cose

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.Null
import hub.codec.ProofError
import hub.codec.Value
import hub.codec.bytes
import hub.codec.decode
import hub.codec.encode
import hub.codec.num
import java.math.BigInteger
import java.security.AlgorithmParameters
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.PublicKey
import java.security.interfaces.RSAPublicKey
import java.security.spec.ECFieldFp
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECParameterSpec
import java.security.spec.ECPoint
import java.security.spec.ECPublicKeySpec
import java.security.spec.RSAPublicKeySpec

const val ES256 = -7
const val PS256 = -37
const val KID_BYTES = 8
const val COORDINATE_BYTES = 32
private const val EC2 = 2
private const val RSA = 3
private const val P256 = 1
private val SIGNING_MODULI = setOf(256, 384)
private val EXPONENT = Bytes.of(1, 0, 1)

/** A key that verifies signatures; `kid` is its id, `cose` its COSE_Key. */
class VerifyKey internal constructor(val alg: Int, val cose: Dict, internal val public: PublicKey) {
    val kid: Bytes = keyId(cose)
}

/** Return the SHA-256 thumbprint of a COSE_Key, over its required members. */
fun thumbprint(key: Dict): Bytes {
    val labels = if (key[1] == num(EC2)) listOf(1, -1, -2, -3) else listOf(1, -1, -2)
    return sha256(encode(Dict(labels.associate { num(it) to (key[it] ?: Null) })))
}

/** Return the id of a key: the first 8 bytes of its thumbprint. */
fun keyId(key: Dict): Bytes = thumbprint(key).slice(0, KID_BYTES)

/** Read bytes that hold the COSE_Key of a signature key. Throw FrameError or ProofError. */
fun decodeKey(data: Bytes): VerifyKey = readKey(decode(data))

/** Read a COSE_Key that may verify signatures. Throw ProofError for any other key or member. */
fun readKey(value: Value): VerifyKey {
    val cose = value as? Dict ?: throw ProofError("key: no COSE_Key")
    if (cose.hasExactly(setOf(1, 3, -1, -2, -3)) && isP256(cose)) {
        return VerifyKey(ES256, cose, pointOf(cose))
    }
    val isRsa = cose[1] == num(RSA) && cose[3] == num(PS256)
    if (cose.hasExactly(setOf(1, 3, -1, -2)) && isRsa) {
        return VerifyKey(PS256, cose, rsaKey(cose, SIGNING_MODULI))
    }
    throw ProofError("key: neither an ES256 key on P-256 nor a PS256 key")
}

private fun isP256(cose: Dict) =
    cose[1] == num(EC2) && cose[3] == num(ES256) && cose[-1] == num(P256)

private fun pointOf(cose: Dict): PublicKey {
    val (x, y) = listOf(-2, -3).map { cose[it].bytes(COORDINATE_BYTES) }
    if (x == null || y == null) throw ProofError("key: its coordinates have not 32 bytes each")
    val point = ECPoint(unsigned(x), unsigned(y))
    try {
        val curve = p256()
        if (!isOn(curve, point)) throw ProofError("key: the point is not on P-256")
        return KeyFactory.getInstance("EC").generatePublic(ECPublicKeySpec(point, curve))
    } catch (error: GeneralSecurityException) {
        throw ProofError("key: no key on P-256", error)
    }
}

fun p256(): ECParameterSpec {
    val parameters = AlgorithmParameters.getInstance("EC")
    parameters.init(ECGenParameterSpec("secp256r1"))
    return parameters.getParameterSpec(ECParameterSpec::class.java)
}

/** y^2 = x^3 + ax + b, over the curve's field. Not every provider looks at this itself. */
private fun isOn(spec: ECParameterSpec, point: ECPoint): Boolean {
    val prime = (spec.curve.field as ECFieldFp).p
    val (x, y) = point.affineX to point.affineY
    if (x >= prime || y >= prime) return false
    val right = x.pow(3) + spec.curve.a * x + spec.curve.b
    return (y * y).mod(prime) == right.mod(prime)
}

/**
 * Read the RSA public key of a COSE_Key; its modulus has one of `sizes` bytes, its top bit and its
 * last bit set. Throw ProofError.
 */
fun rsaKey(cose: Dict, sizes: Set<Int>): RSAPublicKey {
    val n = cose[-1].bytes()?.takeIf { it.size in sizes }
    val isModulus = n != null && n[0] and 0x80 != 0 && n[n.size - 1] and 1 != 0
    if (n == null || !isModulus || cose[-2].bytes() != EXPONENT) {
        throw ProofError("key: RSA modulus of a size not allowed, or another exponent than 65537")
    }
    try {
        val spec = RSAPublicKeySpec(unsigned(n), unsigned(EXPONENT))
        return KeyFactory.getInstance("RSA").generatePublic(spec) as RSAPublicKey
    } catch (error: GeneralSecurityException) {
        throw ProofError("key: no RSA key", error)
    }
}

internal fun unsigned(bytes: Bytes) = BigInteger(1, bytes.toByteArray())
