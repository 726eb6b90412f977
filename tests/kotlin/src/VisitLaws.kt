/**
 * A visit on a link that a test holds in its hands.
 */

package hub.laws

import hub.codec.Bytes
import hub.codec.LinkError
import hub.codec.bstr
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.codec.num
import hub.cose.Aead
import hub.cose.ES256
import hub.cose.SigningKey
import hub.cose.readKey
import hub.phone.Attempt
import hub.phone.Certified
import hub.phone.Effect
import hub.phone.GaveUp
import hub.phone.Holds
import hub.phone.Link
import hub.phone.OnLink
import hub.phone.QUEUE_MAX
import hub.phone.Ticket
import hub.phone.Visit
import hub.phone.Wallet
import hub.phone.Why
import hub.phone.learned
import hub.phone.recall
import hub.protocol.Action
import hub.protocol.Wish
import java.math.BigInteger
import java.security.KeyPairGenerator
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import kotlin.concurrent.thread

private const val LONG_MILLISECONDS = 20_000L
private val HUB = Bytes.fromHex("0102030405060708")
private val SID_AND_NONCE = listOf(bstr(Bytes.zeros(4)), bstr(Bytes.zeros(16)))
private val INFO =
    encode(items(num(1), *SID_AND_NONCE.toTypedArray(), bstr(HUB), bstr(Bytes.zeros(8))))

/** A link that answers INFO, and does at each write what it is given. */
private class HeldLink(private val onWrite: () -> Unit) : Link {
    override val frameBytes = 244
    var reads = 0

    override fun readInfo() = INFO

    override fun write(frame: Bytes) = onWrite()

    override fun readTxr(): Bytes {
        reads += 1
        return Bytes.EMPTY
    }
}

internal fun aVisitEndsWithItsLink() {
    val told = ArrayList<Effect>()
    var visit: Visit? = null
    // More frames than the queue has room for, and then the end: while the phone is writing.
    val link = HeldLink {
        repeat(2 * QUEUE_MAX) { visit?.notified(Bytes.of(0)) }
        visit?.lost()
    }
    val made = Visit(link, attempt(wallet()), {}, { told.add(it) })
    visit = made
    val running = thread { made.run() }
    running.join(LONG_MILLISECONDS)
    check(!running.isAlive) { "it waits for a link that has ended" }
    check((told.single() as GaveUp).why == Why.LINK_LOST) { "it tells $told" }
    check(link.reads == 0) { "it waited, and read of a link that has ended" }
}

internal fun theWalletIsKeptFirst() {
    val wallet = wallet()
    val certified = Certified("hub-1", setOf(7), ULong.MAX_VALUE)
    val secret = Bytes.zeros(32)
    val end = 0xffffffffL
    wallet.tickets[HUB] = Ticket(certified, Bytes.zeros(16), secret, Aead.A256GCM, end)
    val before = Wallet(wallet.holds).also { recall(it, learned(wallet)) }
    check(before.tickets == wallet.tickets) { "what was learned is not read back" }
    var kept = learned(wallet)
    var atTheWrite = kept
    val link = HeldLink {
        atTheWrite = kept
        throw LinkError("the link has refused")
    }
    Visit(link, attempt(wallet), { kept = learned(wallet) }, {}).run()
    val after = Wallet(wallet.holds).also { recall(it, atTheWrite) }
    check(after.tickets.isEmpty()) { "a ticket that is being used lies on the disk" }
    check(after.unanswered.size == 1) { "the op of the wish is not kept" }
}

private fun attempt(wallet: Wallet): OnLink {
    val wish = Wish(Bytes.zeros(8), 7, Action.OPEN)
    return OnLink(Attempt(wallet, wish, Bytes::zeros), isSubscribed = true)
}

private fun wallet(): Wallet {
    val generator = KeyPairGenerator.getInstance("EC")
    generator.initialize(ECGenParameterSpec("secp256r1"))
    val pair = generator.generateKeyPair()
    val point = (pair.public as ECPublicKey).w
    val (x, y) = side(point.affineX) to side(point.affineY)
    val cose = dict(1 to num(2), 3 to num(ES256), -1 to num(1), -2 to bstr(x), -3 to bstr(y))
    val key = SigningKey(readKey(cose), pair.private)
    return Wallet(Holds("site-1", key.verifies, key, Bytes.EMPTY))
}

private fun side(number: BigInteger): Bytes {
    val bytes = Bytes.zeros(32) + Bytes.of(number.toByteArray())
    return bytes.slice(bytes.size - 32)
}
