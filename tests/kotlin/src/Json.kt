/**
 * Reads JSON (RFC 8259): objects are Map, arrays List, and every number a Double.
 *
 * Law: what is not exactly one value throws, with the place.
 */

package hub.vectors

private const val HEX_DIGITS = 4
private val ESCAPES =
    mapOf('n' to '\n', 't' to '\t', 'r' to '\r', 'b' to '\b', 'f' to '\u000c') +
        listOf('"', '\\', '/').associateWith { it }
private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
private val WORDS = mapOf("true" to true, "false" to false, "null" to null)

typealias Json = Map<String, Any?>

fun readJson(text: String): Any? {
    val reader = JsonReader(text)
    val value = reader.value()
    reader.end()
    return value
}

private class JsonReader(private val text: String) {
    private var at = 0

    fun value(): Any? {
        pass()
        return when (text.getOrNull(at)) {
            '{' -> readObject()
            '[' -> readArray()
            '"' -> string()
            else -> word() ?: number()
        }.let { if (it === NOTHING) null else it }
    }

    fun end() {
        pass()
        check(at == text.length) { "JSON: more than one value, at $at" }
    }

    private fun pass() {
        while (at < text.length && text[at] in " \t\r\n") at += 1
    }

    private fun isNext(letter: Char): Boolean {
        pass()
        val isNext = text.getOrNull(at) == letter
        if (isNext) at += 1
        return isNext
    }

    private fun expect(letter: Char) = check(isNext(letter)) { "JSON: no $letter at $at" }

    private fun readObject(): Json {
        val members = LinkedHashMap<String, Any?>()
        expect('{')
        if (isNext('}')) return members
        do {
            pass()
            val name = string()
            expect(':')
            check(name !in members) { "JSON: $name twice, at $at" }
            members[name] = value()
        } while (isNext(','))
        expect('}')
        return members
    }

    private fun readArray(): List<Any?> {
        val all = ArrayList<Any?>()
        expect('[')
        if (isNext(']')) return all
        do all.add(value()) while (isNext(','))
        expect(']')
        return all
    }

    private fun string(): String {
        expect('"')
        val letters = StringBuilder()
        while (text[at] != '"') letters.append(letter())
        at += 1
        return letters.toString()
    }

    private fun letter(): Char {
        val plain = text[at]
        at += 1
        if (plain != '\\') return plain
        val escaped = text[at]
        at += 1
        if (escaped != 'u') return checkNotNull(ESCAPES[escaped]) { "JSON: \\$escaped at $at" }
        at += HEX_DIGITS
        return text.substring(at - HEX_DIGITS, at).toInt(16).toChar()
    }

    /** Return what a word means, `NOTHING` for null; null where none stands. */
    private fun word(): Any? {
        val word = WORDS.keys.find { text.startsWith(it, at) } ?: return null
        at += word.length
        return WORDS[word] ?: NOTHING
    }

    private fun number(): Double {
        val found = NUMBER.matchAt(text, at)
        checkNotNull(found) { "JSON: no value at $at" }
        at = found.range.last + 1
        return found.value.toDouble()
    }

    private companion object {
        val NOTHING = Any()
    }
}
