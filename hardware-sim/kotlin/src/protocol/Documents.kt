/**
 * Documents that carry trust: CWTs (RFC 8392), each in a tagged COSE_Sign1 with a constant header.
 *
 * Laws:
 * 1. The kind of a document is its `typ` in the protected header (RFC 9596). No document stands for
 *    one of another kind.
 * 2. Its set of claims is closed.
 * 3. Its signature is checked before any claim is read.
 * 4. Whether it is valid now is for the reader to judge.
 */

package hub.protocol

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.FrameError
import hub.codec.Items
import hub.codec.ProofError
import hub.codec.Tag
import hub.codec.Tstr
import hub.codec.Uint
import hub.codec.Value
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.list
import hub.codec.num
import hub.cose.VerifyKey
import hub.cose.verify1

const val HUB_CERTIFICATE = "application/hub-cert+cwt"
const val EPOCH_CERTIFICATE = "application/hub-epoch+cwt"
const val GRANT = "application/hub-grant+cwt"
const val REQUEST = "application/hub-request+cose"

/** Labels of claims (RFC 8392, 4; RFC 8747; RFC 9200). */
internal const val ISS = 1
internal const val SUB = 2
internal const val AUD = 3
internal const val EXP = 4
internal const val NBF = 5
internal const val CTI = 7
internal const val CNF = 8
internal const val SCOPE = 9

const val POINT_MAX = 0xffffffffL
private const val SIGN1_TAG = 18UL
private const val NAME_BYTES = 32
private const val CLAIMS_ITEMS = 64

/** Heads in a scope: a grant's 32 entries with 32 rules each. */
private const val SCOPE_ITEMS = 1 + 32 * (4 + 4 * 32)

/** Return the one protected header of a document or request: {1: alg, 16: typ}. */
fun header(alg: Int, typ: String): Bytes = encode(dict(1 to num(alg), 16 to Tstr(typ)))

/** Who signs: the key, and the kid in the unprotected header; null where it is empty. */
internal class SignedBy(val key: VerifyKey, val kid: Bytes?)

/** The claims of a proven document. */
internal class Claims(private val claims: Dict) {
    operator fun get(label: Int): Value? = claims[label]

    /** The site that is both issuer and audience. Throw ProofError. */
    fun site(): String {
        if (claims[ISS] != claims[AUD]) {
            throw ProofError("document: issuer and audience are not one site")
        }
        return name(ISS)
    }

    /** An id of 1..32 bytes of UTF-8. Throw ProofError. */
    fun name(label: Int): String {
        val text = (claims[label] as? Tstr)?.text.orEmpty()
        if (Bytes.utf8(text).size !in 1..NAME_BYTES) {
            throw ProofError("document: claim $label is no text of 1..$NAME_BYTES bytes")
        }
        return text
    }

    /** From when to when, in Unix seconds. Throw ProofError. */
    fun times(): Times {
        val (begins, ends) = claims[NBF] as? Uint to claims[EXP] as? Uint
        if (begins == null || ends == null || begins.number > ends.number) {
            throw ProofError("document: its times are no span of whole seconds")
        }
        return Times(begins.number, ends.number)
    }

    /** The COSE_Key of `cnf` (RFC 8747, 3.2). Throw ProofError. */
    fun confirmedKey(): Dict {
        val confirmation = claims[CNF] as? Dict
        val key = confirmation?.takeIf { it.hasExactly(setOf(1)) }?.get(1) as? Dict
        return key ?: throw ProofError("document: it does not confirm exactly one COSE_Key")
    }

    /** The scope, a list that is not empty. Throw ProofError. */
    fun scope(): List<Value> {
        val scope = inside(claims[SCOPE], SCOPE_ITEMS) as? Items
        val all = scope?.all.orEmpty()
        if (all.isEmpty()) throw ProofError("document: its scope is no list")
        return all
    }
}

/** Both ends are included. */
data class Times(val notBefore: ULong, val expires: ULong) {
    /** Tell whether `wall`, Unix seconds, is in it, give or take a leeway. */
    fun holdsAt(wall: Double, leewaySeconds: Int = 0): Boolean {
        val begins = notBefore.toDouble() - leewaySeconds
        return wall >= begins && wall <= expires.toDouble() + leewaySeconds
    }
}

/**
 * Check shape, headers and signature of a document; return its claims, which are exactly `members`
 * and any of `optional`. Throw ProofError.
 */
internal fun readDocument(
    typ: String,
    data: Bytes,
    by: SignedBy,
    members: Set<Int>,
    optional: Set<Int> = emptySet(),
): Claims {
    val (protectedHeader, unprotected, payload, signature) = split(typ, data)
    val expected = header(by.key.alg, typ)
    val isConstant = protectedHeader.bytes() == expected && isKid(unprotected, by.kid)
    val (claimed, proof) = payload.bytes() to signature.bytes()
    if (!isConstant || claimed == null || proof == null) {
        throw ProofError("$typ: its headers are not those of this kind and signer")
    }
    verify1(by.key, expected, claimed, proof)
    val claims = inside(payload, CLAIMS_ITEMS) as? Dict
    if (claims == null || !claims.hasExactly(members, optional)) {
        throw ProofError("$typ: its claims are not exactly those of this kind")
    }
    return Claims(claims)
}

private fun split(typ: String, data: Bytes): List<Value> {
    val document =
        try {
            decode(data, tag = SIGN1_TAG)
        } catch (error: FrameError) {
            throw ProofError("$typ: ${error.message}", error)
        }
    return (document as? Tag)?.value.list(4) ?: throw ProofError("$typ: no COSE_Sign1")
}

private fun isKid(unprotected: Value, kid: Bytes?): Boolean =
    unprotected == if (kid == null) dict() else dict(4 to bstr(kid))

/** Decode what a byte string of a document holds. Throw ProofError. */
private fun inside(value: Value?, itemsMax: Int): Value {
    val data = value.bytes() ?: throw ProofError("document: bytes expected")
    try {
        return decode(data, itemsMax = itemsMax)
    } catch (error: FrameError) {
        throw ProofError("document: ${error.message}", error)
    }
}
