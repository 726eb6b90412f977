"""A certificate's days: valid as phones see it, both ends included, without leeway."""

from __future__ import annotations

import pytest

from hubcore.phone.certificates import DAY_SECONDS, RENEW_DAYS, CertificateState, judge

BEGINS = 1_800_000_000
ENDS = 1_800_000_000 + 365 * DAY_SECONDS
RENEW = ENDS - RENEW_DAYS * DAY_SECONDS


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (BEGINS - 59, CertificateState.NOT_YET),
        (BEGINS - 0.001, CertificateState.NOT_YET),
        (BEGINS, CertificateState.VALID),
        (RENEW - 0.001, CertificateState.VALID),
        (RENEW, CertificateState.ENDING),
        (ENDS, CertificateState.ENDING),
        (ENDS + 0.001, CertificateState.ENDED),
        (ENDS + 59, CertificateState.ENDED),
    ],
)
def test_a_certificate_is_judged_without_leeway(now: float, standing: CertificateState) -> None:
    assert judge(BEGINS, ENDS, now) is standing


def test_one_that_is_over_before_it_begins_has_ended() -> None:
    assert judge(ENDS, BEGINS, BEGINS + 1) is CertificateState.ENDED
