"""What the backend is told of an order: how it ended, in the words of the uplink."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.access.words import Denial
from hubcore.backend import uplink

ORDER_OUTCOMES: Mapping[Denial, uplink.Outcome] = {
    Denial.UNKNOWN_CREDENTIAL: uplink.Outcome.REFUSED,
    Denial.CREDENTIAL_REVOKED: uplink.Outcome.REFUSED,
    Denial.CREDENTIAL_NOT_ACTIVE: uplink.Outcome.REFUSED,
    Denial.CREDENTIAL_EXPIRED: uplink.Outcome.REFUSED,
    Denial.GRANT_TOO_LONG: uplink.Outcome.REFUSED,
    Denial.NO_GRANT: uplink.Outcome.REFUSED,
    Denial.OUT_OF_SCHEDULE: uplink.Outcome.REFUSED,
    Denial.LOCKDOWN: uplink.Outcome.REFUSED,
    Denial.TIME_UNTRUSTED: uplink.Outcome.REFUSED,
    Denial.FULL_PROOF_NEEDED: uplink.Outcome.REFUSED,
    Denial.OP_CONFLICT: uplink.Outcome.REFUSED,
    Denial.TOO_LATE: uplink.Outcome.LATE,
    Denial.DOOR_FAULT: uplink.Outcome.FAILED,
    Denial.BUSY: uplink.Outcome.BUSY,
}
"""What the backend is told: LATE, the order's time is over; BUSY, the same order may be given again
soon.
"""
