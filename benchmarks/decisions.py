"""The decision on a policy with 50 schedules of any age, two persons and passback.

Laws:
1. Every round asks each of the ages once, in turns, so that the machine's noise meets all alike.
2. Time is the thread's CPU, not the clock's; the policy is a real file.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.desk import DeskClock
from hubcore.access.claim import Claim, Strength
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.words import Action
from hubcore.calendar.recurrence import (
    MINUTES_A_DAY,
    Daily,
    MonthlyByDay,
    MonthlyByWeekday,
    Pattern,
    Recurrence,
    Weekly,
    Yearly,
    day_of,
)
from hubcore.calendar.schedule import Rule, Schedule, SpecialDays, WallTime
from hubcore.evidence.records import Head
from hubcore.policy import document as policies
from hubcore.policy.policy import PointRules, Policy
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.doors.judge import Judge
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubsim.site import make_key

SITE = "site-1"
SCHEDULES = 50
YEARS = (2026, 1970)
DAY = 86_400
ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class DecisionTimes:
    """CPU nanoseconds of each decision, by the year in which its rules began."""

    by_year: dict[int, list[int]]


def _recurrence(number: int, year: int, today: int) -> Recurrence:
    """A rule of one pattern after the other, whole days but for today: it never holds now."""
    first = day_of(date(year, 1, 5))  # in both years a Monday
    patterns: tuple[tuple[Pattern, int], ...] = (
        (Daily(), 3),
        (Weekly(0b1), 2),
        (MonthlyByDay(frozenset({5, -1})), 1),
        (MonthlyByWeekday(frozenset({(1, 0)})), 1),
        (Yearly(frozenset({1})), 1),
    )
    pattern, interval = patterns[number % len(patterns)]
    return Recurrence(
        pattern,
        first=first,
        start=0,
        minutes=MINUTES_A_DAY,
        interval=interval,
        deleted=frozenset({today}),
    )


def _policy(now: float) -> Policy:
    today = WallTime.at(now, ZONE).day
    holiday = SpecialDays(frozenset(range(30_000, 30_100)), ((0, 60),))
    schedules: dict[int, Schedule] = {}
    for index, year in enumerate(YEARS):
        for number in range(SCHEDULES):
            schedules[100 * index + number] = Schedule(
                (_recurrence(number, year, today),), (holiday,)
            )
        schedules[100 * index + SCHEDULES - 1] = Schedule((Rule(127, 0, 1440),))
    return Policy(
        site=SITE,
        version=1,
        issued_at=int(now),
        schedules=schedules,
        points={
            1: PointRules(
                demands=(Demand((Factor.PHONE,), persons=2),),
                passback=PassbackRule(PassbackKind.HARD, 0, 1),
            )
        },
    )


def _claim(index: int, number: int, now: float) -> Claim:
    rules = tuple(100 * index + schedule for schedule in range(SCHEDULES))
    return Claim(
        credential=f"c{number}",
        grant_id=b"grant-01",
        not_before=int(now) - DAY,
        expires=int(now) + DAY,
        entry=Access(1, 9, rules),
        access_point=1,
        action=Action.OPEN,
        op=number.to_bytes(8, "big"),
        strength=Strength.FULL,
        arrived=0.0,
    )


async def _put(store: PolicyDatabase, new: policies.Proven) -> None:
    await store.stage(new.root())
    pieces = list(new.pieces())
    while store.wanted(len(pieces)):
        await store.take(pieces)
    await store.put_in_force(Head())


async def measure(rounds: int) -> DecisionTimes:
    """Decide `rounds` times on rules of each age."""
    issuer = make_key()
    clock = DeskClock()
    prove = partial(policies.prove, issuer=issuer.verify_key, site=SITE)
    times: dict[int, list[int]] = {year: [] for year in YEARS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.db"
        async with await PolicyDatabase.open(path, SITE, prove) as store:
            new = _policy(clock.wall())
            await _put(store, prove(policies.issue(new, issuer)))
            judge = Judge(
                SiteRules({1: Point(1, "front", False, 5.0)}, ZONE, 90 * DAY),
                policy=store,
                clock=clock,
                tell=lambda _event, _facts: None,
                persons=Persons(clock),
                offline_seconds=lambda: 0.0,
                used=lambda _claim: 0,
            )
            for number in range(rounds):
                for index, year in enumerate(YEARS):
                    claim = _claim(index, number, clock.wall())
                    began = time.thread_time_ns()
                    judge.why_denied(claim)
                    times[year].append(time.thread_time_ns() - began)
    return DecisionTimes(times)
