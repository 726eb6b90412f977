"""What every clock keeps: the suite of `ports.clock.Clock`, on the fake and on the machine's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hubcore.ports.clock import Clock, ClockState
from hubcore.version import BUILD_TIME
from hubd.adapters.host.clock import BEHIND_SECONDS, SystemClock
from tests.fakes.clock import FakeClock


@dataclass
class Bench:
    """A clock, and how its records come to prove a later time than it says."""

    clock: Clock
    fall_behind: Callable[[], None]


def fake() -> Bench:
    clock = FakeClock()

    def fall_behind() -> None:
        clock.trust = ClockState.BEHIND_RECORDS

    return Bench(clock, fall_behind)


def system() -> Bench:
    proven = [0.0]
    clock = SystemClock(lambda: proven[0])

    def fall_behind() -> None:
        proven[0] = clock.wall() + BEHIND_SECONDS + 60

    return Bench(clock, fall_behind)


@pytest.fixture(params=[fake, system], ids=["fake", "system"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


def test_the_monotonic_clock_never_goes_back(bench: Bench) -> None:
    seen = [bench.clock.monotonic() for _ in range(100)]
    assert seen == sorted(seen)
    assert seen[0] > 0


def test_the_wall_clock_is_unix_time_after_this_was_built(bench: Bench) -> None:
    assert bench.clock.wall() > BUILD_TIME


def test_a_clock_is_trusted_until_something_speaks_against_it(bench: Bench) -> None:
    assert bench.clock.state() is ClockState.TRUSTED
    bench.fall_behind()
    assert bench.clock.state() is ClockState.BEHIND_RECORDS


def test_a_clock_that_is_not_trusted_still_tells_both_times(bench: Bench) -> None:
    bench.fall_behind()
    assert bench.clock.wall() > BUILD_TIME
    assert bench.clock.monotonic() > 0
