"""The words of access: which hub, what is asked, what is ordered, why somebody is kept out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


@dataclass(frozen=True, slots=True)
class HubName:
    """The name of a hub: the id of its site, and its own id within the site."""

    site: str
    hub: str


class Action(IntEnum):
    """What is asked for at an access point; QUERY moves nothing.

    The numbers stand in messages and records: they never change.
    """

    OPEN = 1
    HOLD_OPEN = 2
    END_HOLD = 3
    QUERY = 4


class Mode(IntEnum):
    """What is ordered for an access point, beside the grants.

    The precedence is that of `access.decide`.
    """

    NORMAL = 0
    LOCKDOWN = 1
    NO_ENTRY = 2


class Denial(StrEnum):
    """Why a claim or an order is denied: the words of the field, for records and operators."""

    UNKNOWN_CREDENTIAL = "unknown-credential"
    CREDENTIAL_REVOKED = "credential-revoked"
    CREDENTIAL_DISABLED = "credential-disabled"
    CREDENTIAL_NOT_ACTIVE = "credential-not-active"
    CREDENTIAL_EXPIRED = "credential-expired"
    GRANT_TOO_LONG = "grant-too-long"
    NO_GRANT = "no-grant"
    OUT_OF_SCHEDULE = "out-of-schedule"
    LOCKDOWN = "lockdown"
    NO_ENTRY = "no-entry"
    TIME_UNTRUSTED = "time-untrusted"
    OFFLINE_TOO_LONG = "offline-too-long"
    FULL_PROOF_NEEDED = "full-proof-needed"
    FACTOR_NEEDED = "factor-needed"
    """The door demands another proof now, such as a PIN with the card."""
    WRONG_PIN = "wrong-pin"
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    SECOND_PERSON_NEEDED = "second-person-needed"
    ANTI_PASSBACK = "anti-passback"
    USES_SPENT = "uses-spent"
    OP_CONFLICT = "op-conflict"
    TOO_LATE = "too-late"
    DOOR_FAULT = "door-fault"
    BUSY = "busy"
