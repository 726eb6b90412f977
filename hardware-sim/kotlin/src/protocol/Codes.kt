/**
 * The numbers of the protocol and what they mean (docs/protocol.md, "Codes" and "Actions").
 *
 * Law: a number that is not here is no code, and what holds it is ignored.
 */

package hub.protocol

import hub.codec.Code

enum class Action(override val number: Int) : Code {
    OPEN(1),
    HOLD_OPEN(2),
    END_HOLD(3),
    QUERY(4),
}

/** Errors in clear: hints for one more try, never a verdict. */
enum class ErrorCode(override val number: Int) : Code {
    BAD_FRAME(1),
    VERSION(2),
    UNKNOWN_EPOCH(3),
    BUSY(4),
    TIMEOUT(5),
    FAILED(6),
}

/** Why, inside the seal. */
enum class Reason(override val number: Int) : Code {
    OK(0),
    NO_RIGHT(1),
    SCHEDULE(2),
    GRANT_TIME(3),
    REVOKED(4),
    NEED_FULL(5),
    CLOCK(6),
    FAULT(7),
    BUSY(8),
    OP_CONFLICT(9),
    LOCKED(10),
}

enum class Door(override val number: Int) : Code {
    UNKNOWN(0),
    SECURED(1),
    RELEASED(2),
    OPEN(3),
    HELD_OPEN(4),
    FORCED(5),
    FAULT(6),
}
