"""The words of access: what is asked, what is ordered, and why somebody is kept out."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Action(IntEnum):
    """What is asked for at an access point.

    QUERY moves nothing. The numbers stand in messages and records.
    """

    OPEN = 1
    HOLD_OPEN = 2
    END_HOLD = 3
    QUERY = 4


class Mode(IntEnum):
    """What is ordered for an access point, beside the grants.

    Precedence: see design, `access.decide`.
    """

    NORMAL = 0
    LOCKDOWN = 1
    NO_ENTRY = 2


class Denial(StrEnum):
    """Why not; the field's words, for records and operators."""

    UNKNOWN_CREDENTIAL = "unknown-credential"
    CREDENTIAL_REVOKED = "credential-revoked"
    CREDENTIAL_NOT_ACTIVE = "credential-not-active"
    CREDENTIAL_EXPIRED = "credential-expired"
    GRANT_TOO_LONG = "grant-too-long"
    NO_GRANT = "no-grant"
    OUT_OF_SCHEDULE = "out-of-schedule"
    LOCKDOWN = "lockdown"
    TIME_UNTRUSTED = "time-untrusted"
    FULL_PROOF_NEEDED = "full-proof-needed"
    OP_CONFLICT = "op-conflict"
    TOO_LATE = "too-late"
    DOOR_FAULT = "door-fault"
    BUSY = "busy"
