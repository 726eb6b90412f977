/**
 * Byte strings: compared by what they hold, joined, written as hex and read back.
 *
 * Laws:
 * 1. Nobody can change one: arrays are copied on the way in and on the way out.
 * 2. Its text shows its size alone, so that no key comes into a log by accident.
 */

package hub.codec

class Bytes private constructor(private val held: ByteArray) : Comparable<Bytes> {
    val size: Int get() = held.size

    /** The byte at a place, 0..255. */
    operator fun get(at: Int): Int = held[at].toInt() and 0xff

    operator fun plus(other: Bytes) = Bytes(held + other.held)

    /** The bytes from one place to before another. */
    fun slice(from: Int, until: Int = size) = Bytes(held.copyOfRange(from, until))

    fun toByteArray(): ByteArray = held.copyOf()

    /** Lower-case hex. */
    fun toHex(): String = held.joinToString("") { "%02x".format(it) }

    /** Byte by byte; a shorter one is below what it begins. */
    override fun compareTo(other: Bytes): Int {
        for (at in 0 until minOf(size, other.size)) {
            if (this[at] != other[at]) return this[at] - other[at]
        }
        return size - other.size
    }

    override fun equals(other: Any?) = other is Bytes && held.contentEquals(other.held)

    override fun hashCode() = held.contentHashCode()

    override fun toString() = "$size bytes"

    companion object {
        val EMPTY = Bytes(ByteArray(0))

        fun of(array: ByteArray) = Bytes(array.copyOf())

        fun of(vararg bytes: Int) = Bytes(ByteArray(bytes.size) { bytes[it].toByte() })

        fun zeros(size: Int) = Bytes(ByteArray(size))

        fun utf8(text: String) = Bytes(text.encodeToByteArray())

        /** Read hex. Throw FrameError. */
        fun fromHex(hex: String): Bytes {
            val digits = hex.map { Character.digit(it, 16) }
            if (digits.size % 2 != 0 || digits.any { it < 0 }) throw FrameError("this is no hex")
            return Bytes(ByteArray(digits.size / 2) { hexByte(digits[2 * it], digits[2 * it + 1]) })
        }

        private fun hexByte(high: Int, low: Int) = (16 * high + low).toByte()
    }
}
