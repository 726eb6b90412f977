/**
 * Whether a phone may use a hub's certificates or its ticket now, at a door (docs/protocol.md,
 * "Order of checks in the phone", 3 to 6, and "Tickets on the phone").
 *
 * Law: what was verified once is looked at again before each use.
 */

package hub.phone

import hub.cose.Aead
import hub.protocol.Challenge
import hub.protocol.EpochCertificate

const val EPOCH_LEEWAY_SECONDS = 300

/** Return why these certificates must not be used now at this access point, or null. */
fun distrust(
    known: Known,
    challenge: Challenge,
    wallet: Wallet,
    accessPoint: Long,
    wall: Double,
): Why? {
    val hub = known.hub
    return when {
        hub.site != wallet.holds.site -> Why.OTHER_SITE
        hub.key.kid != challenge.hub -> Why.OTHER_HUB
        !hub.times.holdsAt(wall) -> Why.HUB_OVER
        hub.key.kid in wallet.holds.revokedHubs -> Why.HUB_REVOKED
        accessPoint !in hub.accessPoints -> Why.OTHER_DOOR
        !known.epoch.times.holdsAt(wall, EPOCH_LEEWAY_SECONDS) -> Why.CLOCK
        chooseAead(wallet, known.epoch) == null -> Why.NO_AEAD
        else -> null
    }
}

/** Return the AEAD that the site likes best among those that the hub offers, or null. */
fun chooseAead(wallet: Wallet, epoch: EpochCertificate): Aead? =
    wallet.holds.aeads.find { it in epoch.aeads }

/** Tell whether a ticket of this hub may be used here and now. */
fun mayUse(
    ticket: Ticket,
    challenge: Challenge,
    wallet: Wallet,
    accessPoint: Long,
    wall: Double,
): Boolean =
    !ticket.isOver(wall) &&
        accessPoint !in wallet.fullPathAt &&
        accessPoint in ticket.certified.accessPoints &&
        ticket.aead in wallet.holds.aeads &&
        challenge.hub !in wallet.holds.revokedHubs &&
        wallet.revocationsFor(ticket.certified.hub).size == 0
