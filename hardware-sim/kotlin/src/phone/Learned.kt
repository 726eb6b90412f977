/**
 * What a wallet learned, as bytes that an app keeps: in private storage of this device alone, and
 * not in backups, for tickets are in it.
 *
 * Laws:
 * 1. What was written is read back the same.
 * 2. Bytes that are no such record leave the wallet as it was.
 * 3. Certificates are verified again when they are read back.
 */

package hub.phone

import hub.codec.Bytes
import hub.codec.Dict
import hub.codec.FrameError
import hub.codec.Items
import hub.codec.ProofError
import hub.codec.Tstr
import hub.codec.Uint
import hub.codec.Value
import hub.codec.bstr
import hub.codec.bytes
import hub.codec.codeOf
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.items
import hub.codec.list
import hub.codec.num
import hub.codec.uint
import hub.cose.Aead
import hub.protocol.Action

private const val KEPT_ITEMS_MAX = 100_000

/** Return what a wallet learned. */
fun learned(wallet: Wallet): Bytes =
    encode(
        dict(
            1 to Items(wallet.epochs.values.map { items(bstr(it.hubBytes), bstr(it.epochBytes)) }),
            2 to Items(wallet.tickets.map { (kid, ticket) -> write(kid, ticket) }),
            3 to Items(wallet.fullPathAt.sorted().map(::num)),
            4 to Items(wallet.unanswered.map { (wish, sent) -> write(wish, sent) }),
            5 to Dict(wallet.carriedTo.map { (hub, had) -> Tstr(hub) to bstr(had) }.toMap()),
        )
    )

private fun write(kid: Bytes, ticket: Ticket): Value {
    val certified = ticket.certified
    return items(
        bstr(kid),
        Tstr(certified.hub),
        Items(certified.accessPoints.sorted().map(::num)),
        Uint(certified.hubExpires),
        bstr(ticket.id),
        bstr(ticket.secret),
        num(ticket.aead.number),
        num(ticket.expires),
    )
}

private fun write(wish: Pair<Long, Action>, sent: Unanswered): Value {
    val (accessPoint, action) = wish
    val askedAt = num(sent.askedAt.toLong())
    return items(num(accessPoint), num(action.number), bstr(sent.op), askedAt)
}

/** Bring back what an earlier wallet of this phone learned. */
fun recall(wallet: Wallet, kept: Bytes) {
    val read = Wallet(wallet.holds)
    try {
        fill(read, decode(kept, itemsMax = KEPT_ITEMS_MAX))
    } catch (_: FrameError) {
        return
    }
    read.epochs.values.forEach(wallet::keepEpoch)
    wallet.tickets.putAll(read.tickets)
    wallet.fullPathAt.addAll(read.fullPathAt)
    wallet.unanswered.putAll(read.unanswered)
    wallet.carriedTo.putAll(read.carriedTo)
}

private fun fill(wallet: Wallet, value: Value) {
    val parts = value as? Dict
    if (parts == null || !parts.hasExactly(setOf(1, 2, 3, 4, 5))) throw unknown()
    for (pair in all(parts[1])) readEpoch(wallet, pair)
    for (kept in all(parts[2])) readTicket(wallet, kept)
    for (point in all(parts[3])) wallet.fullPathAt.add(point.uint() ?: throw unknown())
    for (sent in all(parts[4])) readUnanswered(wallet, sent)
    for ((hub, had) in (parts[5] as? Dict ?: throw unknown()).pairs) {
        wallet.carriedTo[text(hub)] = had.bytes() ?: throw unknown()
    }
}

private fun readEpoch(wallet: Wallet, pair: Value) {
    val (hub, epoch) = pair.list(2)?.map { it.bytes() ?: throw unknown() } ?: throw unknown()
    try {
        wallet.keepEpoch(wallet.readCertificates(hub, epoch))
    } catch (_: ProofError) {
        return // the site has another issuer now
    }
}

private fun readTicket(wallet: Wallet, kept: Value) {
    val parts = kept.list(8) ?: throw unknown()
    val certified =
        Certified(
            hub = text(parts[1]),
            accessPoints = all(parts[2]).map { it.uint() ?: throw unknown() }.toSet(),
            hubExpires = (parts[3] as? Uint ?: throw unknown()).number,
        )
    wallet.tickets[parts[0].bytes() ?: throw unknown()] =
        Ticket(
            certified = certified,
            id = parts[4].bytes() ?: throw unknown(),
            secret = parts[5].bytes() ?: throw unknown(),
            aead = codeOf<Aead>(parts[6]) ?: throw unknown(),
            expires = parts[7].uint() ?: throw unknown(),
        )
}

private fun readUnanswered(wallet: Wallet, sent: Value) {
    val parts = sent.list(4) ?: throw unknown()
    val accessPoint = parts[0].uint() ?: throw unknown()
    val action = codeOf<Action>(parts[1]) ?: throw unknown()
    val op = parts[2].bytes() ?: throw unknown()
    val askedAt = parts[3].uint() ?: throw unknown()
    wallet.unanswered[accessPoint to action] = Unanswered(op, askedAt.toDouble())
}

private fun all(value: Value?): List<Value> = (value as? Items ?: throw unknown()).all

private fun text(value: Value): String = (value as? Tstr ?: throw unknown()).text

private fun unknown() = FrameError("what was learned: no record of this version")
