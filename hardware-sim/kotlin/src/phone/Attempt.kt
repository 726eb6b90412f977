/**
 * One attempt as a state machine: challenges and messages in, effects out. It is the table "Phone,
 * for each attempt" of docs/protocol.md.
 *
 * Laws:
 * 1. Nothing confidential leaves before both certificates verify, or a ticket's secret can prove
 *    the hub.
 * 2. A ticket is deleted before it is used, and used only where and while its hub is certified.
 * 3. All tries of one attempt carry one op, so that a door moves once.
 * 4. An error in the clear is a hint for one more try and never an answer.
 * 5. What does not belong to the phase changes nothing.
 * 6. The first state after a verdict is the last thing heard, whatever it says.
 *
 * `wall` is Unix seconds. `chance(n)` gives n random bytes.
 */

package hub.phone

import hub.codec.Bytes
import hub.codec.FrameError
import hub.codec.ProofError
import hub.protocol.BLE_GATT
import hub.protocol.Challenge
import hub.protocol.EpochAnswer
import hub.protocol.ErrorCode
import hub.protocol.ErrorInClear
import hub.protocol.GET_EPOCH
import hub.protocol.NewTicket
import hub.protocol.OP_BYTES
import hub.protocol.Place
import hub.protocol.Reason
import hub.protocol.Sealed
import hub.protocol.SealedState
import hub.protocol.SealedVerdict
import hub.protocol.SessionKeys
import hub.protocol.Wish
import hub.protocol.decodeChallenge
import hub.protocol.decodeToPhone
import hub.protocol.isOfAnotherVersion
import hub.protocol.openState
import hub.protocol.openVerdict
import hub.protocol.sessionKeys

const val RETRIES_MAX = 1
const val BUSY_WAITS_MAX = 2

/** A phone waits this long for a busy hub, and up to 1.5 s more by chance. */
private const val BUSY_SECONDS = 0.5
private const val CHANCE_PER_SECOND = 170.0

enum class Phase {
    START,
    EPOCH,
    VERDICT,
    SESSION,
    END,
}

class Attempt(
    private val wallet: Wallet,
    wish: Wish,
    private val chance: (Int) -> Bytes,
    private val transport: String = BLE_GATT,
) {
    var wish = wish
        private set

    var phase = Phase.START
        private set

    /** Whether the request was made by a ticket. */
    var isShort = false
        private set

    private var retries = 0
    private var waits = 0
    private var isFullOnly = false
    private var hasAsked = false
    private var carries = false
    private var challenge: Challenge? = null
    private var place = Place(transport, Bytes.EMPTY)
    private var certified: Certified? = null
    private var keys: SessionKeys? = null

    // What comes in.

    /** Take what INFO read. */
    fun read(info: Bytes, wall: Double): List<Effect> {
        if (phase != Phase.START) return emptyList()
        if (info.size == 0) return busy()
        val read = challengeOf(info)
        if (read == null) {
            return giveUp(if (isOfAnotherVersion(info)) Why.OTHER_VERSION else Why.NO_HUB)
        }
        challenge = read
        place = Place(transport, info)
        usableTicket(read, wall)?.let { return resume(read, it, wall) }
        val known = wallet.epochs[read.epoch]
        if (known != null && distrusts(known, read, wall) == null) return open(known, wall)
        phase = Phase.EPOCH
        return listOf(Send(GET_EPOCH))
    }

    /** Take one whole message from the hub. */
    fun receive(data: Bytes, wall: Double): List<Effect> {
        val message =
            try {
                decodeToPhone(data)
            } catch (_: FrameError) {
                return emptyList()
            }
        val waits = phase == Phase.EPOCH || phase == Phase.VERDICT
        return when {
            message is EpochAnswer && phase == Phase.EPOCH -> certificates(message, wall)
            message is ErrorInClear && waits -> hint(message.code)
            message is SealedVerdict && phase == Phase.VERDICT -> verdict(message.content)
            message is SealedState && phase == Phase.SESSION -> state(message.content)
            else -> emptyList()
        }
    }

    /** Nothing came in time. */
    fun silence(): List<Effect> =
        when (phase) {
            Phase.EPOCH -> giveUp(Why.NO_CERTIFICATES)
            Phase.VERDICT -> hint(ErrorCode.TIMEOUT)
            else -> emptyList()
        }

    /** The link has ended, or the hub said goodbye. */
    fun lost(): List<Effect> {
        if (phase == Phase.SESSION) phase = Phase.END
        return if (phase == Phase.END) emptyList() else giveUp(Why.LINK_LOST)
    }

    /** The phone leaves: nothing counts any more. */
    fun leave() {
        phase = Phase.END
    }

    // The way to a request.

    /** Return the ticket for this hub if it may be used here and now; drop one that is over. */
    private fun usableTicket(read: Challenge, wall: Double): Ticket? {
        val ticket = wallet.tickets[read.hub] ?: return null
        if (ticket.isOver(wall)) wallet.tickets.remove(read.hub)
        val may = !isFullOnly && mayUse(ticket, read, wallet, wish.accessPoint, wall)
        return ticket.takeIf { may }
    }

    private fun distrusts(known: Known, read: Challenge, wall: Double): Why? =
        distrust(known, read, wallet, wish.accessPoint, wall)

    private fun certificates(message: EpochAnswer, wall: Double): List<Effect> {
        val read = checkNotNull(challenge)
        val known =
            try {
                wallet.readCertificates(message.hubCertificate, message.epochCertificate)
            } catch (_: ProofError) {
                return giveUp(Why.UNTRUSTED)
            }
        distrusts(known, read, wall)?.let { return giveUp(it) }
        wallet.keepEpoch(known)
        if (known.epoch.kid == read.epoch) return open(known, wall)
        // A new epoch has begun, or the first one: the next challenge names it.
        if (retries >= RETRIES_MAX) return giveUp(Why.OTHER_EPOCH)
        retries += 1
        return again()
    }

    /** Send a request by the full path. */
    private fun open(known: Known, wall: Double): List<Effect> {
        isShort = false
        carries = wallet.revocationsFor(known.hub.hub).size > 0
        return ask(byFullPath(wallet, known, wish, place, chance), wall)
    }

    /** Send a request by the short path. */
    private fun resume(read: Challenge, ticket: Ticket, wall: Double): List<Effect> {
        wallet.tickets.remove(read.hub)
        isShort = true
        return ask(byTicket(ticket, wish, place, chance), wall)
    }

    private fun ask(asked: Asked, wall: Double): List<Effect> {
        wallet.asked(wish.accessPoint, wish.action, wish.op, wall)
        val hub = asked.certified.hub
        keys = sessionKeys(asked.secret, place, asked.message, asked.aead, hub)
        certified = asked.certified
        hasAsked = true
        phase = Phase.VERDICT
        return listOf(Send(asked.message))
    }

    // The answer.

    private fun verdict(content: Sealed): List<Effect> {
        val keys = checkNotNull(keys)
        val verdict = opened { openVerdict(content, keys) }
        if (verdict == null || verdict.op != wish.op) return emptyList()
        wallet.answered(wish.accessPoint, wish.action)
        if (carries && !isShort) wallet.carried(checkNotNull(certified).hub)
        if (verdict.allowed && verdict.ticket != null) keepTicket(verdict.ticket, keys)
        if (isShort && !verdict.allowed && verdict.reason == Reason.NEED_FULL) {
            wallet.fullPathAt.add(wish.accessPoint)
            wish = wish.copy(op = chance(OP_BYTES))
            return again()
        }
        phase = Phase.SESSION
        return listOf(Decided(verdict))
    }

    /** Keep a ticket with what is certified of its hub. */
    private fun keepTicket(given: NewTicket, keys: SessionKeys) {
        wallet.tickets[checkNotNull(challenge).hub] =
            Ticket(
                certified = checkNotNull(certified),
                id = given.id,
                secret = keys.ratchet,
                aead = keys.aead,
                expires = given.expires,
            )
    }

    private fun state(content: Sealed): List<Effect> {
        val keys = checkNotNull(keys)
        val state = opened { openState(content, keys) }
        if (state == null || state.op != wish.op) return emptyList()
        phase = Phase.END
        return listOf(Moved(state))
    }

    // No answer.

    /** Take an error in the clear, which anybody may have sent. */
    private fun hint(code: ErrorCode): List<Effect> {
        if (code == ErrorCode.BUSY && waits < BUSY_WAITS_MAX) return busy()
        if (retries >= RETRIES_MAX) return giveUp(Why.NO_ANSWER)
        retries += 1
        isFullOnly = true
        if (code != ErrorCode.TIMEOUT) wallet.epochs.remove(checkNotNull(challenge).epoch)
        return again()
    }

    /** The hub is at work: read INFO again after a while, at most BUSY_WAITS_MAX times. */
    private fun busy(): List<Effect> {
        waits += 1
        if (waits > BUSY_WAITS_MAX) return giveUp(Why.BUSY)
        return again(BUSY_SECONDS + chance(1)[0] / CHANCE_PER_SECOND)
    }

    /** Begin again with a new challenge; until it is read, nothing that comes counts. */
    private fun again(afterSeconds: Double = 0.0): List<Effect> {
        phase = Phase.START
        return listOf(ReadInfo(afterSeconds))
    }

    private fun giveUp(why: Why): List<Effect> {
        phase = Phase.END
        return listOf(GaveUp(why, hasAsked))
    }
}

/** Return the challenge that INFO holds, or null. */
internal fun challengeOf(info: Bytes): Challenge? =
    try {
        decodeChallenge(info)
    } catch (_: FrameError) {
        null
    }

/** Return what a seal held; null when it is of another session, or forged. */
private fun <T> opened(open: () -> T): T? =
    try {
        open()
    } catch (_: ProofError) {
        null
    }
