"""What a phone learns of a decision, inside the seal: fewer words than the hub has for itself."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.access.claim import ClaimOutcome
from hubcore.access.words import Denial
from hubcore.phone.messages import Reason

REASONS: Mapping[Denial, Reason] = {
    Denial.UNKNOWN_CREDENTIAL: Reason.NO_RIGHT,
    Denial.CREDENTIAL_REVOKED: Reason.REVOKED,
    Denial.CREDENTIAL_NOT_ACTIVE: Reason.GRANT_TIME,
    Denial.CREDENTIAL_EXPIRED: Reason.GRANT_TIME,
    Denial.GRANT_TOO_LONG: Reason.GRANT_TIME,
    Denial.NO_GRANT: Reason.NO_RIGHT,
    Denial.OUT_OF_SCHEDULE: Reason.SCHEDULE,
    Denial.LOCKDOWN: Reason.LOCKED,
    Denial.TIME_UNTRUSTED: Reason.CLOCK,
    Denial.FULL_PROOF_NEEDED: Reason.NEED_FULL,
    Denial.CREDENTIAL_DISABLED: Reason.NO_RIGHT,
    Denial.NO_ENTRY: Reason.LOCKED,
    Denial.OFFLINE_TOO_LONG: Reason.CLOCK,
    Denial.FACTOR_NEEDED: Reason.NO_RIGHT,
    Denial.WRONG_PIN: Reason.NO_RIGHT,
    Denial.TOO_MANY_ATTEMPTS: Reason.BUSY,
    Denial.SECOND_PERSON_NEEDED: Reason.NO_RIGHT,
    Denial.ANTI_PASSBACK: Reason.NO_RIGHT,
    Denial.USES_SPENT: Reason.NO_RIGHT,
    Denial.OP_CONFLICT: Reason.OP_CONFLICT,
    Denial.TOO_LATE: Reason.BUSY,
    Denial.DOOR_FAULT: Reason.FAULT,
    Denial.BUSY: Reason.BUSY,
}
"""What a phone learns of a denial."""


def reason_of(outcome: ClaimOutcome) -> Reason:
    """Return what the phone learns of an outcome."""
    if outcome.why is None:
        return Reason.OK
    return REASONS[outcome.why]
