"""How long the backend has been away, across a restart, and that a door counts the hours."""

from __future__ import annotations

import math

import pytest

from hubcore.access.words import Denial
from hubcore.evidence.records import RecordKind
from hubd.backend.heard import LastHeard, unheard_seconds
from hubd.recording import record_now
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.unit.test_persons import Hub

pytestmark = pytest.mark.asyncio

HOUR = 3600.0


async def test_a_backend_that_never_held_a_record_has_been_away_for_ever() -> None:
    clock = FakeClock()
    log = FakeAudit()
    assert unheard_seconds(log, clock) == math.inf
    await log.append(record_now(clock, RecordKind.STARTED, {}))
    assert unheard_seconds(log, clock) == math.inf


async def test_a_start_goes_on_from_the_newest_record_that_the_backend_holds() -> None:
    clock = FakeClock()
    log = FakeAudit()
    for _ in range(3):
        await log.append(record_now(clock, RecordKind.STARTED, {}))
        clock.advance(HOUR)
    await log.acknowledge([1, 2])
    assert unheard_seconds(log, clock) == pytest.approx(2 * HOUR)
    heard = LastHeard(clock, unheard_seconds(log, clock))
    clock.advance(HOUR)
    assert heard.seconds() == pytest.approx(3 * HOUR)
    heard.heard()
    assert heard.seconds() == 0


async def test_a_clock_that_went_back_makes_no_time_of_absence() -> None:
    clock = FakeClock()
    log = FakeAudit()
    await log.append(record_now(clock, RecordKind.STARTED, {}))
    await log.acknowledge([1])
    clock.offset -= HOUR
    assert unheard_seconds(log, clock) == 0


async def test_a_door_with_a_budget_lets_nobody_in_beyond_it() -> None:
    clock = FakeClock()
    heard = LastHeard(clock, 0.0)
    hub = Hub(clock=clock, offline_seconds_max=2 * HOUR, offline_seconds=heard.seconds)
    assert await hub.come("anna") is None
    clock.advance(2 * HOUR)
    assert await hub.come("anna") is None
    clock.advance(1)
    assert await hub.come("anna") is Denial.OFFLINE_TOO_LONG
    heard.heard()
    assert await hub.come("anna") is None


async def test_a_door_without_a_budget_never_asks() -> None:
    clock = FakeClock()
    hub = Hub(clock=clock, offline_seconds=LastHeard(clock).seconds)
    assert await hub.come("anna") is None
