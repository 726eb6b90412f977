"""The engine's buckets in memory, and several programs at them in any order of their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules.names import KEYS_BUCKET


class Steps:
    """Lets each of several tasks do one step at the table when it is its turn."""

    def __init__(self, order: Iterable[int]) -> None:
        self._order = list(order)
        self._waiting: dict[int, asyncio.Event] = {}

    async def wait(self, who: int) -> None:
        """Wait for one's turn."""
        event = self._waiting.setdefault(who, asyncio.Event())
        event.clear()
        await event.wait()

    async def run(self, tasks: dict[int, asyncio.Task[None]]) -> None:
        """Give turns in the order, then to whoever is left, until all have ended."""
        while not all(task.done() for task in tasks.values()):
            for _ in range(3):
                await asyncio.sleep(0)
            waiting = [who for who, turn in self._waiting.items() if not turn.is_set()]
            if not waiting:
                continue
            wanted = self._order.pop(0) if self._order else waiting[0]
            self._waiting[wanted if wanted in waiting else waiting[0]].set()


class FakeTable:
    """The engine's buckets in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[bytes | None, int]] = {}
        self.revision = 0
        self.writes = 0

    def put(self, bucket: str, key: str, value: bytes | None) -> int:
        self.revision += 1
        self.rows[bucket, key] = (value, self.revision)
        return self.revision

    def enrolled(self, hub: str) -> set[str]:
        wanted = f"enrolled {hub}".encode()
        rows = self.rows.items()
        return {key for (bucket, key), (row, _) in rows if bucket == KEYS_BUCKET and row == wanted}

    def said_of(self, key: str) -> bytes | None:
        return self.rows.get((KEYS_BUCKET, key), (None, 0))[0]

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        return self.rows.get((bucket, key), (None, 0))

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        if self.rows.get((bucket, key), (None, 0))[1] != revision:
            raise MovedOnError(key)
        self.writes += 1
        return self.put(bucket, key, value)

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        """All of a bucket; nothing else is asked for."""
        assert wanted == ">"
        rows = self.rows.items()
        return {key: row for (of, key), (row, _) in rows if of == bucket and row is not None}


class Stepped:
    """One gateway's way to the table: each access waits for its turn."""

    def __init__(self, table: FakeTable, steps: Steps, who: int, dies_at: int = 1000) -> None:
        self._table = table
        self._steps = steps
        self._who = who
        self._left = dies_at

    async def _turn(self) -> None:
        await self._steps.wait(self._who)
        self._left -= 1
        if self._left < 0:
            raise asyncio.CancelledError

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        await self._turn()
        return await self._table.at(bucket, key)

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        await self._turn()
        return await self._table.swap(bucket, key, value, revision)

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        await self._turn()
        return await self._table.snapshot(bucket, wanted)
