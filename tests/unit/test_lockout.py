"""Too many attempts: when they lock, what they never lock, and a ceiling on what is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.lockout import Key, Lockout, LockoutRule

RULE = LockoutRule(failures=3, window_seconds=60.0, locked_seconds=100.0)
ANNA: Key = (1, "anna")


def test_the_last_failure_locks_and_time_unlocks() -> None:
    lockout = Lockout(RULE)
    assert [lockout.failed(ANNA, at) for at in (0.0, 1.0, 2.0)] == [False, False, True]
    assert lockout.locked(ANNA, 2.0)
    assert lockout.locked(ANNA, 101.9)
    assert not lockout.locked(ANNA, 102.0)


def test_attempts_while_it_is_locked_prolong_nothing() -> None:
    lockout = Lockout(RULE)
    locks = [lockout.failed(ANNA, at) for at in (0.0, 1.0, 2.0, 50.0, 100.0)]
    assert locks == [False, False, True, False, False]
    lockout.succeeded(ANNA, 101.0)
    assert lockout.locked(ANNA, 101.9)
    assert not lockout.locked(ANNA, 102.0)
    assert [lockout.failed(ANNA, 102.0 + more) for more in range(3)] == [False, False, True]


def test_a_success_and_a_pause_end_the_count() -> None:
    lockout = Lockout(RULE)
    for at in (0.0, 1.0):
        lockout.failed(ANNA, at)
    lockout.succeeded(ANNA, 2.0)
    assert [lockout.failed(ANNA, at) for at in (3.0, 4.0)] == [False, False]
    assert not lockout.failed(ANNA, 63.1), "the first of them is over a minute old"


@pytest.mark.parametrize(("last", "locks"), [(60.0, True), (60.1, False)])
def test_failures_count_for_their_window(last: float, locks: bool) -> None:  # law 1
    lockout = Lockout(RULE)
    lockout.failed(ANNA, 0.0)
    lockout.failed(ANNA, 1.0)
    assert lockout.failed(ANNA, last) is locks


def test_a_stranger_at_another_reader_locks_nobody_out_here() -> None:
    lockout = Lockout(RULE)
    for at in range(100):
        lockout.failed((2, "anna"), float(at))
    assert not lockout.locked(ANNA, 99.0)


events = st.lists(
    st.tuples(st.sampled_from(["failed", "succeeded"]), st.integers(0, 4), st.floats(0, 30)),
    max_size=60,
)


@given(events)
def test_a_lockout_lasts_as_long_as_it_says_and_no_longer(
    happened: list[tuple[str, int, float]],
) -> None:
    lockout = Lockout(RULE)
    now = 0.0
    locked_at: dict[Key, float] = {}
    for what, who, later in happened:
        now += later
        key = (1, str(who))
        began = locked_at.get(key)
        expected = began is not None and now < began + RULE.locked_seconds
        assert lockout.locked(key, now) is expected
        if what == "succeeded":
            lockout.succeeded(key, now)
        elif lockout.failed(key, now):
            assert not expected
            locked_at[key] = now


@given(st.lists(st.integers(0, 50), max_size=200))
def test_what_is_counted_has_a_ceiling_and_a_lockout_outlasts_a_flood(who: list[int]) -> None:
    lockout = Lockout(RULE, attempts_max=10)
    for _ in range(3):
        lockout.failed(ANNA, 0.0)
    for number in who:
        lockout.failed((1, str(number)), 1.0)
        assert len(lockout) <= 10
    locked = sum(lockout.locked((1, str(number)), 1.0) for number in range(51))
    assert lockout.locked(ANNA, 1.0) or locked >= 9


def test_where_all_are_locked_the_oldest_gives_way() -> None:  # law 6
    lockout = Lockout(LockoutRule(failures=1), attempts_max=2)
    for number, who in enumerate(("anna", "ben", "cleo")):
        assert lockout.failed((1, who), float(number))
    assert [lockout.locked((1, who), 3.0) for who in ("anna", "ben", "cleo")] == [False, True, True]


def test_who_is_not_locked_gives_way_before_an_older_lockout() -> None:  # law 6
    lockout = Lockout(RULE, attempts_max=2)
    for _ in range(RULE.failures):
        lockout.failed(ANNA, 0.0)
    lockout.failed((1, "ben"), 1.0)
    lockout.failed((1, "cleo"), 1.0)
    assert len(lockout) == 2
    assert lockout.locked(ANNA, 1.0)
    for who in ("dora", "emil"):
        lockout.failed((1, who), RULE.locked_seconds)
    assert not lockout.locked(ANNA, RULE.locked_seconds)


def test_a_lockout_that_is_over_gives_way_before_a_count() -> None:  # law 6
    lockout = Lockout(LockoutRule(failures=2, window_seconds=1000.0), attempts_max=2)
    lockout.failed(ANNA, 0.0)
    assert lockout.failed(ANNA, 0.0)
    lockout.failed((1, "cleo"), 50.0)
    lockout.failed((1, "dora"), 60.0)
    assert lockout.failed((1, "cleo"), 61.0)
