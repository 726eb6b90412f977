"""What the backend learns of an order: how it ended, in the words of the uplink."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.access.words import Denial
from hubcore.backend.uplink.words import ReleaseOutcome

ORDER_OUTCOMES: Mapping[Denial, ReleaseOutcome] = {
    Denial.UNKNOWN_CREDENTIAL: ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_REVOKED: ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_NOT_ACTIVE: ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_EXPIRED: ReleaseOutcome.REFUSED,
    Denial.GRANT_TOO_LONG: ReleaseOutcome.REFUSED,
    Denial.NO_GRANT: ReleaseOutcome.REFUSED,
    Denial.OUT_OF_SCHEDULE: ReleaseOutcome.REFUSED,
    Denial.LOCKDOWN: ReleaseOutcome.REFUSED,
    Denial.NO_ENTRY: ReleaseOutcome.REFUSED,
    Denial.TIME_UNTRUSTED: ReleaseOutcome.REFUSED,
    Denial.FULL_PROOF_NEEDED: ReleaseOutcome.REFUSED,
    Denial.CREDENTIAL_DISABLED: ReleaseOutcome.REFUSED,
    Denial.OFFLINE_TOO_LONG: ReleaseOutcome.REFUSED,
    Denial.FACTOR_NEEDED: ReleaseOutcome.REFUSED,
    Denial.WRONG_PIN: ReleaseOutcome.REFUSED,
    Denial.TOO_MANY_ATTEMPTS: ReleaseOutcome.REFUSED,
    Denial.SECOND_PERSON_NEEDED: ReleaseOutcome.REFUSED,
    Denial.ANTI_PASSBACK: ReleaseOutcome.REFUSED,
    Denial.USES_SPENT: ReleaseOutcome.REFUSED,
    Denial.OP_CONFLICT: ReleaseOutcome.REFUSED,
    Denial.TOO_LATE: ReleaseOutcome.LATE,
    Denial.DOOR_FAULT: ReleaseOutcome.FAILED,
    Denial.BUSY: ReleaseOutcome.BUSY,
}
"""How an order ended for each denial.

LATE: the order's time is over. BUSY: the same order may be given again soon.
"""
