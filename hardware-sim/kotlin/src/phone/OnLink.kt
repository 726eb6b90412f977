/**
 * One attempt on one link as a state machine: values read, frames and time in, effects out.
 *
 * Laws:
 * 1. A wait for the hub begins when the last frame of a message is written. What is ignored never
 *    prolongs it.
 * 2. When a phone leaves depends on nothing that verdict or state says: it stays after both, until
 *    the first state.
 * 3. It is called by one thread.
 *
 * How it works: `Listening` joins frames into messages and says when TXR is to be read. `OnLink`
 * brings the messages to an `Attempt` and keeps its time. Whoever performs the effects reports
 * back: `info`, `written`, `pulled`, `notified`, `passed` when `due` has come, `lost`.
 *
 * `now` is seconds of a clock that never goes back, `wall` is Unix seconds.
 */

package hub.phone

import hub.codec.Bytes
import hub.protocol.Action

const val EPOCH_SECONDS = 8.0
const val VERDICT_SECONDS = 6.0
const val STAY_SECONDS = 30.0

class OnLink(val attempt: Attempt, private val isSubscribed: Boolean) {
    private var listening: Listening? = null
    private var patienceEnds: Double? = null
    private var stayEnds: Double? = null

    /** When `passed` is to be called if nothing comes before; null for never. */
    val due: Double?
        get() = listOfNotNull(patienceEnds, stayEnds, listening?.pullAt).minOrNull()

    /** Take what INFO read: a new session. */
    fun info(value: Bytes, now: Double, wall: Double): List<Effect> {
        listening = challengeOf(value)?.let { Listening(it.sid, isSubscribed) }
        return after(attempt.read(value, wall), now)
    }

    /** The last frame of a message is written: its answer is waited for from now on. */
    fun written(now: Double): List<Effect> {
        patienceEnds = now + if (attempt.phase == Phase.EPOCH) EPOCH_SECONDS else VERDICT_SECONDS
        checkNotNull(listening).begin(now)
        return readsTxrIfDue(now)
    }

    /** Take a notification of TX. */
    fun notified(data: Bytes, now: Double, wall: Double): List<Effect> {
        val heard = listening?.notified(data, now) ?: return emptyList()
        return take(heard, now, wall)
    }

    /** Take what TXR read. */
    fun pulled(value: Bytes, now: Double, wall: Double): List<Effect> {
        val heard = listening?.pulled(value, now) ?: return emptyList()
        return take(heard, now, wall)
    }

    /** Say that `due` has come. */
    fun passed(now: Double): List<Effect> =
        when {
            hasCome(stayEnds, now) -> leaves()
            hasCome(patienceEnds, now) -> after(attempt.silence(), now)
            else -> readsTxrIfDue(now)
        }

    /** The link has ended. */
    fun lost(): List<Effect> {
        rest()
        return attempt.lost()
    }

    private fun take(heard: Outcome, now: Double, wall: Double): List<Effect> {
        if (heard.isBye) return lost() + leaves()
        val effects = ArrayList<Effect>()
        heard.ack?.let { effects.add(Write(it)) }
        heard.message?.let { effects.addAll(after(attempt.receive(it, wall), now)) }
        return effects + readsTxrIfDue(now)
    }

    private fun readsTxrIfDue(now: Double): List<Effect> {
        val session = listening
        if (session == null || !hasCome(session.pullAt, now)) return emptyList()
        session.pulls()
        return listOf(ReadTxr)
    }

    private fun hasCome(moment: Double?, now: Double) = moment != null && now >= moment

    /** Keep the time that goes with what the attempt does. */
    private fun after(effects: List<Effect>, now: Double): List<Effect> {
        if (attempt.phase == Phase.END) return effects + leaves()
        if (effects.any { it is Send || it is ReadInfo }) rest()
        if (effects.none { it is Decided }) return effects
        if (attempt.wish.action == Action.QUERY) return effects + leaves()
        patienceEnds = null
        stayEnds = now + STAY_SECONDS
        return effects
    }

    private fun leaves(): List<Effect> {
        rest()
        attempt.leave()
        return listOf(Leave)
    }

    private fun rest() {
        patienceEnds = null
        stayEnds = null
        listening?.rest()
    }
}
