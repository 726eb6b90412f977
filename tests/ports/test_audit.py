"""What every audit log keeps: the suite of `ports.stores.AuditLog`, on the fake and on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hubcore.errors import AuditError
from hubcore.evidence.records import Head, Record, RecordKind, Walk
from hubcore.evidence.uses import Use
from hubcore.ports.stores import AuditLog
from hubd.adapters.sqlite.audit import AuditStore
from tests.fakes.audit import FakeAudit


@dataclass
class Bench:
    """A log, and how it comes to take nothing any more."""

    log: AuditLog
    spoil: Callable[[], Awaitable[None]]


async def fake(_folder: Path) -> AsyncIterator[Bench]:
    log = FakeAudit()

    async def spoil() -> None:
        log.failing = AuditError("the disk is full")

    yield Bench(log, spoil)


async def sqlite(folder: Path) -> AsyncIterator[Bench]:
    async with await AuditStore.open(folder / "audit.db") as store:
        yield Bench(store, store.aclose)


@pytest.fixture(params=[fake, sqlite], ids=["fake", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async for made in request.param(tmp_path):
        yield made


def record(number: int) -> Record:
    """The record of the `number`th minute."""
    return Record(
        RecordKind.DOOR, 60_000 * number, 60_000 * number, {"door": "front", "what": "opened"}
    )


async def fill(log: AuditLog, count: int) -> None:
    for number in range(1, count + 1):
        await log.append(record(number))


async def test_an_empty_log_has_no_head(bench: Bench) -> None:
    assert bench.log.last() == 0
    assert bench.log.head() == Head()
    assert bench.log.waiting() == 0
    assert list(bench.log.newest(bench.log.last() + 1, 10_000)) == []
    assert list(bench.log.newest(10, 10)) == []


async def test_records_are_numbered_from_one_and_chained(bench: Bench) -> None:
    assert [await bench.log.append(record(number)) for number in (1, 2, 3)] == [1, 2, 3]
    stored = bench.log.newest(bench.log.last() + 1, 10_000)
    assert [one.number for one in stored] == [1, 2, 3]
    assert [Record.decode(one.body) for one in stored] == [record(1), record(2), record(3)]
    walk = Walk()
    for one in stored:
        walk.take(one, Record.decode(one.body).at_ms)
    assert walk.finish() == bench.log.head() == Head(3, stored[-1].hash)
    assert bench.log.last() == 3


async def test_a_record_is_taken_at_once_and_in_order(bench: Bench) -> None:
    appended = [bench.log.append(record(number)) for number in (1, 2, 3)]
    assert await asyncio.gather(*reversed(appended)) == [3, 2, 1]


async def test_who_gives_up_waiting_does_not_take_the_record_back(bench: Bench) -> None:
    waiting = asyncio.ensure_future(bench.log.append(record(1)))
    waiting.cancel()
    assert await bench.log.append(record(2)) == 2
    assert [Record.decode(one.body) for one in bench.log.newest(bench.log.last() + 1, 10_000)] == [
        record(1),
        record(2),
    ]


@pytest.mark.parametrize(
    ("before", "limit", "numbers"),
    [(6, 2, [4, 5]), (4, 10, [1, 2, 3]), (1, 5, []), (6, 0, []), (100, 1, [5])],
)
async def test_newest_are_the_last_before_a_number_oldest_first(
    bench: Bench, before: int, limit: int, numbers: list[int]
) -> None:
    await fill(bench.log, 5)
    assert [one.number for one in bench.log.newest(before, limit)] == numbers


async def test_what_the_backend_holds_waits_no_more(bench: Bench) -> None:
    await fill(bench.log, 5)
    assert bench.log.waiting() == 5
    await bench.log.acknowledge([2, 4])
    await bench.log.acknowledge([4])
    assert bench.log.waiting() == 3
    assert [one.number for one in await bench.log.unacknowledged(0, 10)] == [1, 3, 5]
    assert [one.number for one in await bench.log.unacknowledged(1, 1)] == [3]
    assert await bench.log.unacknowledged(5, 10) == []


async def test_a_number_that_was_never_given_out_is_refused_after_the_others(bench: Bench) -> None:
    await fill(bench.log, 2)
    with pytest.raises(AuditError):
        await bench.log.acknowledge([1, 9])
    assert [one.number for one in await bench.log.unacknowledged(0, 10)] == [2]


async def test_what_the_backend_lost_waits_again_the_newest_first(bench: Bench) -> None:
    await fill(bench.log, 6)
    await bench.log.acknowledge([1, 2, 3, 4, 5])
    assert bench.log.newest_acknowledged() == 5
    assert not await bench.log.take_back(2, 2)
    assert (bench.log.newest_acknowledged(), bench.log.waiting()) == (3, 3)
    assert [one.number for one in await bench.log.unacknowledged(0, 10)] == [4, 5, 6]
    assert await bench.log.take_back(2, 2)
    assert (bench.log.newest_acknowledged(), bench.log.waiting()) == (2, 4)
    assert await bench.log.take_back(2, 2)
    assert await bench.log.take_back(0, 10)
    assert (bench.log.newest_acknowledged(), bench.log.waiting()) == (0, 6)
    await bench.log.acknowledge([1, 2, 3, 4, 5, 6])
    assert (bench.log.newest_acknowledged(), bench.log.waiting()) == (6, 0)


async def test_a_log_holds_its_own_heads_and_no_other(bench: Bench) -> None:
    await fill(bench.log, 3)
    heads = [Head(one.number, one.hash) for one in bench.log.newest(4, 3)]
    assert all(bench.log.holds(head) for head in (*heads, Head()))
    assert not bench.log.holds(Head(2, bytes(32)))
    assert not bench.log.holds(Head(4, heads[-1].hash))
    assert not bench.log.holds(Head(0, heads[0].hash))


async def test_what_cannot_be_durable_is_an_audit_error_at_once_or_then(bench: Bench) -> None:
    await fill(bench.log, 1)
    await bench.spoil()
    with pytest.raises(AuditError):
        await bench.log.append(record(2))
    assert bench.log.last() == 1


def yes(use: int, op: bytes) -> Record:
    """The record of a yes that spends a use of a guest's grant."""
    return Record(
        RecordKind.ACCESS,
        0,
        0,
        {"grant": b"grant-01", "use": use, "op": op, "expires": 1000, "allowed": True},
    )


def nothing_moved(use: int, op: bytes) -> Record:
    return Record(
        RecordKind.FAULT,
        0,
        0,
        {"grant": b"grant-01", "use": use, "of": op, "moved": False},
    )


async def test_a_record_spends_a_use_and_another_gives_it_back(bench: Bench) -> None:
    first = Use(b"grant-01", 1, bytes(8), 1000)
    second = Use(b"grant-01", 2, bytes(7) + b"\x01", 1000)
    assert list(bench.log.uses()) == []
    await bench.log.append(yes(1, first.op))
    await bench.log.append(yes(2, second.op))
    assert set(bench.log.uses()) == {first, second}
    await bench.log.append(nothing_moved(1, second.op))  # it is another's
    assert set(bench.log.uses()) == {first, second}
    await bench.log.append(nothing_moved(1, first.op))
    assert list(bench.log.uses()) == [second]


async def test_what_is_not_durable_spends_no_use(bench: Bench) -> None:
    await bench.spoil()
    with pytest.raises(AuditError):
        await bench.log.append(yes(1, bytes(8)))
    if isinstance(bench.log, FakeAudit):  # the other one is closed
        assert list(bench.log.uses()) == []
