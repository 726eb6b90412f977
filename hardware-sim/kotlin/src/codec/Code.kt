/**
 * Enumerations whose members are numbers in a message.
 */

package hub.codec

interface Code {
    val number: Int
}

/** The code that a value of CBOR is, or null. */
inline fun <reified T> codeOf(value: Value?): T? where T : Enum<T>, T : Code =
    enumValues<T>().find { num(it.number) == value }
