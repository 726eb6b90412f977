"""Releases of the backend come at the hub's pace: each that is done leaves a record."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_backend import Release
from hubcore.backend.uplink.from_hub import ActResult, OrderResult, Result
from hubcore.backend.uplink.words import OrderOutcome, ReleaseOutcome
from hubd.backend.orders import RELEASES, Orders, OrderWorkers
from tests.fakes.clock import FakeClock
from tests.pair import settle

pytestmark = pytest.mark.asyncio


async def test_a_backend_that_releases_without_end_is_told_that_the_hub_is_busy() -> None:
    clock = FakeClock()
    said: list[Result | OrderResult | ActResult] = []
    done: list[bytes] = []

    async def release(order: Release) -> Result:
        done.append(order.id)
        return Result(order.id, ReleaseOutcome.RELEASED, "ok")

    async def stand(order: object) -> OrderResult:
        return OrderResult(bytes(16), OrderOutcome.REFUSED, "")

    async def accept(*_document: object) -> int:
        return 1

    orders = Orders(
        release=release,
        accept_policy=accept,
        policy_version=lambda: 1,
        policy_digest=lambda: bytes(32),
        stand=stand,
    )
    counters: Counter[str] = Counter()
    workers = OrderWorkers(
        orders=orders, clock=clock, pace=Pace(), answer=said.append, counters=counters
    )
    running = asyncio.create_task(workers.run())
    seconds = 20
    for number in range(100 * seconds):
        workers.take_release(Release(number.to_bytes(16, "big"), 1, 2_000_000_000, None, "by"))
        await settle()
        clock.advance(0.01)
    running.cancel()
    await asyncio.wait([running])
    most = RELEASES.burst + seconds * RELEASES.per_second
    assert most - 1 <= len(done) <= most
    assert counters["releases_busy"] == 100 * seconds - len(done)
    assert len(said) == 100 * seconds, "each is answered"
