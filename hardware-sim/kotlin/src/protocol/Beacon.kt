/**
 * The tag in a hub's advertisement: whether it is one of the site's (docs/protocol.md,
 * "Advertising").
 *
 * Law: a tag says whom to try first, and proves nothing.
 */

package hub.protocol

import hub.codec.Bytes
import javax.crypto.Cipher
import javax.crypto.spec.SecretKeySpec

private const val PART_BYTES = 3
private const val BLOCK_BYTES = 16

/** Tell whether the manufacturer data after the company identifier is a tag under this key. */
fun resolves(key: Bytes, tag: Bytes): Boolean {
    if (tag.size != 2 * PART_BYTES) return false
    val block = Bytes.zeros(BLOCK_BYTES - PART_BYTES) + tag.slice(0, PART_BYTES)
    val cipher = Cipher.getInstance("AES/ECB/NoPadding")
    cipher.init(Cipher.ENCRYPT_MODE, SecretKeySpec(key.toByteArray(), "AES"))
    val hash = Bytes.of(cipher.doFinal(block.toByteArray()))
    return hash.slice(BLOCK_BYTES - PART_BYTES) == tag.slice(PART_BYTES)
}
