"""What a bridge keeps, for its other parts: records of hubs, and whom the site has ended.

How it works: jobs wait in the lines of their hubs. One task takes a batch in turns, and a thread
writes it in one commit. What comes meanwhile is the next batch. So a slow disk makes larger
commits, and a hub that floods makes its own line longer.

Laws:
1. A result is handed out only after the commit that it tells of.
2. A hub whose line is full waits before it may add to it: whoever reads its connection stops
   reading.
3. A failure is told to each caller of its batch, and ends nothing: the next batch is tried anew.
4. Whoever goes on waiting when the store ends gets a StoreError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from hubbridge.rules.doubts import Accepted, DoubtEnded
from hubbridge.rules.kept import Kept
from hubbridge.rules.papers import Paper
from hubbridge.rules.proven import ProvenHead
from hubbridge.rules.room import RoomLimits, bytes_of
from hubbridge.rules.turns import Turns
from hubbridge.store.jobs import Documents, Job, PutDocuments, TakeEnds
from hubbridge.store.leaving import Durable, TakeReceipt
from hubbridge.store.meeting import (
    Accept,
    ActRoom,
    Meet,
    Met,
    ReadActs,
    Resume,
    Resumed,
)
from hubbridge.store.offering import Offer, Offered
from hubbridge.store.papers import KeepPapers, ReadPapers, kept_of, prove_papers
from hubbridge.store.reading import Read, ReadStretches
from hubbridge.store.writer import Writer
from hubcore.bridge.ends import Ends
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.stretch import Stretch
from hubcore.bridge.witness import SeenChain
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord

BATCH_BYTES = 1 << 18
CLOSE_SECONDS = 10.0
JOB_BYTES = 128
"""What a job without records counts for in its line."""
_SITE = ""
"""The line of what is of no hub."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job, and who waits for it."""

    job: Job[Any]
    done: asyncio.Future[Any]


class Store:
    """A bridge's records. `open`, then `run` in a task; then the others."""

    def __init__(self, writer: Writer, turns: Turns[_Waiting]) -> None:
        self._writer = writer
        self._turns = turns
        self._came = asyncio.Event()
        self._moved = asyncio.Event()
        self._has_ended = False

    @classmethod
    async def open(
        cls, path: Path, limits: RoomLimits, turns: Turns[_Waiting] | None = None
    ) -> Store:
        """Open the file. Raise StoreError."""
        writer = await asyncio.to_thread(Writer, path, limits)
        return cls(writer, Turns() if turns is None else turns)

    @property
    def damaged(self) -> tuple[str, ...]:
        """The hubs of which something did not prove itself at the start, and went."""
        return tuple(self._writer.opened.damaged)

    @property
    def hubs(self) -> dict[str, Kept]:
        """What is held of each hub."""
        return self._writer.hubs

    def covered(self, hub: str) -> int:
        """Return the newest record of a hub that needs no head of it (any more), 0 for none."""
        return self._writer.covered(hub)

    @property
    def used(self) -> dict[str, int]:
        """The bytes of each hub."""
        return self._writer.used

    @property
    def is_tight(self) -> bool:
        """Whether the disk has no room for records: people must make some."""
        return self._writer.is_tight

    @property
    def ends(self) -> Ends:
        """Whom the site has ended."""
        return self._writer.ends

    async def resume(self, hub: str, before: Head) -> Resumed:
        """A hub names the record before its next one."""
        return await self._do(hub, Resume(hub, before), JOB_BYTES)

    async def meet(self, hub: str, turn: int, durable: Head, newest: Head, key: bytes) -> Met:
        """A hub says Hello on its connection of this number (`hubcore.bridge.witness`).

        `key` is the SHA-256 of its key.
        """
        return await self._do(hub, Meet(hub, turn, durable, newest, key), JOB_BYTES)

    def seen(self, hub: str) -> SeenChain | None:
        """Return what was seen of a hub, with its doubt; None before its first Hello."""
        return self._writer.seen(hub)

    async def accept(
        self,
        hub: str,
        head: Head,
        by: str,
        uid: int,
        at_ms: int,
        room: ActRoom | None = None,
    ) -> Accepted:
        """Somebody ends the doubt of a hub, and names the head with which it goes on."""
        job = Accept(hub, head, by, uid, at_ms, room or ActRoom())
        return await self._do(hub, job, JOB_BYTES)

    async def doubts_ended(self) -> tuple[DoubtEnded, ...]:
        """Return the doubts that were ended, the newest first."""
        return await self._do(_SITE, ReadActs(), JOB_BYTES)

    async def offer(
        self,
        hub: str,
        records: tuple[StoredRecord, ...],
        heads: tuple[ProvenHead, ...] = (),
    ) -> Offered:
        """A hub sends records and heads of its own, which were proven.

        What is `held` afterwards is on the disk, and so are heads that fit.
        """
        size_bytes = JOB_BYTES + sum(bytes_of(one.body) for one in records)
        size_bytes += sum(len(one.document) for one in heads)
        return await self._do(hub, Offer(hub, records, heads), size_bytes)

    async def durable(self, hub: str, number: int) -> None:
        """The backend has all records of a hub up to this number."""
        await self._do(hub, Durable(hub, number), JOB_BYTES)

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        """The backend has signed a head of a hub, and that was proven.

        False: another record is held under that number.
        """
        return await self._do(_SITE, TakeReceipt(hub, head, document), JOB_BYTES + len(document))

    async def read(self, hub: str, after: int, most: int) -> tuple[StoredRecord, ...]:
        """Return records for the backend, each proven."""
        return await self._do(_SITE, Read(hub, after, most), JOB_BYTES)

    async def read_stretches(self, hub: str, after: int, most: int) -> tuple[Stretch, ...]:
        """Return records for the backend with the heads that their hub has signed.

        At most so many stretches; none where there is no head, or the next number is not held.
        """
        return await self._do(_SITE, ReadStretches(hub, after, most), JOB_BYTES)

    async def documents(self, kind: str) -> dict[bytes, bytes]:
        """Return the documents of one kind by their places, unproven."""
        return await self._do(_SITE, Documents(kind), JOB_BYTES)

    async def put_documents(self, kind: str, documents: dict[bytes, bytes]) -> None:
        """Keep these instead of those of this kind that are there."""
        size_bytes = JOB_BYTES + sum(len(one) for one in documents.values())
        await self._do(_SITE, PutDocuments(kind, documents), size_bytes)

    async def take_ends(self, offered: Ends) -> Ends:
        """Keep a newer list of ends; return the list that counts."""
        return await self._do(_SITE, TakeEnds(offered), JOB_BYTES)

    async def write(self, papers: Sequence[Paper]) -> None:
        """Keep the orders that the site has given, in place of those before."""
        await self._do(_SITE, KeepPapers(kept_of(papers)), JOB_BYTES)

    async def site_orders(self, site: str, mandate: Mandate) -> tuple[Paper, ...]:
        """Return the orders that the site has given, those that prove themselves."""
        kept = await self._do(_SITE, ReadPapers(), JOB_BYTES)
        return prove_papers(kept, site, mandate)

    async def run(self) -> None:
        """Write what comes, until cancelled; then close the file.

        Raise StoreError when the disk does not let that end.
        """
        thread = ThreadPoolExecutor(1, "bridge-writer")
        try:
            while True:
                await self._came.wait()
                await self._one_batch(thread)
        finally:
            self._end()
            loop = asyncio.get_running_loop()
            closing = loop.run_in_executor(thread, self._writer.close)
            thread.shutdown(wait=False)
            await _closed(closing)

    async def _do(self, line: str, job: Job[_T], size_bytes: int) -> _T:
        while self._turns.is_full(line) and not self._has_ended:
            self._moved.clear()
            await self._moved.wait()
        if self._has_ended:
            raise StoreError("the bridge's records are closed")
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        self._turns.add(line, waiting, size_bytes)
        self._came.set()
        return cast(_T, await waiting.done)

    async def _one_batch(self, thread: ThreadPoolExecutor) -> None:
        """Write what has its turn; without any, one more step of letting go."""
        batch = [waiting for _, waiting in self._turns.next_batch(BATCH_BYTES)]
        self._moved.set()
        jobs = [waiting.job for waiting in batch]
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(thread, self._writer.write, jobs)
        try:
            results = await writing
        except StoreError as error:
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(StoreError(str(error)))
            self._rest(went_well=False)
            return
        except asyncio.CancelledError:
            self._refuse(batch)
            raise
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(result)
        self._rest(went_well=True)

    def _rest(self, went_well: bool) -> None:
        """Wait for the next job, unless some wait or there is more to let go of."""
        if not self._turns and not (went_well and self._writer.has_more):
            self._came.clear()

    def _end(self) -> None:
        self._has_ended = True
        while self._turns:
            self._refuse([waiting for _, waiting in self._turns.next_batch(BATCH_BYTES)])
        self._moved.set()

    def _refuse(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(StoreError("the bridge's records are closed"))


async def _closed(closing: asyncio.Future[None]) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await closing
    except TimeoutError:
        sentence = f"the disk did not answer within {CLOSE_SECONDS:g} s while closing"
        raise StoreError(f"the bridge's records: {sentence}") from None
