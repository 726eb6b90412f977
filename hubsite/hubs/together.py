"""Writes what many threads bring at the same moment, in one transaction for all of them.

How it works: each brings its own, and waits for its turn. Whose turn comes first writes what all
have brought by then. The others find theirs written when their turn comes.

Laws:
1. Who brings something goes on once it is written or refused, never before.
2. At most AT_ONCE are written at once, in the order in which they came.
3. Where all of them together fail, each is written by itself: what is wrong with one is told to who
   brought that one, and to nobody else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

AT_ONCE = 32

Brought = TypeVar("Brought")
Kept = TypeVar("Kept")


class Together(Generic[Brought, Kept]):
    """`write` writes some in one transaction; for each it returns what was kept, or the refusal."""

    def __init__(self, write: Callable[[Sequence[Brought]], Sequence[Kept | ValueError]]) -> None:
        self._write = write
        self._waiting: deque[tuple[Brought, Future[Kept]]] = deque()
        self._turn = threading.Lock()

    def keep(self, brought: Brought) -> Kept:
        """Write it, with what others bring (laws 1 and 2). Raise what it is refused with."""
        mine: Future[Kept] = Future()
        self._waiting.append((brought, mine))
        with self._turn:
            while not mine.done():
                self._write_some()
        return mine.result()

    def _write_some(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        try:
            self._tell(taken)
        except BaseException:
            for one in taken:
                self._alone(one)

    def _alone(self, one: tuple[Brought, Future[Kept]]) -> None:
        """Write one by itself (law 3)."""
        try:
            self._tell([one])
        except BaseException as error:
            one[1].set_exception(error)

    def _tell(self, taken: list[tuple[Brought, Future[Kept]]]) -> None:
        found = self._write([brought for brought, _ in taken])
        for (_, waits), said in zip(taken, found, strict=True):
            if isinstance(said, ValueError):
                waits.set_exception(said)
            else:
                waits.set_result(said)
