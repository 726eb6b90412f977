"""A clock that jumped removes nothing, and whoever types a code is told what it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hubsite.accounts.models import Session
from hubsite.clocks.judging import (
    AHEAD_SECONDS,
    BACK_SECONDS,
    DAY,
    EVEN_SECONDS,
    Clock,
    judge,
)
from hubsite.clocks.models import KeptClock
from hubsite.clocks.watch import KEPT_SECONDS, ClockWatch, is_believed, known, problem_of
from hubsite.config import Records
from hubsite.records import kept as records
from hubsite.records import letting
from hubsite.tidying import Tidier, tidy
from hubsite.webhooks.courier import Courier
from hubsite.webhooks.kept import Done
from hubsite.webhooks.models import Delivery
from tests.site.browser import Browser, Operator, at_work
from tests.site.chains import message
from tests.site.outward.test_webhooks import _made, _record
from tests.site.records.test_records import NOW, numbers, visits

pytestmark = pytest.mark.once

JUMPS = (0, 0, 0, 60, -60, 2 * DAY, 4 * DAY, -2 * BACK_SECONDS, 60 * DAY, -60 * DAY, -20_000 * DAY)
STEPS = st.lists(
    st.tuples(st.integers(0, 2 * DAY), st.sampled_from(JUMPS)), min_size=1, max_size=30
)


@given(STEPS)
def test_over_all_orders_a_clock_is_believed_that_goes_on_or_has_run_evenly(
    steps: list[tuple[int, int]],
) -> None:
    """judging, laws 1 to 3; a step is the seconds between two looks, and how far it jumped"""
    wall = NOW
    clock = judge(None, wall, 0)
    assert clock == Clock(NOW)
    expected = wall
    even = 0
    for ran, jump in steps:
        wall += ran + jump
        expected += ran
        even = even + ran if -BACK_SECONDS <= jump <= AHEAD_SECONDS else 0
        clock = judge(clock, wall, ran)
        goes_on = -BACK_SECONDS <= wall - expected <= AHEAD_SECONDS
        assert clock.is_believed == (goes_on or even >= EVEN_SECONDS)
        assert bool(problem_of(clock)) != clock.is_believed
        if clock.is_believed:
            expected = wall
            even = 0


@dataclass
class Hands:
    """The two clocks of a machine: one is set, one only runs."""

    wall: int = NOW
    ran: int = 0
    watches: list[ClockWatch] = field(default_factory=list)

    def watch(self) -> ClockWatch:
        return ClockWatch(lambda: self.wall, lambda: self.ran)

    def pass_by(self, seconds: int) -> None:
        self.wall += seconds
        self.ran += seconds


def test_what_is_known_outlives_a_start_and_time_off_does_not_count() -> None:
    """watch, law 1; judging, law 2"""
    hands = Hands()
    assert hands.watch().look().is_believed
    hands.wall += 60 * DAY
    for _ in range(3):
        watch = hands.watch()
        assert not watch.look().is_believed
        hands.pass_by(DAY // 4)
        assert not watch.look().is_believed
        hands.pass_by(DAY // 4)  # nobody looks
    watch = hands.watch()
    watch.look()
    hands.pass_by(DAY // 4)
    assert watch.look() == Clock(hands.wall)
    assert problem_of(watch.look()) == ""


def test_a_clock_that_is_back_is_believed_at_once() -> None:
    hands = Hands()
    watch = hands.watch()
    watch.look()
    hands.wall += 60 * DAY
    said = problem_of(watch.look())
    assert "Nothing is removed for its age" in said
    assert "24 hours more" in said
    hands.wall -= 60 * DAY
    hands.pass_by(60)
    assert watch.look().is_believed
    hands.wall = 0
    assert "1970-01-01 00:00 UTC" in problem_of(watch.look())
    assert "10000000000000000 seconds" in problem_of(Clock(NOW, 10**16))


def test_a_clock_that_is_right_costs_no_row_a_minute() -> None:
    """watch, law 1"""
    hands = Hands()
    watch = hands.watch()
    watch.look()
    hands.pass_by(KEPT_SECONDS - 1)
    watch.look()
    assert known() == Clock(NOW)
    hands.pass_by(1)
    watch.look()
    assert known() == Clock(NOW + KEPT_SECONDS)
    assert KeptClock.objects.count() == 1


def test_who_asks_writes_nothing() -> None:
    """watch, law 2"""
    assert is_believed(NOW)
    assert known() is None
    Hands().watch().look()
    assert is_believed(NOW + AHEAD_SECONDS)
    assert not is_believed(NOW + AHEAD_SECONDS + 1)
    assert known() == Clock(NOW)


def _serve(part: Tidier) -> None:
    """Let it have one turn."""

    async def stop(_seconds: float) -> None:
        part._is_stopped = True

    async def whole() -> None:
        part.wait = stop  # type: ignore[method-assign]
        await part.serve()
        await part.with_rows(lambda: connection.close())

    asyncio.run(whole())


def test_nothing_is_tidied_while_the_clock_is_not_believed() -> None:
    """tidying, law 5"""
    ends = timezone.now() - timedelta(seconds=1)
    Session.objects.create(session_key="over", session_data="", expire_date=ends)
    hands = Hands()
    hands.watch().look()
    hands.wall += 60 * DAY
    part = Tidier(hands.watch(), turn=tidy)
    _serve(part)
    assert Session.objects.count() == 1
    assert "The clock of this server says" in part.problem
    settings.HUBSITE_RUNNING.parts = (part,)
    assert "Nothing is removed for its age" in at_work().get("/").text
    hands.wall -= 60 * DAY
    part = Tidier(hands.watch(), turn=tidy)
    _serve(part)
    assert not Session.objects.filter(session_key="over").exists()
    assert part.problem == ""


def test_no_record_is_too_old_then_and_too_many_go_all_the_same() -> None:
    """letting, law 2"""
    records.take([message(1, visits(2), at=NOW)], NOW)
    Hands().watch().look()
    late = NOW + 60 * DAY
    assert letting.let_go(Records(keep_days=2), late) == 0
    KeptClock.objects.all().delete()
    assert letting.let_go(Records(keep_days=2), late) == 2
    assert numbers() == []


def test_a_webhook_gives_nothing_up_then() -> None:
    """webhooks, kept, law 3"""
    made, _ = _made()
    _record(1)
    Delivery.objects.filter(pk=made.pk).update(failing_since=NOW)
    Hands().watch().look()
    late = NOW + 60 * DAY
    courier = Courier(None, settings.HUBSITE.secret, 3, wall=lambda: late)  # type: ignore[arg-type]
    failed = Done(made.pk, 0, "it is away", has_sent=False)
    for given_up in (0, 1):
        courier._done.put(failed)
        courier._settle()
        assert Delivery.objects.get(pk=made.pk).given_up == given_up
        KeptClock.objects.all().delete()


def test_who_types_a_wrong_code_is_told_what_the_clock_says() -> None:
    olga = Operator.made()
    browser = Browser()
    browser.get("/sign-in")
    answer = browser.submit(name=olga.name, password=olga.password, code="000000")
    year = timezone.localtime().year
    assert f"The clock of this server says {year}-" in answer.text
    assert "look at the clock of your phone" in answer.text
