/**
 * What a phone has: its key, its grant, the site's issuer, and what it learned of hubs and doors
 * (docs/protocol.md, "What to keep").
 *
 * Laws:
 * 1. Nothing in it identifies a person.
 * 2. Losing what was learned costs one longer unlock and nothing else. What cannot be read back,
 *    or proves nothing any more, counts as lost.
 * 3. A ticket is worth no more than the hub certificate it began with: not at other access points,
 *    and not for longer.
 * 4. A wish without an answer keeps its op for WISH_SECONDS; every other wish has a new one.
 *
 * `wall` is Unix seconds. `chance(n)` gives n random bytes.
 */

package hub.phone

import hub.codec.Bytes
import hub.cose.Aead
import hub.cose.SigningKey
import hub.cose.VerifyKey
import hub.cose.sha256
import hub.protocol.Action
import hub.protocol.EpochCertificate
import hub.protocol.HubCertificate
import hub.protocol.OP_BYTES
import hub.protocol.readEpochCertificate
import hub.protocol.readHubCertificate

const val EPOCHS_MAX = 16

/** Grant and list together, so that an open fits 4096 bytes. */
const val CARRY_BYTES_MAX = 2400

/** Never longer than a hub remembers an op. */
const val WISH_SECONDS = 120.0

/** The sizes of an epoch's modulus that a phone takes, in bytes. */
val RSA_BYTES = setOf(384, 512)

/** What is certified of a hub: its name, its access points and the end of its certificate. */
data class Certified(val hub: String, val accessPoints: Set<Long>, val hubExpires: ULong)

/** `secret` is the `rs` of the protocol; `expires` is what the hub said. */
data class Ticket(
    val certified: Certified,
    val id: Bytes,
    val secret: Bytes,
    val aead: Aead,
    val expires: Long,
) {
    /** Tell whether its time has ended, or its hub's. */
    fun isOver(wall: Double): Boolean = wall > expires || wall > certified.hubExpires.toDouble()
}

/** A hub's certificates, verified when they came. */
class Known(
    val hub: HubCertificate,
    val epoch: EpochCertificate,
    val hubBytes: Bytes,
    val epochBytes: Bytes,
) {
    val certified: Certified get() = Certified(hub.hub, hub.accessPoints, hub.times.expires)
}

/** The op of a wish without an answer, and when it was first sent. */
data class Unanswered(val op: Bytes, val askedAt: Double)

/**
 * What a phone is given. `aeads` are in the site's order; `revokedHubs` are kids; `revocations` is
 * the site's newest list to carry to hubs, or empty.
 */
class Holds(
    val site: String,
    val issuer: VerifyKey,
    val key: SigningKey,
    val grant: Bytes,
    val aeads: List<Aead> = listOf(Aead.A256GCM, Aead.A192GCM, Aead.A128GCM),
    val rsaBytes: Set<Int> = RSA_BYTES,
    val revokedHubs: Set<Bytes> = emptySet(),
    val revocations: Bytes = Bytes.EMPTY,
)

class Wallet(val holds: Holds) {
    /** By the epoch's kid, oldest first. */
    val epochs = LinkedHashMap<Bytes, Known>()

    /** By the kid of the hub's key. */
    val tickets = LinkedHashMap<Bytes, Ticket>()

    /** Access points that answered NEED_FULL, until there is a new grant. */
    val fullPathAt = HashSet<Long>()

    /** By access point and action. */
    val unanswered = LinkedHashMap<Pair<Long, Action>, Unanswered>()

    /** By hub, SHA-256 of the list that it has had from this phone. */
    val carriedTo = LinkedHashMap<String, Bytes>()

    private val digest = sha256(holds.revocations)

    /** Verify both certificates. Throw ProofError. */
    fun readCertificates(hubBytes: Bytes, epochBytes: Bytes): Known {
        val hub = readHubCertificate(hubBytes, holds.issuer)
        val epoch = readEpochCertificate(epochBytes, hub, holds.rsaBytes)
        return Known(hub, epoch, hubBytes, epochBytes)
    }

    /** Cache certificates under the epoch's kid; the oldest goes beyond EPOCHS_MAX. */
    fun keepEpoch(known: Known) {
        while (epochs.size >= EPOCHS_MAX) epochs.remove(epochs.keys.first())
        epochs[known.epoch.kid] = known
    }

    /** Return the list that this hub has not had from this phone yet; empty for none. */
    fun revocationsFor(hub: String): Bytes {
        val fits = holds.grant.size + holds.revocations.size <= CARRY_BYTES_MAX
        return if (!fits || carriedTo[hub] == digest) Bytes.EMPTY else holds.revocations
    }

    /** The hub has answered a request that held the list. */
    fun carried(hub: String) {
        carriedTo[hub] = digest
    }

    /** Return the op for a wish: the same while it has no answer, else a new one. */
    fun opFor(accessPoint: Long, action: Action, wall: Double, chance: (Int) -> Bytes): Bytes {
        val sent = unanswered[accessPoint to action]
        val isFresh = sent != null && wall - sent.askedAt in 0.0..WISH_SECONDS
        return if (sent != null && isFresh) sent.op else chance(OP_BYTES)
    }

    /** Remember that a wish was sent; the time of its first sending counts. */
    fun asked(accessPoint: Long, action: Action, op: Bytes, wall: Double) {
        if (unanswered[accessPoint to action]?.op != op) {
            unanswered[accessPoint to action] = Unanswered(op, wall)
        }
    }

    /** Forget a wish that has its answer, whatever it is. */
    fun answered(accessPoint: Long, action: Action) {
        unanswered.remove(accessPoint to action)
    }
}
