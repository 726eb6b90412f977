"""A certificate's days: valid as phones see it, both ends included, without leeway."""

from __future__ import annotations

import pytest

from hubcore.phone.certificates import DAY_SECONDS, RENEW_DAYS, Standing, judge

BEGINS = 1_800_000_000
ENDS = 1_800_000_000 + 365 * DAY_SECONDS
RENEW = ENDS - RENEW_DAYS * DAY_SECONDS


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (BEGINS - 59, Standing.NOT_YET),
        (BEGINS - 0.001, Standing.NOT_YET),
        (BEGINS, Standing.VALID),
        (RENEW - 0.001, Standing.VALID),
        (RENEW, Standing.ENDING),
        (ENDS, Standing.ENDING),
        (ENDS + 0.001, Standing.ENDED),
        (ENDS + 59, Standing.ENDED),
    ],
)
def test_a_certificate_is_judged_without_leeway(now: float, standing: Standing) -> None:
    assert judge(BEGINS, ENDS, now) is standing


def test_one_that_is_over_before_it_begins_has_ended() -> None:
    assert judge(ENDS, BEGINS, BEGINS + 1) is Standing.ENDED
