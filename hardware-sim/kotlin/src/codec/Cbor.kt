/**
 * Deterministic CBOR (RFC 8949, 4.2.1): its values, and the one encoding that each has.
 *
 * Laws:
 * 1. A value is what this protocol has: whole numbers, strings, arrays, maps, tags and null.
 * 2. Two values are equal when their encodings are.
 *
 * `CborReader.kt` reads encodings.
 */

package hub.codec

import java.io.ByteArrayOutputStream

internal const val UINT = 0
internal const val NINT = 1
internal const val BSTR = 2
internal const val TSTR = 3
internal const val ARRAY = 4
internal const val MAP = 5
internal const val TAG = 6
internal const val SIMPLE = 7
internal const val NULL = 22

/** The first argument that needs so many bytes after a head's first. */
internal val SHORTEST = mapOf(1 to 24UL, 2 to (1UL shl 8), 4 to (1UL shl 16), 8 to (1UL shl 32))

sealed interface Value

/** A whole number of 0 or more. */
data class Uint(val number: ULong) : Value

/** A whole number below 0: it is -1 - `argument`. */
data class Nint(val argument: ULong) : Value

data class Bstr(val bytes: Bytes) : Value

data class Tstr(val text: String) : Value

data class Items(val all: List<Value>) : Value

data class Dict(val pairs: Map<Value, Value>) : Value {
    /** What stands under an integer key, or null. */
    operator fun get(label: Int): Value? = pairs[num(label)]

    /** Tell whether it has exactly these integer keys, and perhaps some of `optional`. */
    fun hasExactly(labels: Set<Int>, optional: Set<Int> = emptySet()): Boolean {
        val must = labels.map(::num)
        val may = optional.map(::num)
        return must.all(pairs::containsKey) && pairs.keys.all { it in must || it in may }
    }
}

data class Tag(val number: ULong, val value: Value) : Value

data object Null : Value

fun num(number: Int): Value = num(number.toLong())

fun num(number: Long): Value =
    if (number >= 0) Uint(number.toULong()) else Nint((-1 - number).toULong())

fun items(vararg all: Value) = Items(all.toList())

fun dict(vararg pairs: Pair<Int, Value>) = Dict(pairs.associate { (label, it) -> num(label) to it })

fun bstr(bytes: Bytes) = Bstr(bytes)

/** The bytes of a byte string, of `size` bytes if that is given; null for anything else. */
fun Value?.bytes(size: Int? = null): Bytes? =
    (this as? Bstr)?.bytes?.takeIf { size == null || it.size == size }

/** The number of a whole number of 0..`most`, or null. */
fun Value?.uint(most: Long = Long.MAX_VALUE): Long? =
    (this as? Uint)?.number?.takeIf { it <= most.toULong() }?.toLong()

/** The members of an array of `size`, or null. */
fun Value?.list(size: Int): List<Value>? = (this as? Items)?.all?.takeIf { it.size == size }

/** Return the deterministic encoding of a value. */
fun encode(value: Value): Bytes {
    val out = ByteArrayOutputStream()
    write(out, value)
    return Bytes.of(out.toByteArray())
}

private fun write(out: ByteArrayOutputStream, value: Value) {
    when (value) {
        is Uint -> writeHead(out, UINT, value.number)
        is Nint -> writeHead(out, NINT, value.argument)
        is Bstr -> writeString(out, BSTR, value.bytes)
        is Tstr -> writeString(out, TSTR, Bytes.utf8(value.text))
        is Items -> {
            writeHead(out, ARRAY, value.all.size.toULong())
            value.all.forEach { write(out, it) }
        }
        is Dict -> writeMap(out, value)
        is Tag -> {
            writeHead(out, TAG, value.number)
            write(out, value.value)
        }
        Null -> out.write((SIMPLE shl 5) or NULL)
    }
}

private fun writeString(out: ByteArrayOutputStream, major: Int, bytes: Bytes) {
    writeHead(out, major, bytes.size.toULong())
    writeAll(out, bytes)
}

private fun writeMap(out: ByteArrayOutputStream, map: Dict) {
    val pairs = map.pairs.map { (key, value) -> encode(key) to encode(value) }
    writeHead(out, MAP, pairs.size.toULong())
    for ((key, value) in pairs.sortedBy { it.first }) {
        writeAll(out, key)
        writeAll(out, value)
    }
}

private fun writeAll(out: ByteArrayOutputStream, bytes: Bytes) {
    out.write(bytes.toByteArray(), 0, bytes.size)
}

/** Write the shortest head: a major type, and a number, a length or a count. */
private fun writeHead(out: ByteArrayOutputStream, major: Int, argument: ULong) {
    val following = SHORTEST.entries.lastOrNull { argument >= it.value }?.key ?: 0
    val info = if (following == 0) argument.toInt() else infoOf(following)
    out.write((major shl 5) or info)
    for (at in following - 1 downTo 0) out.write((argument shr (8 * at)).toInt() and 0xff)
}

/** The low bits of a head that so many bytes follow: 24 for 1, 25 for 2, 26 for 4, 27 for 8. */
private fun infoOf(following: Int) = 24 + Integer.numberOfTrailingZeros(following)
