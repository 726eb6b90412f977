/**
 * Runs every vector file of a folder that is for a phone, and the tags of its hubs' advertisements:
 * `Vectors FOLDER` with `v1/` and `beacon.json` in it. It prints a line for each file.
 *
 * Laws:
 * 1. A file that it cannot read, or does not know the reader of, is wrong.
 * 2. Files for a hub are none of a phone's; it says how many there are.
 * 3. Its status is 0 when no file is wrong, and there was one of each kind.
 */

package hub.vectors

import hub.protocol.resolves
import java.io.File
import kotlin.system.exitProcess

private val KINDS = setOf("phone", "known", "beacon")

fun main(arguments: Array<String>) {
    val folder = File(arguments.single())
    val files = File(folder, "v1").listFiles().orEmpty().filter { it.extension == "json" }.sorted()
    val results = files.map(::outcomeOf) + beacon(File(folder, "beacon.json"))
    val ours = results.filter { it.kind != "hub" }
    ours.forEach { println("${it.name} ${it.wrong?.let { why -> "WRONG: $why" } ?: "right"}") }
    val wrong = ours.count { it.wrong != null }
    println("${ours.size} files, $wrong wrong; ${results.size - ours.size} are for a hub")
    val isWhole = KINDS.all { kind -> ours.any { it.kind == kind } }
    exitProcess(if (wrong == 0 && isWhole) 0 else 1)
}

private class Outcome(val name: String, val kind: String, val wrong: String?)

private fun outcomeOf(path: File): Outcome {
    var kind = "unknown"
    val wrong =
        runCatching {
                val file = read(path)
                kind = file.text("reader")
                when (kind) {
                    "hub" -> Unit
                    "phone" -> PhoneFile(file).run()
                    "known" -> runKnown(file)
                    else -> error("no reader $kind")
                }
            }
            .exceptionOrNull()
    return Outcome(path.nameWithoutExtension, kind, wrong?.toString())
}

private fun beacon(path: File): Outcome {
    val wrong = runCatching { checkTags(readJson(path.readText()) as List<*>) }.exceptionOrNull()
    return Outcome("beacon", "beacon", wrong?.toString())
}

private fun checkTags(tags: List<*>) {
    check(tags.isNotEmpty()) { "no tag in it" }
    for (tag in tags) {
        @Suppress("UNCHECKED_CAST") val given = tag as Json
        val does = if (resolves(given.hex("key"), given.hex("tag"))) "resolves" else "foreign"
        check(does == given["verdict"]) { "${given["name"]}: $does" }
    }
}

@Suppress("UNCHECKED_CAST") private fun read(path: File): Json = readJson(path.readText()) as Json
