"""What the backend is told of an order: how it ended, in the words of the uplink."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.access.words import Denial
from hubcore.backend import uplink

ORDER_OUTCOMES: Mapping[Denial, uplink.ReleaseOutcome] = {
    Denial.UNKNOWN_CREDENTIAL: uplink.ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_REVOKED: uplink.ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_NOT_ACTIVE: uplink.ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_EXPIRED: uplink.ReleaseOutcome.REFUSED,
    Denial.GRANT_TOO_LONG: uplink.ReleaseOutcome.REFUSED,
    Denial.NO_GRANT: uplink.ReleaseOutcome.REFUSED,
    Denial.OUT_OF_SCHEDULE: uplink.ReleaseOutcome.REFUSED,
    Denial.LOCKDOWN: uplink.ReleaseOutcome.REFUSED,
    Denial.TIME_UNTRUSTED: uplink.ReleaseOutcome.REFUSED,
    Denial.FULL_PROOF_NEEDED: uplink.ReleaseOutcome.REFUSED,
    Denial.OP_CONFLICT: uplink.ReleaseOutcome.REFUSED,
    Denial.TOO_LATE: uplink.ReleaseOutcome.LATE,
    Denial.DOOR_FAULT: uplink.ReleaseOutcome.FAILED,
    Denial.BUSY: uplink.ReleaseOutcome.BUSY,
}
"""What the backend is told: LATE, the order's time is over; BUSY, the same order may be given again
soon.
"""
