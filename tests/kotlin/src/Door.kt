/**
 * A phone whose radio is whoever reads and writes its lines: `Door FOLDER`. Its key and what it
 * learned are files in the folder.
 *
 * | it says | it hears |
 * |---|---|
 * | `key HEX`, its COSE_Key, at the start | `enrolled SITE ISSUER GRANT` |
 * | | `open POINT MTU notified` or `open POINT MTU pulled`: begin a visit |
 * | `info`, `txr` | `value HEX` or `refused` |
 * | `write HEX` | `done` or `refused` |
 * | | `notified HEX`, `ended`: at any time of a visit |
 * | `decided ANSWER REASON PATH`, `moved DOOR`, `gave up WHY RESULT` | |
 * | `over`: the visit is | |
 */

package hub.door

import hub.codec.Bytes
import hub.codec.LinkError
import hub.codec.bstr
import hub.codec.dict
import hub.codec.encode
import hub.codec.num
import hub.cose.ES256
import hub.cose.SigningKey
import hub.cose.decodeKey
import hub.phone.Attempt
import hub.phone.Decided
import hub.phone.Effect
import hub.phone.GaveUp
import hub.phone.Holds
import hub.phone.Link
import hub.phone.Moved
import hub.phone.OnLink
import hub.phone.Visit
import hub.phone.Wallet
import hub.phone.learned
import hub.phone.recall
import hub.protocol.Action
import hub.protocol.Wish
import hub.protocol.frameBytes
import hub.protocol.readGrant
import java.io.File
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPairGenerator
import java.security.SecureRandom
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.PKCS8EncodedKeySpec
import java.util.concurrent.LinkedBlockingQueue
import kotlin.concurrent.thread

private const val COORDINATE_BYTES = 32
private val random = SecureRandom()

private fun chance(size: Int): Bytes = Bytes.of(ByteArray(size).also(random::nextBytes))

fun main(arguments: Array<String>) {
    val folder = File(arguments.single())
    val key = keyIn(folder)
    say("key ${encode(key.verifies.cose).toHex()}")
    val phone = Phone(folder, key)
    generateSequence(::readlnOrNull).forEach { phone.take(it.split(" ")) }
}

private fun say(line: String) {
    println(line)
    System.out.flush()
}

/** Read the phone's key, or make one. */
private fun keyIn(folder: File): SigningKey {
    val (secret, open) = File(folder, "key.pk8") to File(folder, "key.cose")
    if (!secret.exists()) makeKey(secret, open)
    val spec = PKCS8EncodedKeySpec(secret.readBytes())
    val private = KeyFactory.getInstance("EC").generatePrivate(spec)
    return SigningKey(decodeKey(Bytes.of(open.readBytes())), private)
}

private fun makeKey(secret: File, open: File) {
    val generator = KeyPairGenerator.getInstance("EC")
    generator.initialize(ECGenParameterSpec("secp256r1"))
    val pair = generator.generateKeyPair()
    val point = (pair.public as ECPublicKey).w
    val (x, y) = coordinate(point.affineX) to coordinate(point.affineY)
    val cose = dict(1 to num(2), 3 to num(ES256), -1 to num(1), -2 to bstr(x), -3 to bstr(y))
    open.writeBytes(encode(cose).toByteArray())
    secret.writeBytes(pair.private.encoded)
}

private fun coordinate(number: BigInteger): Bytes {
    val bytes = Bytes.zeros(COORDINATE_BYTES) + Bytes.of(number.toByteArray())
    return bytes.slice(bytes.size - COORDINATE_BYTES)
}

private class Phone(private val folder: File, private val key: SigningKey) {
    private val answers = LinkedBlockingQueue<List<String>>()
    private lateinit var wallet: Wallet
    @Volatile private var visit: Visit? = null

    /** Take one line, on the thread that reads them. */
    fun take(words: List<String>) {
        when (words[0]) {
            "enrolled" -> enrol(words)
            "open" -> open(words)
            "notified" -> visit?.notified(Bytes.fromHex(words[1]))
            "ended" -> visit?.lost()
            else -> answers.put(words)
        }
    }

    private fun enrol(words: List<String>) {
        val (_, site, issuer, grant) = words
        val trusted = decodeKey(Bytes.fromHex(issuer))
        val granted = readGrant(Bytes.fromHex(grant), trusted)
        check(granted.site == site && granted.key.kid == key.verifies.kid) { "somebody else's" }
        wallet = Wallet(Holds(site, trusted, key, Bytes.fromHex(grant)))
        val kept = File(folder, "learned.cbor")
        if (kept.exists()) recall(wallet, Bytes.of(kept.readBytes()))
    }

    private fun open(words: List<String>) {
        val (_, point, mtu, way) = words
        val op = wallet.opFor(point.toLong(), Action.OPEN, wall(), ::chance)
        val attempt = Attempt(wallet, Wish(op, point.toLong(), Action.OPEN), ::chance)
        val onLink = OnLink(attempt, isSubscribed = way == "notified")
        val made = Visit(Lines(frameBytes(mtu.toInt())), onLink, ::keep, { tell(it, attempt) })
        visit = made
        thread {
            made.run()
            visit = null
            say("over")
        }
    }

    private fun wall() = System.currentTimeMillis() / 1000.0

    private fun keep() {
        val (kept, new) = File(folder, "learned.cbor") to File(folder, "learned.cbor.new")
        new.writeBytes(learned(wallet).toByteArray())
        check(new.renameTo(kept)) { "what was learned cannot be kept" }
    }

    private fun tell(effect: Effect, attempt: Attempt) {
        when (effect) {
            is Decided -> {
                val answer = if (effect.verdict.allowed) "yes" else "no"
                val path = if (attempt.isShort) "short" else "full"
                say("decided $answer ${effect.verdict.reason} $path")
            }
            is Moved -> say("moved ${effect.state.door}")
            is GaveUp -> {
                val result = if (effect.unknown) "unknown" else "unasked"
                say("gave up ${effect.why} $result")
            }
            else -> error("nothing to tell")
        }
    }

    /** The link, as lines. */
    private inner class Lines(override val frameBytes: Int) : Link {
        override fun readInfo() = value("info")

        override fun readTxr() = value("txr")

        override fun write(frame: Bytes) {
            answered("write ${frame.toHex()}")
        }

        private fun value(line: String) = Bytes.fromHex(answered(line).getOrElse(1) { "" })

        private fun answered(line: String): List<String> {
            say(line)
            val words = answers.take()
            if (words[0] == "refused") throw LinkError("the link has refused: $line")
            return words
        }
    }
}
