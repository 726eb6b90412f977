"""One hub's records on their way to the disk: one commit at a time, and the next ones meanwhile.

How it works: whoever reads the hub hands records over and reads on. A task offers them. While a
commit takes its time others come, and go with the next one together: so a hub that has much to say
costs few commits.

Laws:
1. Records are offered in the order in which they came, one offer at a time: OFFER_RECORDS at most,
   and OFFER_BYTES at most or one record.
2. What waits takes WAITING_BYTES of memory at most, but for the last hand-over: a record its body
   and OBJECT_BYTES. Until it is less, the hub is not read.
3. An error ends it. Nothing is offered after it.
4. A head that the hub has signed goes with the next offer, and never waits for a record. At most
   HEADS_WAITING wait; then the hub is not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hubbridge.rules.proven import ProvenHead
from hubcore.evidence.records import StoredRecord

OFFER_RECORDS = 2048
"""A commit waits for the disk, however much is in it. So many make that wait small for each."""
OFFER_BYTES = 1 << 20
WAITING_BYTES = 1 << 20
HEADS_WAITING = 32
OBJECT_BYTES = 256
"""What a record takes beside its body, so that a flood of the smallest ones is no way round."""

Offer = Callable[[Sequence[StoredRecord], Sequence[ProvenHead]], Awaitable[None]]


class Keeping:
    """`offer` returns when records and heads are on the disk, or have no place there."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._waiting: list[StoredRecord] = []
        self._heads: list[ProvenHead] = []
        self._bytes = 0
        self._is_busy = False
        self._came = asyncio.Event()
        self._moved = asyncio.Event()

    async def keep(self, records: Sequence[StoredRecord]) -> None:
        """Hand records over; return when more may come (law 2)."""
        if records:
            self._waiting += records
            self._bytes += _bytes_of(records)
            self._came.set()
        while self._bytes >= WAITING_BYTES:
            await self._wait()

    async def keep_head(self, head: ProvenHead) -> None:
        """Hand a proven head over; return when more may come (law 4)."""
        self._heads.append(head)
        self._came.set()
        while len(self._heads) >= HEADS_WAITING:
            await self._wait()

    async def settle(self) -> None:
        """Return when nothing waits, and no offer is under way."""
        while self._waiting or self._heads or self._is_busy:
            await self._wait()

    async def run(self) -> None:
        """Offer what waits until cancelled. Raise what `offer` raises (law 3)."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting or self._heads:
                records = self._next()
                heads = self._heads
                self._heads = []
                self._is_busy = True
                await self._offer(records, heads)
                self._is_busy = False
                self._moved.set()

    def _next(self) -> list[StoredRecord]:
        """Take out what is offered next (law 1)."""
        count = 0
        size_bytes = 0
        for record in self._waiting[:OFFER_RECORDS]:
            more = len(record.body) + OBJECT_BYTES
            if count > 0 and size_bytes + more > OFFER_BYTES:
                break
            count += 1
            size_bytes += more
        records = self._waiting[:count]
        del self._waiting[:count]
        self._bytes -= size_bytes
        return records

    async def _wait(self) -> None:
        self._moved.clear()
        await self._moved.wait()


def _bytes_of(records: Sequence[StoredRecord]) -> int:
    return sum(len(one.body) + OBJECT_BYTES for one in records)
