/**
 * Leads a phone through one vector file.
 *
 * Laws:
 * 1. The phone is observed from outside only: what it sends, shows, reads again, and what its
 *    wallet holds afterwards.
 * 2. An open is made of chance that no file can fix (RSA-OAEP, signature). So it is opened with the
 *    epoch's private key, and everything below that is told.
 */

package hub.vectors

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.codeOf
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.codec.list
import hub.codec.num
import hub.cose.Aead
import hub.cose.DIRECT
import hub.cose.OAEP
import hub.cose.OAEP_CIPHER
import hub.cose.seal
import hub.cose.unseal
import hub.cose.verify1
import hub.phone.Attempt
import hub.phone.Decided
import hub.phone.Effect
import hub.phone.GaveUp
import hub.phone.Leave
import hub.phone.Moved
import hub.phone.OnLink
import hub.phone.ReadInfo
import hub.phone.ReadTxr
import hub.phone.Send
import hub.phone.Write
import hub.protocol.Action
import hub.protocol.Place
import hub.protocol.Wish
import hub.protocol.binding
import hub.protocol.sessionKeys
import javax.crypto.Cipher

/** Unix seconds at which every file's clock begins. */
private const val WALL = 1_800_000_000.0

/** Seconds that count as none: what sums of floats differ by. */
private const val INSTANT = 1e-6

class PhoneFile(private val file: Json) {
    private val given = file.member("given")
    private val chance = Chance(file.members("random"))
    private val wallet = walletOf(given)
    private val link = given["link"]?.let { given.member("link") }
    private var attempt = begin(WALL)
    private var onLink = link?.let { OnLink(attempt, it["subscribed"] as Boolean) }
    private var info = Bytes.EMPTY
    private var sent: Bytes? = null
    private var opened: Pair<Aead, Bytes>? = null

    /** Throw IllegalStateException, with the first thing that differs. */
    fun run() {
        for ((number, step) in file.members("steps").withIndex()) {
            val gives = step(step)
            val expected = step.members("gives").map { it - "inside" }
            check(gives == expected) { "step $number gives $gives and not $expected" }
        }
        val expected = file.member("after")
        check(after() == expected) { "the wallet holds ${after()} and not $expected" }
        check(chance.left == 0) { "${chance.left} draws of the file were not made" }
    }

    /** The user asks: under a new op, or that of the same wish while it has no answer. */
    private fun begin(wall: Double): Attempt {
        val point = given.whole("access_point")
        val action = checkNotNull(codeOf<Action>(num(given.whole("action"))))
        val op = wallet.opFor(point, action, wall, chance::draw)
        return Attempt(wallet, Wish(op, point, action), chance::draw, given.text("transport"))
    }

    private fun step(step: Json): List<Json> {
        val link = onLink
        if (step.text("do") == "again") {
            attempt = begin(WALL + step.number("at"))
            onLink = link?.let { OnLink(attempt, this.link!!["subscribed"] as Boolean) }
            sent = null
            return emptyList()
        }
        val effects = if (link == null) messageStep(step) else linkStep(link, step)
        val said = effects.map(::describe)
        return if (said.isEmpty() && link == null) listOf(verdict("DROP")) else said
    }

    private fun messageStep(step: Json): List<Effect> {
        val wall = WALL + step.number("at")
        return when (val what = step.text("do")) {
            "info" -> attempt.read(step.hex("bytes").also { info = it }, wall)
            "message" -> attempt.receive(step.hex("bytes"), wall)
            "seal verdict" -> attempt.receive(sealed(step), wall)
            "silence" -> attempt.silence()
            "lost" -> attempt.lost()
            else -> error("no step $what")
        }
    }

    private fun linkStep(link: OnLink, step: Json): List<Effect> {
        val now = step.number("at")
        val (wall, data) = WALL + now to step.hex("bytes")
        return when (val what = step.text("do")) {
            "info" -> link.info(data.also { info = it }, now, wall)
            "written" -> link.written(now)
            "notified" -> link.notified(data, now, wall)
            "TXR" -> link.pulled(data, now, wall)
            "lost" -> link.lost()
            "quiet" -> {
                val due = link.due
                check(due == null || due > now + INSTANT) { "something is due at $due" }
                emptyList()
            }
            "time" -> {
                val due = checkNotNull(link.due) { "nothing is due" }
                check(due < now + INSTANT) { "nothing is due before $due" }
                link.passed(maxOf(now, due))
            }
            else -> error("no step $what")
        }
    }

    /** Answer the open just sent, whose bytes no file can know, as the hub would. */
    private fun sealed(step: Json): Bytes {
        val (aead, secret) = checkNotNull(opened)
        val place = Place(given.text("transport"), info)
        val keys = sessionKeys(secret, place, checkNotNull(sent), aead, step.text("hub"))
        val iv = step.hex("iv")
        val ciphertext = seal(aead, keys.toPhone, iv, step.hex("plaintext"))
        val recipient = items(bstr(DIRECT), dict(), bstr(Bytes.EMPTY))
        val header = bstr(aead.header)
        val content = items(header, dict(5 to bstr(iv)), bstr(ciphertext), items(recipient))
        return encode(items(num(2), content))
    }

    private fun describe(effect: Effect): Json =
        when (effect) {
            is Write -> mapOf("writes" to effect.frame.toHex())
            ReadTxr -> mapOf("reads TXR" to true)
            Leave -> mapOf("leaves" to true)
            is ReadInfo -> mapOf("reads INFO after" to Math.round(1000 * effect.afterSeconds) / 1e3)
            is Send -> sends(effect.message)
            is GaveUp -> {
                check(effect.unknown == (sent != null)) { "unknown is what was sent" }
                verdict(if (sent == null) "ABORT" else "UNKNOWN")
            }
            is Decided -> verdict(wordOf(effect))
            is Moved -> verdict("STATE") + stateOf(effect)
        }

    private fun verdict(word: String): Json = mapOf("verdict" to word)

    private fun wordOf(effect: Decided): String {
        val verdict = effect.verdict
        return if (verdict.allowed) "ACCEPT" else "SEALED ${verdict.reason.number}"
    }

    private fun stateOf(effect: Moved): Json {
        val state = effect.state
        return mapOf("seq" to state.seq.toDouble(), "door" to state.door.number.toDouble())
    }

    private fun sends(message: Bytes): Json {
        val (number, content) = decode(message).list(2) ?: listOf(num(1), num(0))
        if (number != num(1)) sent = message
        if (number != num(2)) return mapOf("sends" to message.toHex())
        val (header, unprotected, ciphertext, recipients) = checkNotNull(content.list(4))
        val aead = Aead.entries.single { it.header == header.bytes() }
        val (_, named, encrypted) = checkNotNull(recipients.list(1)?.get(0).list(3))
        val epoch = checkNotNull((named as Dict)[4].bytes())
        val iv = checkNotNull((unprotected as Dict)[5].bytes())
        val place = Place(given.text("transport"), info)
        val bound = binding(place, wallet.epochs.getValue(epoch).epochBytes, aead)
        val key = unwrap(checkNotNull(encrypted.bytes()))
        val signed = unseal(aead, key, iv, checkNotNull(ciphertext.bytes()), bound)
        val (protectedHeader, payload) = proven(signed, bound)
        opened = aead to checkNotNull((decode(payload) as Dict)[5].bytes())
        return mapOf(
            "sends" to "open",
            "bytes_long" to message.size.toDouble(),
            "aead" to aead.number.toDouble(),
            "epoch" to epoch.toHex(),
            "content_key" to key.toHex(),
            "iv" to iv.toHex(),
            "protected" to protectedHeader.toHex(),
            "payload" to payload.toHex(),
        )
    }

    private fun unwrap(encrypted: Bytes): Bytes {
        val cipher = Cipher.getInstance(OAEP_CIPHER)
        cipher.init(Cipher.DECRYPT_MODE, privateKey(given.text("epoch_private_key")), OAEP)
        return Bytes.of(cipher.doFinal(encrypted.toByteArray()))
    }

    /** Check the COSE_Sign1 inside an open; return its protected header and its payload. */
    private fun proven(signed: Bytes, bound: Bytes): Pair<Bytes, Bytes> {
        val (header, unprotected, payload, signature) = checkNotNull(decode(signed).list(4))
        check(unprotected == dict()) { "the unprotected header is empty" }
        val (protectedHeader, request, proof) =
            listOf(header, payload, signature).map { checkNotNull(it.bytes()) }
        verify1(wallet.holds.key.verifies, protectedHeader, request, proof, bound)
        return protectedHeader to request
    }

    /** Say what the wallet holds; a ticket's secret only where a file can know it. */
    private fun after(): Json {
        val tickets =
            wallet.tickets.map { (kid, ticket) ->
                val certified = ticket.certified
                val secret =
                    if (attempt.isShort) mapOf("secret" to ticket.secret.toHex()) else emptyMap()
                mapOf(
                    "hub_kid" to kid.toHex(),
                    "hub" to certified.hub,
                    "id" to ticket.id.toHex(),
                    "expires" to ticket.expires.toDouble(),
                    "access_points" to certified.accessPoints.map(Long::toDouble),
                    "hub_expires" to certified.hubExpires.toDouble(),
                ) + secret
            }
        val epochs = wallet.epochs.keys.map(Bytes::toHex)
        val points = wallet.fullPathAt.sorted().map(Long::toDouble)
        return mapOf("tickets" to tickets, "epochs" to epochs, "full_path_at" to points)
    }
}
