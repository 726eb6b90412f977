"""A hub's records on their way to a bridge's disk, while others come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.hubs.keeping import (
    HEADS_WAITING,
    OBJECT_BYTES,
    OFFER_BYTES,
    OFFER_RECORDS,
    WAITING_BYTES,
    Keeping,
)
from hubbridge.rules.proven import ProvenHead
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord


def records(first: int, count: int, size: int = 10) -> list[StoredRecord]:
    return [StoredRecord(number, bytes(size), bytes(32)) for number in range(first, first + count)]


@dataclass
class Disk:
    """Takes an offer when the test lets it."""

    offers: list[list[int]] = field(default_factory=list)
    under_way: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)
    failing: bool = False
    heads: list[int] = field(default_factory=list)

    async def offer(
        self, offered: Sequence[StoredRecord], heads: Sequence[ProvenHead] = ()
    ) -> None:
        self.under_way += 1
        assert self.under_way == 1
        await self.free.wait()
        await asyncio.sleep(0)
        if self.failing:
            raise StoreError("the disk is gone")
        self.offers.append([one.number for one in offered])
        self.heads += [one.head.number for one in heads]
        self.under_way -= 1

    @property
    def kept(self) -> list[int]:
        return [number for offer in self.offers for number in offer]


@asynccontextmanager
async def keeping(disk: Disk) -> AsyncIterator[Keeping]:
    made = Keeping(disk.offer)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        yield made
        task.cancel()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_during_a_commit_goes_with_the_next_one() -> None:
    """keeping, laws 1 and 2"""
    disk = Disk()
    async with keeping(disk) as made:
        await made.keep(records(1, 1))
        await turns()
        for first in range(2, 12):
            await made.keep(records(first, 1))
        disk.free.set()
        await made.settle()
    assert disk.offers == [[1], list(range(2, 12))]


@pytest.mark.parametrize(
    ("size", "most"), [(1, OFFER_RECORDS), (4096, OFFER_BYTES // (4096 + OBJECT_BYTES))]
)
async def test_no_offer_is_larger_than_its_ceiling(size: int, most: int) -> None:
    """keeping, law 1"""
    disk = Disk()
    disk.free.set()
    count = 3 * most + 7
    async with keeping(disk) as made:
        await made.keep(records(1, count, size))
        await made.settle()
    assert max(map(len, disk.offers)) == most
    assert disk.kept == list(range(1, count + 1))


async def test_a_record_larger_than_an_offer_goes_alone() -> None:
    """keeping, law 1"""
    disk = Disk()
    disk.free.set()
    async with keeping(disk) as made:
        await made.keep(records(1, 2, OFFER_BYTES))
        await made.settle()
    assert disk.offers == [[1], [2]]


@pytest.mark.parametrize("size", [1, 4096])
async def test_a_hub_is_not_read_while_too_much_waits(size: int) -> None:
    """keeping, law 2: the smallest records have their ceiling, too"""
    disk = Disk()
    many = WAITING_BYTES // (size + OBJECT_BYTES) + 1
    async with keeping(disk) as made:
        await made.keep(records(1, 1, size))
        await turns()
        reading = asyncio.ensure_future(made.keep(records(2, many, size)))
        await turns(20)
        assert not reading.done()
        disk.free.set()
        await reading
        await made.settle()
    assert len(disk.kept) == many + 1


async def test_after_an_error_nothing_is_offered() -> None:
    """keeping, law 3"""
    disk = Disk(failing=True)
    disk.free.set()
    made = Keeping(disk.offer)
    await made.keep(records(1, OFFER_RECORDS + 1, size=1))
    with pytest.raises(StoreError, match="gone"):
        await made.run()
    assert disk.offers == []
    assert disk.under_way == 1


def head(number: int) -> ProvenHead:
    return ProvenHead(Head(number, bytes(32)), bytes(32), b"document")


async def test_a_head_waits_for_no_record_and_many_stop_the_reading() -> None:
    """keeping, law 4"""
    disk = Disk()
    async with keeping(disk) as made:
        await made.keep(records(1, 1))
        await turns()
        for number in range(1, HEADS_WAITING):
            await made.keep_head(head(number))
        reading = asyncio.ensure_future(made.keep_head(head(HEADS_WAITING)))
        await turns()
        assert not reading.done()
        disk.free.set()
        await reading
        await made.settle()
        await made.keep_head(head(99))
        await made.settle()
    assert disk.heads == [*range(1, HEADS_WAITING + 1), 99]
    assert disk.kept == [1]


async def test_settling_waits_for_the_offer_that_is_under_way() -> None:
    disk = Disk()
    async with keeping(disk) as made:
        await made.settle()
        await made.keep(records(1, 1))
        await turns()
        settling = asyncio.ensure_future(made.settle())
        await turns(20)
        assert not settling.done()
        disk.free.set()
        await settling
        assert disk.kept == [1]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.booleans()), max_size=30))
def test_records_are_offered_once_each_and_in_their_order(
    steps: list[tuple[int, int, bool]],
) -> None:
    """keeping, law 1: whatever comes between"""

    async def play() -> list[int]:
        disk = Disk()
        disk.free.set()
        first = 1
        async with keeping(disk) as made:
            for count, rest, settles in steps:
                await made.keep(records(first, count))
                first += count
                await turns(rest)
                if settles:
                    await made.settle()
                    assert disk.kept == list(range(1, first))
            await made.settle()
        return disk.kept

    found = asyncio.run(play())
    assert found == list(range(1, sum(count for count, _, _ in steps) + 1))
