"""Records follow a real engine: as they come, after a restart, and after it has lost some."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from django.db import connection

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Notice
from hubgateway.rules import chain as gateways
from hubgateway.rules import names
from hubsite.config import Engine, Records
from hubsite.records import letting
from hubsite.records.engine import MESSAGES_AT_ONCE
from hubsite.records.follower import Follower
from hubsite.records.models import Chain, Record
from tests.gateway.bench import Bench, running, until
from tests.site.chains import at_door, head, told, visits

pytestmark = pytest.mark.once
T = TypeVar("T")


def rows(hub: str) -> list[int]:
    found = Record.objects.filter(hub=hub).order_by("id").values_list("number", flat=True)
    return list(found)


async def in_thread(work: Callable[[], T]) -> T:
    def whole() -> T:
        try:
            return work()
        finally:
            connection.close()

    return await asyncio.to_thread(whole)


async def has(hub: str, wanted: list[int], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while await in_thread(lambda: rows(hub)) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def following(bench: Bench) -> AsyncIterator[Follower]:
    follower = Follower(Engine((bench.server.url,)), Records(), lambda: None)
    follower.start()
    try:
        yield follower
    finally:
        await asyncio.to_thread(follower.stop)


async def publish(bench: Bench, hub: str, records: list) -> None:  # type: ignore[type-arg]
    await bench.js.publish(f"{names.RECORDS}.{hub}", gateways.write_batch(records))


async def make_stream(bench: Bench) -> None:
    await bench.js.add_stream(name=names.RECORDS_STREAM, subjects=[f"{names.RECORDS}.*"])


async def test_records_follow_the_engine_over_restarts_of_both(tmp_path: Path) -> None:
    """follower, laws 1 and 3; of two gateways that write by turns each record comes once"""
    first = visits(4)
    async with running(tmp_path) as bench:
        await make_stream(bench)
        await publish(bench, "hub-1", first[:2])
        await publish(bench, "hub-2", visits(1))
        async with following(bench) as follower:
            await has("hub-1", [1, 2])
            await bench.js.publish(f"{names.RECORDS}.hub-1", b"astray")
            await publish(bench, "hub-1", first[1:3])
            await publish(bench, "hub-2", visits(2))
            await has("hub-2", [1, 2])
            await has("hub-1", [1, 2, 3])
            await until(lambda: "hub-1: a message of records cannot be read" in follower.problem)
        await publish(bench, "hub-1", first[3:])
        async with following(bench) as follower:
            await has("hub-1", [1, 2, 3, 4])
            await bench.server.kill()
            await until(lambda: "the engine" in follower.problem)
            await bench.server.start()
            await bench.reconnect()
            more = visits(1, before=head(first))
            await publish(bench, "hub-1", more)
            await has("hub-1", [1, 2, 3, 4, 5])
    assert await in_thread(lambda: Chain.objects.get(pk="hub-1").head) == head(more)


async def test_an_engine_that_has_less_is_read_from_its_beginning(tmp_path: Path) -> None:
    """follower, law 2"""
    records = visits(5)
    async with running(tmp_path) as bench:
        await make_stream(bench)
        for one in range(4):
            await publish(bench, "hub-1", records[one : one + 1])
        async with following(bench):
            await has("hub-1", [1, 2, 3, 4])
        await bench.js.delete_stream(names.RECORDS_STREAM)
        await make_stream(bench)
        await publish(bench, "hub-1", records[:3])
        await publish(bench, "hub-1", records[3:])
        async with following(bench):
            await has("hub-1", [1, 2, 3, 4, 5])
    assert await in_thread(lambda: Chain.objects.get(pk="hub-1").refused) == 0


async def test_a_hub_begins_again_with_what_the_engine_has(tmp_path: Path) -> None:
    """follower, law 5"""
    other = visits(3, at=7)
    async with running(tmp_path) as bench:
        await make_stream(bench)
        await publish(bench, "hub-1", visits(4))
        async with following(bench) as follower:
            await has("hub-1", [1, 2, 3, 4])
            await bench.js.purge_stream(names.RECORDS_STREAM, subject=f"{names.RECORDS}.hub-1")
            await publish(bench, "hub-1", other[:2])
            await publish(bench, "hub-1", other[2:])
            await until(lambda: "a fork" in follower.problem)
            await in_thread(lambda: Chain.objects.filter(pk="hub-1").update(again=True))
            follower.ring()
            await has("hub-1", [1, 2, 3])
            await until(lambda: not follower.problem)
    assert await in_thread(lambda: Chain.objects.get(pk="hub-1").head) == head(other)


class Counted(Follower):
    """Counts the rows whenever it has read or written some."""

    most = 0

    async def with_rows(self, work: Callable[[], T]) -> T:
        found = await super().with_rows(work)
        self.most = max(self.most, await super().with_rows(Record.objects.count))
        return found


async def test_rows_go_while_others_come(tmp_path: Path) -> None:
    """follower, law 4"""
    of_one = 30
    records = visits(3 * MESSAGES_AT_ONCE * of_one)
    async with running(tmp_path) as bench:
        await make_stream(bench)
        for at in range(0, len(records), of_one):
            await publish(bench, "hub-1", records[at : at + of_one])
        keep = Records(keep_rows=1000)
        follower = Counted(Engine((bench.server.url,)), keep, lambda: None)
        follower.start()
        try:
            last = len(records)
            await has("hub-1", list(range(last - 999, last + 1)), 60.0)
        finally:
            await asyncio.to_thread(follower.stop)
    above = letting.ROWS_AT_ONCE + MESSAGES_AT_ONCE * of_one
    assert follower.most <= keep.keep_rows + above < len(records)


async def test_what_does_not_follow_is_one_line_however_often_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """follower, law 7; looping, law 1"""
    async with running(tmp_path) as bench:
        await make_stream(bench)
        await publish(bench, "hub-1", visits(1))
        async with following(bench) as follower:
            for count in (1, 2, 3):
                await bench.js.publish(f"{names.RECORDS}.hub-1", b"astray")
                await bench.js.publish(f"{names.RECORDS}.nobody", b"astray")
                said = f"({count} messages); {count} messages belong to no chain"
                await until(lambda said=said: said in follower.problem)
    assert caplog.text.count("Records that do not follow are not shown") == 1


async def test_the_engine_says_when_it_took_a_message(tmp_path: Path) -> None:
    """kept, law 5"""
    async with running(tmp_path) as bench:
        await make_stream(bench)
        before = int(time.time())
        await publish(bench, "hub-1", visits(1, at=5))
        async with following(bench):
            await has("hub-1", [1])
    dated = await in_thread(lambda: Record.objects.get().dated)
    assert before <= dated <= time.time()


async def test_an_alarm_is_heard_ahead_of_its_record(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await make_stream(bench)
        async with following(bench) as follower:
            await until(lambda: not follower.problem)
            (alarm,) = told(at_door("forced"))
            notice = codec.encode(Notice(alarm.number, alarm.body, alarm.hash))
            await bench.client.publish(f"{names.NOTICES}.hub-1", notice)
            await until(lambda: len(follower.ahead.waiting({})) == 1)
