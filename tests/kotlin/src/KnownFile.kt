/**
 * Computes each known answer of a vector file: keys, thumbprints, plaintexts, frames.
 *
 * Law: what is written is read back as well, where the phone has a reader for it.
 */

package hub.vectors

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.Null
import hub.codec.Value
import hub.codec.bstr
import hub.codec.codeOf
import hub.codec.decode
import hub.codec.encode
import hub.codec.items
import hub.codec.num
import hub.cose.thumbprint
import hub.protocol.Action
import hub.protocol.Outbound
import hub.protocol.Place
import hub.protocol.SessionKeys
import hub.protocol.Wish
import hub.protocol.decodeChallenge
import hub.protocol.decodeState
import hub.protocol.decodeVerdict
import hub.protocol.encodeResumeRequest
import hub.protocol.frameBytes
import hub.protocol.padTo
import hub.protocol.resumeKey
import hub.protocol.sessionKeys

private const val VERDICT_BYTES = 80
private const val STATE_BYTES = 56

/** Throw IllegalStateException, with the first answer that differs. */
fun runKnown(file: Json) {
    val answers = file.members("answers")
    check(answers.isNotEmpty()) { "no answer in it" }
    for ((number, answer) in answers.withIndex()) {
        val computed = compute(answer)
        check(computed == answer["bytes"]) { "answer $number (${answer["of"]}) is $computed" }
    }
}

private fun compute(answer: Json): Any =
    when (val of = answer.text("of")) {
        "p2h" -> p2h(answer).toHex()
        "h2p" -> session(answer).toPhone.toHex()
        "ticket" -> session(answer).ratchet.toHex()
        "thumbprint" -> thumbprint(decode(answer.hex("key")) as Dict).toHex()
        "resume plaintext" -> encodeResumeRequest(wish(answer)).toHex()
        "verdict plaintext" -> verdict(answer).toHex()
        "state plaintext" -> state(answer).toHex()
        "challenge" -> challenge(answer).toHex()
        "frames" -> frames(answer).map(Bytes::toHex)
        else -> error("no answer of $of")
    }

private fun place(answer: Json) = Place(answer.text("transport"), answer.hex("challenge"))

private fun p2h(answer: Json): Bytes {
    val aead = aead(answer.whole("aead"))
    return resumeKey(answer.hex("secret"), place(answer), aead, answer.text("hub"))
}

private fun session(answer: Json): SessionKeys {
    val aead = aead(answer.whole("aead"))
    val message = answer.hex("message")
    return sessionKeys(answer.hex("secret"), place(answer), message, aead, answer.text("hub"))
}

private fun wish(answer: Json): Wish {
    val action = checkNotNull(codeOf<Action>(num(answer.whole("action"))))
    return Wish(answer.hex("op"), answer.whole("access_point"), action)
}

private fun verdict(answer: Json): Bytes {
    val allowed = answer["allowed"] as Boolean
    val fields =
        listOf(
            1 to num(0),
            2 to bstr(answer.hex("op")),
            3 to num(if (allowed) 1 else 0),
            4 to num(answer.whole("reason")),
            5 to num(answer.whole("door")),
            6 to num(answer.whole("time")),
            7 to ticket(answer),
        )
    val plaintext = padTo(fields, 8, VERDICT_BYTES)
    val read = decodeVerdict(plaintext)
    check(read.allowed == allowed && read.op == answer.hex("op")) { "a verdict was misread" }
    check(read.reason.number.toLong() == answer.whole("reason")) { "a reason was misread" }
    return plaintext
}

private fun ticket(answer: Json): Value {
    if (answer["ticket"] == null) return Null
    val ticket = answer.member("ticket")
    return items(bstr(ticket.hex("id")), num(ticket.whole("expires")))
}

private fun state(answer: Json): Bytes {
    val fields =
        listOf(
            1 to num(answer.whole("seq")),
            2 to bstr(answer.hex("op")),
            3 to num(answer.whole("access_point")),
            5 to num(answer.whole("door")),
            6 to num(answer.whole("time")),
        )
    val plaintext = padTo(fields, 8, STATE_BYTES)
    val read = decodeState(plaintext)
    check(read.seq.toLong() == answer.whole("seq")) { "a state was misread" }
    check(read.door.number.toLong() == answer.whole("door")) { "a door was misread" }
    return plaintext
}

private fun challenge(answer: Json): Bytes {
    val parts = listOf("sid", "nonce", "hub", "epoch").map(answer::hex)
    val info = encode(items(num(1), *parts.map(::bstr).toTypedArray()))
    val read = decodeChallenge(info)
    check(listOf(read.sid, read.nonce, read.hub, read.epoch) == parts) { "it was misread" }
    return info
}

private fun frames(answer: Json): List<Bytes> {
    val outbound = Outbound(answer.hex("sid"))
    return outbound.cut(answer.hex("message"), frameBytes(answer.whole("mtu").toInt()))
}
