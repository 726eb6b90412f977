/**
 * The laws of the phone's files that no vector shows, one after the other: a line for each.
 *
 * Law: its status is 0 when each holds.
 */

package hub.laws

import hub.codec.Bstr
import hub.codec.Bytes
import hub.codec.FrameError
import hub.codec.Items
import hub.codec.Null
import hub.codec.ProofError
import hub.codec.Uint
import hub.codec.Value
import hub.codec.bstr
import hub.codec.decode
import hub.codec.dict
import hub.codec.encode
import hub.codec.num
import hub.cose.Aead
import hub.cose.ES256
import hub.cose.decodeKey
import hub.cose.fromDer
import hub.cose.readKey
import hub.cose.seal
import hub.cose.toDer
import hub.cose.unseal
import kotlin.system.exitProcess

private const val SIDE = 32

private val LAWS: Map<String, () -> Unit> =
    mapOf(
        "Bytes 1: nobody changes one" to ::nobodyChangesBytes,
        "Bytes 2: its text shows no byte" to ::bytesShowTheirSize,
        "CborReader 1 and 2: what is not deterministic is refused" to ::whatIsNoCborIsRefused,
        "CborReader 3: ceilings" to ::ceilingsHold,
        "Cbor: what is written is read" to ::whatIsWrittenIsRead,
        "Keys 3: no point off the curve, no other size" to ::pointsAreOnTheCurve,
        "Signatures 2: r and s of any length" to ::signaturesHaveTwoSides,
        "Cose 2: one error for whatever does not open" to ::whatDoesNotOpenIsOneError,
        "Visit 2 and 3: a full queue, a link that ends" to ::aVisitEndsWithItsLink,
        "Visit 4: the wallet is kept before a request leaves" to ::theWalletIsKeptFirst,
    )

fun main() {
    val broken = LAWS.mapValues { (_, law) -> runCatching(law).exceptionOrNull() }
    for ((name, why) in broken) println(if (why == null) "right $name" else "WRONG $name: $why")
    exitProcess(if (broken.values.all { it == null }) 0 else 1)
}

private inline fun <reified T : Throwable> refused(what: String, act: () -> Unit) {
    val error = runCatching(act).exceptionOrNull()
    check(error is T) { "$what: $error" }
}

private fun nobodyChangesBytes() {
    val array = byteArrayOf(1, 2)
    val made = Bytes.of(array)
    array[0] = 9
    made.toByteArray()[1] = 9
    check(made == Bytes.of(1, 2))
}

private fun bytesShowTheirSize() {
    check("${Bytes.of(0xab, 0xcd)}" == "2 bytes")
}

/** Each is wrong in one way (RFC 8949). */
private val NO_CBOR =
    mapOf(
        "" to "nothing",
        "9f01ff" to "an indefinite array",
        "5f4101ff" to "an indefinite string",
        "1801" to "a head longer than needed",
        "190018" to "a head longer than needed",
        "1b00000000ffffffff" to "a head longer than needed",
        "a202010102" to "keys unsorted",
        "a201010102" to "a key twice",
        "f4" to "false",
        "f5" to "true",
        "f7" to "undefined",
        "f820" to "a simple value",
        "f93c00" to "a float",
        "fb3ff0000000000000" to "a float",
        "c001" to "a tag",
        "a1f601" to "a key that is null",
        "a1820102f6" to "a key that is an array",
        "0101" to "bytes after the end",
        "61ff" to "no UTF-8",
        "42ff" to "a string cut off",
        "19ff" to "a head cut off",
        "1c" to "a reserved head",
        "9bffffffffffffffff" to "more items than bytes",
    )

private fun whatIsNoCborIsRefused() {
    for ((hex, what) in NO_CBOR) refused<FrameError>(what) { decode(Bytes.fromHex(hex)) }
}

private fun ceilingsHold() {
    val deep = { arrays: Int -> Bytes.fromHex("81".repeat(arrays) + "01") }
    decode(deep(8))
    refused<FrameError>("nine arrays") { decode(deep(9)) }
    val many = { count: Int -> encode(Items(List(count) { num(1) })) }
    decode(many(1023))
    refused<FrameError>("1025 heads") { decode(many(1024)) }
}

private fun whatIsWrittenIsRead() {
    val edges = listOf(0L, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, Long.MAX_VALUE)
    val numbers = edges.flatMap { listOf(num(it), num(-1 - it)) } + Uint(ULong.MAX_VALUE)
    val strings = listOf<Value>(Null, Bstr(Bytes.EMPTY), bstr(Bytes.zeros(24)))
    val map = dict(-65537 to num(1), 24 to num(2), -1 to num(3), 1 to num(4))
    for (value in numbers + strings + map) {
        val written = encode(value)
        check(decode(written) == value) { "$value is ${written.toHex()}" }
        check(encode(decode(written)) == written)
    }
    check(encode(map).toHex() == "a4010418180220033a0001000001")
}

/** The base point of P-256 (SEC 2, 2.4.2). */
private const val X = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
private const val Y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
private const val PRIME = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"

private fun pointsAreOnTheCurve() {
    readKey(point(X, Y))
    refused<ProofError>("off the curve") { readKey(point(X, Y.dropLast(1) + "4")) }
    refused<ProofError>("not below the prime") { readKey(point(PRIME, Y)) }
    refused<ProofError>("31 bytes") { readKey(point(X.drop(2), Y)) }
    refused<ProofError>("a number") { decodeKey(Bytes.of(1)) }
}

private fun point(x: String, y: String): Value {
    val (first, second) = bstr(Bytes.fromHex(x)) to bstr(Bytes.fromHex(y))
    return dict(1 to num(2), 3 to num(ES256), -1 to num(1), -2 to first, -3 to second)
}

private fun signaturesHaveTwoSides() {
    val sides = listOf("01", "7f", "80", "ff", "0100", "00ff", "ff".repeat(SIDE)).map(::side)
    for (r in sides) {
        for (s in sides) check(fromDer(toDer(r + s)) == r + s) { "${r.toHex()} ${s.toHex()}" }
    }
    val der = toDer(side("01") + side("80"))
    check(der.toHex() == "3007020101" + "02020080")
}

private fun side(hex: String) = Bytes.zeros(SIDE - hex.length / 2) + Bytes.fromHex(hex)

private fun whatDoesNotOpenIsOneError() {
    val iv = Bytes.zeros(12)
    for (aead in Aead.entries) {
        val key = Bytes.zeros(aead.keyBytes)
        val sealed = seal(aead, key, iv, Bytes.of(1, 2, 3), Bytes.of(4))
        check(unseal(aead, key, iv, sealed, Bytes.of(4)) == Bytes.of(1, 2, 3))
        refused<ProofError>("other AAD") { unseal(aead, key, iv, sealed, Bytes.of(5)) }
        refused<ProofError>("too short") { unseal(aead, key, iv, Bytes.of(1), Bytes.of(4)) }
        refused<ProofError>("cut off") { unseal(aead, key, iv, sealed.slice(1), Bytes.of(4)) }
    }
}
