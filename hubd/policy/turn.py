"""Whose policy is brought now: several carriers may come with one at once.

How it works: who brings a policy waits for its turn. While it waits for pieces, another carrier may
come and take the turn away. It then waits again, and goes on where it stopped: pieces that are
staged stay staged.

Laws:
1. One policy is brought at a time.
2. Who comes later takes the turn of one that waits for pieces, unless its own policy is older.
   So no carrier that brings nothing keeps out another.
3. Nothing but the wait for pieces is interrupted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class LostTurn(Exception):
    """Another carrier has taken the turn."""


class Turn:
    """The turn of one carrier, from its begin to its end."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._is_lost = False
        self._waiting: asyncio.Timeout | None = None

    def lose(self) -> None:
        """End the wait for pieces, now or when it begins."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def unless_lost(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Wait. Raise LostTurn, and cancel the wait, once another carrier has the turn."""
        if self._is_lost:
            raise LostTurn
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await wait()
        except TimeoutError:
            if self._is_lost:
                raise LostTurn from None
            raise
        finally:
            self._waiting = None


class Turns:
    """Gives turns to carriers."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._turns: list[Turn] = []
        """The one that is going on, and those that wait."""

    @asynccontextmanager
    async def of(self, version: int, again: bool = False) -> AsyncIterator[Turn]:
        """Wait for the turn to bring a policy of this version, and have it until the end.

        `again`: a turn of it was lost, so this one takes nobody's.
        """
        if not again:
            for other in self._turns:
                if version >= other.version:
                    other.lose()
        turn = Turn(version)
        self._turns.append(turn)
        try:
            async with self._free:
                yield turn
        finally:
            self._turns.remove(turn)
