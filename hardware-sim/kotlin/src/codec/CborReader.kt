/**
 * Reads deterministic CBOR: one value has one encoding, and no other is ever read.
 *
 * Laws:
 * 1. Indefinite lengths, heads longer than needed, bytes after the end, and keys that are unsorted
 *    or repeated are refused.
 * 2. Floats, booleans, `undefined` and other simple values but `null` are refused, and so is every
 *    tag that the caller does not allow.
 * 3. Nesting, items and lengths have ceilings, and are checked before anything is built.
 */

package hub.codec

/** Arrays, maps and tags inside one another. */
const val DEPTH_MAX = 8

/** Heads in one value. */
const val ITEMS_MAX = 1024

/**
 * Return the one value that `data` encodes. Throw FrameError for anything that is not exactly one
 * deterministic encoding. `tag` is the number of a tag that may stand; the others are ceilings.
 */
fun decode(
    data: Bytes,
    tag: ULong? = null,
    depthMax: Int = DEPTH_MAX,
    itemsMax: Int = ITEMS_MAX,
): Value {
    val reader = CborReader(data, tag, itemsMax)
    val value = reader.value(depthMax)
    if (reader.at != data.size) throw FrameError("CBOR: bytes after the end of the value")
    return value
}

/** Reads one value from its first head to its last. */
private class CborReader(
    private val data: Bytes,
    private val tag: ULong?,
    private var itemsLeft: Int,
) {
    var at = 0

    private val left get() = data.size - at

    fun value(depth: Int): Value {
        if (itemsLeft == 0) throw FrameError("CBOR: more items than its reader takes")
        itemsLeft -= 1
        val (major, argument) = head()
        return when (major) {
            UINT -> Uint(argument)
            NINT -> Nint(argument)
            BSTR -> Bstr(string(argument))
            TSTR -> Tstr(text(string(argument)))
            SIMPLE -> simple(argument)
            else -> content(major, argument, depth)
        }
    }

    /** Pass a head; return its major type and its argument. */
    private fun head(): Pair<Int, ULong> {
        if (left == 0) throw FrameError("CBOR: the data ends inside a value")
        val major = data[at] shr 5
        val info = data[at] and 0x1f
        at += 1
        if (info < 24) return major to info.toULong()
        if (info > 27) throw FrameError("CBOR: indefinite length or reserved head")
        return major to longArgument(major, 1 shl (info - 24))
    }

    private fun longArgument(major: Int, following: Int): ULong {
        if (left < following) throw FrameError("CBOR: the data ends inside a head")
        var argument = 0UL
        repeat(following) {
            argument = (argument shl 8) or data[at].toULong()
            at += 1
        }
        if (major == SIMPLE || argument < SHORTEST.getValue(following)) {
            throw FrameError("CBOR: float, simple value or a head longer than needed")
        }
        return argument
    }

    private fun string(size: ULong): Bytes {
        if (size > left.toULong()) throw FrameError("CBOR: a string longer than the data")
        val from = at
        at += size.toInt()
        return data.slice(from, at)
    }

    private fun text(bytes: Bytes): String =
        try {
            bytes.toByteArray().decodeToString(throwOnInvalidSequence = true)
        } catch (error: CharacterCodingException) {
            throw FrameError("CBOR: text that is no UTF-8", error)
        }

    private fun simple(argument: ULong): Value {
        if (argument != NULL.toULong()) throw FrameError("CBOR: a simple value that is not null")
        return Null
    }

    /** Read what is inside an array, a map or a tag. */
    private fun content(major: Int, argument: ULong, depth: Int): Value {
        if (depth == 0) throw FrameError("CBOR: nested too deep")
        if (major == TAG) {
            if (argument != tag) throw FrameError("CBOR: a tag that is not allowed")
            return Tag(argument, value(depth - 1))
        }
        if (argument > left.toULong()) {
            throw FrameError("CBOR: more items announced than bytes are left")
        }
        val count = argument.toInt()
        return if (major == MAP) map(count, depth - 1) else array(count, depth - 1)
    }

    private fun array(count: Int, depth: Int): Value {
        val all = ArrayList<Value>()
        repeat(count) { all.add(value(depth)) }
        return Items(all)
    }

    private fun map(count: Int, depth: Int): Value {
        val pairs = LinkedHashMap<Value, Value>()
        var previous = Bytes.EMPTY
        repeat(count) {
            val start = at
            val key = key()
            val encoded = data.slice(start, at)
            if (encoded <= previous) throw FrameError("CBOR: map keys unsorted or repeated")
            previous = encoded
            pairs[key] = value(depth)
        }
        return Dict(pairs)
    }

    private fun key(): Value {
        if (left > 0 && data[at] shr 5 > TSTR) {
            throw FrameError("CBOR: a map key that is no integer or string")
        }
        return value(0)
    }
}
