/**
 * The three ciphers of the protocol, by their numbers in COSE (RFC 9053, 4.1).
 */

package hub.cose

import hub.codec.Bytes
import hub.codec.Code
import hub.codec.dict
import hub.codec.encode
import hub.codec.num

/** AES-GCM; `header` is the one protected header of what is sealed with it. */
enum class Aead(override val number: Int, val keyBytes: Int) : Code {
    A128GCM(1, 16),
    A192GCM(2, 24),
    A256GCM(3, 32);

    val header: Bytes = encode(dict(1 to num(number)))
}
