/**
 * What a phone's machines want done, and why an attempt ended without an answer.
 *
 * Law: a machine says, and never does. `Visit.kt` performs, in order.
 */

package hub.phone

import hub.codec.Bytes
import hub.protocol.State
import hub.protocol.Verdict

sealed interface Effect

/** Read INFO, after so many seconds, and bring its value to `info`. */
class ReadInfo(val afterSeconds: Double = 0.0) : Effect

/** Send this message whole, and say `written`. */
class Send(val message: Bytes) : Effect

/** Write one frame: an ACK. */
class Write(val frame: Bytes) : Effect

/** Read TXR and bring its value to `pulled`. */
data object ReadTxr : Effect

/** The hub has decided. */
class Decided(val verdict: Verdict) : Effect

/** The hub says what the door did. */
class Moved(val state: State) : Effect

/** The attempt ends without an answer; `unknown`: the door may have opened. */
class GaveUp(val why: Why, val unknown: Boolean) : Effect

/** Disconnect. */
data object Leave : Effect

enum class Why {
    OTHER_VERSION,
    NO_HUB,
    NO_CERTIFICATES,
    NO_ANSWER,
    BUSY,
    LINK_LOST,
    UNTRUSTED,
    OTHER_SITE,
    OTHER_HUB,
    HUB_OVER,
    HUB_REVOKED,
    OTHER_DOOR,
    CLOCK,
    NO_AEAD,
    OTHER_EPOCH,
}
