/**
 * The frames of one session, and when to read TXR (docs/protocol.md, "Reading TXR").
 *
 * Laws:
 * 1. A frame that is broken, of another session or out of place changes nothing.
 * 2. A phone that hears notifications reads TXR when a frame is missing or nothing comes for 1 s.
 * 3. A phone that hears none lives on TXR alone: often in the first second after its message, for
 *    then the verdict comes, and more slowly after that.
 *
 * Times are seconds of a clock that never goes back.
 */

package hub.phone

import hub.codec.Bytes
import hub.codec.FrameError
import hub.protocol.BYE
import hub.protocol.Frame
import hub.protocol.Inbound
import hub.protocol.decodeFrame

const val PULL_AFTER_SECONDS = 1.0
const val PULL_EVERY_SECONDS = 0.1
const val PULL_SOON_SECONDS = 0.03
const val SOON_SECONDS = 1.0

/**
 * What a frame led to: `isOurs`, it is of this session; `message`, it made one whole; `ack`, what
 * to write; `isBye`, the hub's goodbye; `isGap`, frames are missing before it.
 */
class Outcome(
    val isOurs: Boolean = false,
    val message: Bytes? = null,
    val ack: Bytes? = null,
    val isBye: Boolean = false,
    val isGap: Boolean = false,
)

class Listening(private val sid: Bytes, private val isSubscribed: Boolean) {
    /** When to read TXR next; null during a read, or while nothing is waited for. */
    var pullAt: Double? = null
        private set

    private val inbound = Inbound(sid)
    private var listens = false
    private var isPulling = false
    private var began = 0.0

    /** A message was written: wait for what comes. */
    fun begin(now: Double) {
        listens = true
        began = now
        pullAt = if (isSubscribed) now + PULL_AFTER_SECONDS else now
    }

    /** Nothing is waited for. */
    fun rest() {
        listens = false
        pullAt = null
    }

    /** TXR is read now. */
    fun pulls() {
        isPulling = true
        pullAt = null
    }

    /** Take a notification. */
    fun notified(data: Bytes, now: Double): Outcome {
        val outcome = take(data)
        val waitsForMore = isSubscribed && listens && !isPulling
        if (outcome.isOurs && waitsForMore) {
            pullAt = if (outcome.isGap) now else now + PULL_AFTER_SECONDS
        }
        return outcome
    }

    /** Take what TXR read; after a frame it is read again at once. */
    fun pulled(value: Bytes, now: Double): Outcome {
        isPulling = false
        if (listens) pullAt = if (value.size > 0) now else now + pauseSeconds(now)
        return if (value.size > 0) take(value) else Outcome()
    }

    private fun pauseSeconds(now: Double): Double {
        if (isSubscribed) return PULL_AFTER_SECONDS
        return if (now - began < SOON_SECONDS) PULL_SOON_SECONDS else PULL_EVERY_SECONDS
    }

    private fun take(data: Bytes): Outcome {
        val frame =
            try {
                decodeFrame(data)
            } catch (_: FrameError) {
                return Outcome()
            }
        return if (frame.sid == sid) join(frame) else Outcome()
    }

    private fun join(frame: Frame): Outcome {
        if (frame.isControl) return Outcome(isOurs = true, isBye = frame.flags == BYE)
        if (inbound.isAhead(frame)) return Outcome(isOurs = true, isGap = true)
        try {
            val joined = inbound.accept(frame)
            return Outcome(isOurs = true, message = joined.message, ack = joined.ack)
        } catch (_: FrameError) {
            return Outcome(isOurs = true)
        }
    }
}
