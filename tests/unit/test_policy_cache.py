"""The cache of schedules: its ceilings, and that a new policy is seen at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.calendar.schedule import ALWAYS, Rule, Schedule, SpecialDays
from hubcore.policy import document as policies
from hubcore.policy.cache import ScheduleCache
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubsim.site import make_key
from tests.policies import proven, put_file

ISSUER = make_key()
SITE = "site-1"


def schedule(rules: int, days: int = 0) -> Schedule:
    special = SpecialDays(frozenset(range(days)), ())
    return Schedule((Rule(127, 0, 1440),) * rules, (special,) if days else ())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 12))))
def test_it_never_holds_more_than_its_ceilings(
    puts: list[tuple[int, int, int]],
) -> None:
    cache = ScheduleCache(schedules_max=3, rules_max=12)
    for number, rules, days in puts:
        one = schedule(rules, days)
        if cache.get(number) is None:
            cache.put(number, one)
        held = [found for number in range(10) if (found := cache.get(number)) is not None]
        assert len(held) == len(cache) <= 3
        weights = [
            1 + len(one.rules) + sum(len(special.days) for special in one.special) for one in held
        ]
        assert sum(weights) <= 12


def test_what_was_put_is_found() -> None:
    cache = ScheduleCache()
    cache.put(7, schedule(1))
    assert cache.get(7) == schedule(1)
    assert cache.get(8) is None


@pytest.mark.asyncio
async def test_a_new_policy_is_seen_at_once(tmp_path: Path) -> None:
    prove = partial(policies.prove, issuer=ISSUER.verify_key, site=SITE)
    never = Schedule(())
    async with await PolicyDatabase.open(tmp_path / "policy.db", SITE, prove) as store:
        for version, wanted in ((1, Schedule(ALWAYS)), (2, never), (3, None)):
            schedules = {} if wanted is None else {1: wanted}
            new = Policy(SITE, version, 0, schedules=schedules)
            await put_file(store, proven(new, ISSUER))
            assert store.schedule(1) == wanted
            assert store.schedule(1) == wanted
