"""The operations that were asked lately, of phones and of the backend, and what became of them.

Laws:
1. An operation is at work once; who asks it again meanwhile waits for that.
2. One for which nothing was done is forgotten.
3. After a restart nobody knows whether a strike was driven: an operation that was granted is a
   fault then, and moves no door again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import assert_never

from hubcore.access.claim import ClaimOutcome
from hubcore.access.once import OPS_MAX, Asked, Key, OpTable
from hubcore.access.words import Denial
from hubcore.door.state import DoorState
from hubcore.evidence.records import RecordKind, StoredRecord
from hubd.doors.operation import NO_DECISIONS, Ended, Operation, OperationEnd
from hubd.doors.recall import ORDER_REMEMBERED_SECONDS, Decided, NothingMoved, recall


class Operations:
    """A table for phones and one for the backend, and who waits for what is at work."""

    def __init__(self) -> None:
        self._tables: Mapping[RecordKind, OpTable[ClaimOutcome]] = {
            RecordKind.ACCESS: OpTable(),
            RecordKind.REMOTE: OpTable(OPS_MAX, ORDER_REMEMBERED_SECONDS),
        }
        self._at_work: dict[Key, asyncio.Future[None]] = {}

    def ask(self, operation: Operation, now: float) -> Asked:
        """Enter an operation, unless it was asked before; `now` is the monotonic time."""
        table = self._tables[operation.kind]
        return table.ask(operation.key, operation.content, now)

    def begin(self, operation: Operation) -> None:
        """The operation is at work now."""
        loop = asyncio.get_running_loop()
        self._at_work[operation.key] = loop.create_future()

    def end(self, operation: Operation, ended: Ended) -> None:
        """Keep the outcome, unless nothing was done; wake who waits for it."""
        table = self._tables[operation.kind]
        if ended.end is OperationEnd.NOTHING_DONE:
            table.forget(operation.key)
        else:
            moved = ended.end is OperationEnd.MOVED
            table.answered(operation.key, ended.outcome, moved)
        at_work = self._at_work.pop(operation.key)
        at_work.set_result(None)

    def __len__(self) -> int:
        """Return how many are at work."""
        return len(self._at_work)

    async def at_rest(self, within_seconds: float) -> None:
        """Return once none of those at work now is, or after so many seconds."""
        if self._at_work:
            await asyncio.wait(list(self._at_work.values()), timeout=within_seconds)

    async def outcome(self, operation: Operation) -> ClaimOutcome | None:
        """Return what became of an operation that was asked before; wait while it is at work.

        None when nothing was done, or when somebody else has begun it again.
        """
        at_work = self._at_work.get(operation.key)
        if at_work is not None:
            await asyncio.shield(at_work)
        table = self._tables[operation.kind]
        return table.answer(operation.key)

    def remember(self, records: Sequence[StoredRecord], now: float) -> None:
        """Learn from the newest records what was asked before a restart."""
        for found in recall(records, now):
            match found:
                case Decided(operation, why, at):
                    self._remember(operation, why, at)
                case NothingMoved(operation):
                    table = self._tables[operation.kind]
                    table.forget(operation.key)
                case _:
                    assert_never(found)

    def _remember(self, operation: Operation, why: Denial | None, at: float) -> None:
        if why in NO_DECISIONS:
            return
        moved = why is None and operation.moves
        if moved:
            why = Denial.DOOR_FAULT
        outcome = ClaimOutcome(why, DoorState.UNKNOWN)
        table = self._tables[operation.kind]
        table.remember(
            operation.key,
            operation.content,
            at=at,
            answer=outcome,
            moved=moved,
        )
