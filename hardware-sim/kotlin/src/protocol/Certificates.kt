/**
 * The certificates that a phone checks, the hub's and its epoch's, and the grant that it holds
 * (docs/protocol.md, "Order of checks in the phone", 1 and 2).
 *
 * Laws:
 * 1. In a hub certificate the issuer says: this key is this hub's, for these access points.
 * 2. In an epoch certificate the hub says: this RSA key may seal requests to it, with these AEADs,
 *    for at most two hours.
 * 3. In a grant the issuer says: the holder of this key may go in here.
 * 4. Each reader proves the whole document or throws ProofError.
 */

package hub.protocol

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.Items
import hub.codec.ProofError
import hub.codec.Tstr
import hub.codec.Value
import hub.codec.bytes
import hub.codec.codeOf
import hub.codec.list
import hub.codec.num
import hub.codec.uint
import hub.cose.Aead
import hub.cose.ES256
import hub.cose.RSAES_OAEP_SHA256
import hub.cose.VerifyKey
import hub.cose.keyId
import hub.cose.readKey
import hub.cose.rsaKey
import java.security.interfaces.RSAPublicKey

private const val RSA = 3
private const val OFFERED = -65537
private const val USES = -65550
private const val EPOCH_SECONDS_MAX = 7200UL
private const val ENTRIES_MAX = 32
private const val USES_MAX = 0xffffL
private val GRANT_ID_BYTES = 8..16

class HubCertificate(
    val site: String,
    val hub: String,
    val times: Times,
    val key: VerifyKey,
    val accessPoints: Set<Long>,
)

class EpochCertificate(
    val times: Times,
    val kid: Bytes,
    val key: RSAPublicKey,
    val aeads: List<Aead>,
)

class Grant(
    val site: String,
    val credential: String,
    val times: Times,
    val key: VerifyKey,
    val accessPoints: Set<Long>,
)

/** Verify with the site's key and read. Throw ProofError. */
fun readHubCertificate(data: Bytes, issuer: VerifyKey): HubCertificate {
    val members = setOf(ISS, SUB, AUD, EXP, NBF, CNF, SCOPE)
    val claims = readDocument(HUB_CERTIFICATE, data, SignedBy(issuer, issuer.kid), members)
    val key = readKey(claims.confirmedKey())
    if (key.alg != ES256) throw ProofError("hub certificate: a hub's key is an ES256 key")
    return HubCertificate(
        site = claims.site(),
        hub = claims.name(SUB),
        times = claims.times(),
        key = key,
        accessPoints = risingPoints(claims.scope()),
    )
}

private fun risingPoints(scope: List<Value>): Set<Long> {
    val points = scope.map { it.uint(POINT_MAX) ?: -1 }
    if (points.contains(-1L) || points.zipWithNext().any { (one, next) -> one >= next }) {
        throw ProofError("hub certificate: its scope is no rising list of access points")
    }
    return points.toSet()
}

/**
 * Verify with the hub's certified key and read; the modulus has one of `sizes` bytes. Throw
 * ProofError.
 */
fun readEpochCertificate(data: Bytes, hub: HubCertificate, sizes: Set<Int>): EpochCertificate {
    val members = setOf(ISS, AUD, EXP, NBF, CNF, OFFERED)
    val claims = readDocument(EPOCH_CERTIFICATE, data, SignedBy(hub.key, null), members)
    val times = claims.times()
    val cose = claims.confirmedKey()
    if (claims[ISS] != Tstr(hub.hub) || claims[AUD] != Tstr(hub.site)) {
        throw ProofError("epoch certificate: of another hub or site")
    }
    if (times.expires - times.notBefore > EPOCH_SECONDS_MAX) {
        throw ProofError("epoch certificate: valid for longer than two hours")
    }
    val kid = kidOf(cose)
    val key = rsaKey(cose, sizes)
    return EpochCertificate(times, kid, key, offered(claims[OFFERED]))
}

/** Check an epoch's key but for its numbers, and return its id. Throw ProofError. */
private fun kidOf(cose: Dict): Bytes {
    val isForSealing = cose[1] == num(RSA) && cose[3] == num(RSAES_OAEP_SHA256)
    if (!cose.hasExactly(setOf(1, 2, 3, -1, -2)) || !isForSealing) {
        throw ProofError("epoch certificate: no RSA encryption key")
    }
    val kid = keyId(cose)
    if (cose[2].bytes() != kid) {
        throw ProofError("epoch certificate: the id of its key is not its thumbprint")
    }
    return kid
}

private fun offered(value: Value?): List<Aead> {
    val all = (value as? Items)?.all.orEmpty()
    val aeads = all.mapNotNull { codeOf<Aead>(it) }
    val isListOfThem = aeads.isNotEmpty() && aeads.size == all.size
    if (!isListOfThem || aeads.toSet().size != aeads.size) {
        throw ProofError("epoch certificate: its AEADs are not of the three, each once")
    }
    return aeads
}

/**
 * Verify with the site's key and read. The rules of an access point are the hub's to judge; a phone
 * reads which ones there are. Throw ProofError.
 */
fun readGrant(data: Bytes, issuer: VerifyKey): Grant {
    val members = setOf(ISS, SUB, AUD, EXP, NBF, CTI, CNF, SCOPE)
    val claims = readDocument(GRANT, data, SignedBy(issuer, issuer.kid), members, setOf(USES))
    if (claims[CTI].bytes()?.size !in GRANT_ID_BYTES) {
        throw ProofError("grant: its id has not 8..16 bytes")
    }
    val uses = claims[USES]
    if (uses != null && (uses.uint(USES_MAX) ?: 0) < 1) {
        throw ProofError("grant: its uses are not 1..$USES_MAX")
    }
    return Grant(
        site = claims.site(),
        credential = claims.name(SUB),
        times = claims.times(),
        key = readKey(claims.confirmedKey()),
        accessPoints = granted(claims.scope()),
    )
}

private fun granted(scope: List<Value>): Set<Long> {
    val points = scope.map(::pointOfEntry).toSet()
    if (scope.size > ENTRIES_MAX || points.size != scope.size) {
        throw ProofError("grant: not 1..$ENTRIES_MAX entries, each of another access point")
    }
    return points
}

private fun pointOfEntry(entry: Value): Long {
    val members = entry.list(3)
    val point = members?.get(0).uint(POINT_MAX)
    if (members == null || point == null || members[1].uint() == null || members[2] !is Items) {
        throw ProofError("grant: an entry that is none of access")
    }
    return point
}
