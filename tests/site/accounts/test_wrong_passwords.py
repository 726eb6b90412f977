"""Ten thousand wrong passwords at the door's law, by a clock that is driven."""

from __future__ import annotations

import pytest
from django.test import override_settings

from hubcore.timing.pace import Rate
from hubsite.accounts.gate import ALL_ADDRESSES, AN_ADDRESS, Gate
from hubsite.accounts.models import Account
from hubsite.acts.models import Act
from hubsite.signin.judging import SignedIn, SignInOutcome, Typed, sign_in
from tests.site.browser import Browser, Operator
from tests.site.quick import Quick
from tests.site.server import begun

pytestmark = pytest.mark.once

TRIES = 10_000
SECONDS_BETWEEN = 0.005
KNOWN_EVERY = 1_000


class Counted(Quick):
    """A measure that counts how often a typed password is hashed."""

    hashed = 0

    def verify(self, password: str, encoded: str) -> bool:
        Counted.hashed += 1
        return super().verify(password, encoded)


@pytest.mark.parametrize(
    ("addresses", "pace"),
    [(1, AN_ADDRESS), (1_000, ALL_ADDRESSES)],
    ids=["from one address", "from a thousand"],
)
@override_settings(PASSWORD_HASHERS=[f"{__name__}.Counted"])
def test_ten_thousand_wrong_passwords_cost_few_hashes_and_lock_nobody_out(
    addresses: int, pace: Rate
) -> None:
    """gate, laws 1, 2, 3 and 5; judging, laws 3 and 4."""
    olga = Operator.made()
    secret = begun().site.secret
    now = 0.0
    gate = Gate(monotonic=lambda: now)
    outcomes: list[SignInOutcome | SignedIn] = []
    at_home: list[SignInOutcome | SignedIn] = []
    Counted.hashed = 0
    for number in range(TRIES):
        now = number * SECONDS_BETWEEN
        source = number % addresses
        address = f"203.0.{source // 250}.{source % 250}"
        guess = Typed("olga", f"guess {number}", "000000", address)
        outcomes.append(sign_in(guess, gate, secret))
        if number % KNOWN_EVERY == KNOWN_EVERY - 1:
            own = Typed("olga", olga.password, olga.code(), "203.0.0.0", "olga/known")
            at_home.append(sign_in(own, gate, secret))
    judged = outcomes.count(SignInOutcome.WRONG)
    assert outcomes.count(SignInOutcome.SLOWED) == TRIES - judged
    expected = pace.burst + pace.per_second * now
    assert expected - 2 <= judged <= expected
    assert [type(one) for one in at_home] == [SignedIn] * (TRIES // KNOWN_EVERY)
    assert Counted.hashed == judged + len(at_home), "what the pace refuses is not hashed"
    assert Account.objects.get(name="olga").wrong_tries == judged
    newest = Act.objects.order_by("-number")[0]
    assert newest.said["wrong_tries"] == judged, "as the last sign-in was told"
    told = Browser().sign_in(olga).text
    assert f"a wrong password or code was typed for your name {judged} times" in told
