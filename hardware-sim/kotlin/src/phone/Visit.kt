/**
 * One visit at a door: performs what `OnLink` says, and reports it.
 *
 * Laws:
 * 1. Nothing is decided here.
 * 2. One thing at a time: a frame that is heard meanwhile waits in a queue of QUEUE_MAX, and what
 *    is beyond is lost, as on air.
 * 3. A link that ends wakes every wait.
 * 4. What the wallet learned is kept before a request leaves, and at the end. So a ticket that was
 *    used is gone from the disk first.
 *
 * How it works: `run` blocks a thread of its own. It takes the next thing that happens, a frame or
 * a moment that is due, gives it to `OnLink` and performs all effects of that, in order, before it
 * takes the next.
 */

package hub.phone

import hub.codec.Bytes
import hub.codec.LinkError
import hub.protocol.Outbound
import java.util.concurrent.ArrayBlockingQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

const val QUEUE_MAX = 512
private const val NANOSECONDS = 1e9

/** A link to a hub. Each call blocks until its response, and throws LinkError. */
interface Link {
    /** How many bytes a frame may have now. */
    val frameBytes: Int

    fun readInfo(): Bytes

    fun write(frame: Bytes)

    fun readTxr(): Bytes
}

/** `now` is seconds that never go back, `wall` Unix seconds. */
class Clock(
    val now: () -> Double = { System.nanoTime() / NANOSECONDS },
    val wall: () -> Double = { System.currentTimeMillis() / 1000.0 },
)

/** `keep` writes down what the wallet learned. `tell` hears Decided, Moved and GaveUp. */
class Visit(
    private val link: Link,
    private val onLink: OnLink,
    private val keep: () -> Unit,
    private val tell: (Effect) -> Unit,
    private val clock: Clock = Clock(),
) {
    private val frames = ArrayBlockingQueue<Bytes>(QUEUE_MAX)
    private val ended = CountDownLatch(1)
    private var outbound: Outbound? = null
    private var isOver = false

    /** Take a notification of TX, on any thread; it waits until its turn. */
    fun notified(frame: Bytes) {
        frames.offer(frame)
    }

    /** The link has ended; said on any thread. */
    fun lost() {
        ended.countDown()
        frames.offer(Bytes.EMPTY) // wakes who waits for a frame; it is none
    }

    /** Make the visit, until the phone leaves or the link ends. */
    fun run() {
        try {
            performAll(listOf(ReadInfo()))
            while (!isOver) performAll(next())
        } catch (_: LinkError) {
            onLink.lost().forEach(tell)
        } finally {
            keep()
        }
    }

    /** Wait for what happens next, and give it to `OnLink`. */
    private fun next(): List<Effect> {
        if (frames.isEmpty() && hasEnded(0.0)) throw LinkError("the link has ended")
        val due = checkNotNull(onLink.due)
        val nanoseconds = (maxOf(0.0, due - clock.now()) * NANOSECONDS).toLong()
        val frame = frames.poll(nanoseconds, TimeUnit.NANOSECONDS)
        if (frame != null && frame.size > 0) {
            return onLink.notified(frame, clock.now(), clock.wall())
        }
        return if (frame == null) onLink.passed(clock.now()) else emptyList()
    }

    private fun hasEnded(withinSeconds: Double): Boolean =
        ended.await((withinSeconds * NANOSECONDS).toLong(), TimeUnit.NANOSECONDS)

    private fun performAll(effects: List<Effect>) {
        val waiting = ArrayDeque(effects)
        while (waiting.isNotEmpty()) waiting.addAll(perform(waiting.removeFirst()))
    }

    private fun perform(effect: Effect): List<Effect> {
        when (effect) {
            is ReadInfo -> return readsInfo(effect.afterSeconds)
            is Send -> return sends(effect.message)
            is Write -> link.write(effect.frame)
            ReadTxr -> return onLink.pulled(link.readTxr(), clock.now(), clock.wall())
            is Decided, is Moved, is GaveUp -> tell(effect)
            Leave -> isOver = true
        }
        return emptyList()
    }

    private fun readsInfo(afterSeconds: Double): List<Effect> {
        if (hasEnded(afterSeconds)) throw LinkError("the link has ended")
        val info = link.readInfo()
        outbound = challengeOf(info)?.let { Outbound(it.sid) }
        return onLink.info(info, clock.now(), clock.wall())
    }

    private fun sends(message: Bytes): List<Effect> {
        keep()
        checkNotNull(outbound).cut(message, link.frameBytes).forEach(link::write)
        return onLink.written(clock.now())
    }
}
