"""Readers without a wire: a test holds cards, presses keys, and lets readers fail."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable

from hubcore.ports.reader import (
    READS_MAX,
    CardRead,
    KeysPressed,
    ReaderFault,
    ReaderKey,
    ReaderListener,
    Sign,
)

LOST = frozenset({ReaderFault.GONE, ReaderFault.NOT_PROVEN, ReaderFault.LINE_GONE})
"""Faults with which nothing comes from a reader."""


class FakeReaderListener:
    """`ports.reader.ReaderListener`: notes what it was told, in order."""

    def __init__(self) -> None:
        self.cards: list[CardRead] = []
        self.presses: list[KeysPressed] = []
        self.faults: list[tuple[str, ReaderFault, bool]] = []

    def card(self, read: CardRead) -> None:
        self.cards.append(read)

    def keys(self, pressed: KeysPressed) -> None:
        self.presses.append(pressed)

    def fault(self, reader: str, fault: ReaderFault, stands: bool) -> None:
        self.faults.append((reader, fault, stands))

    def standing(self, reader: str) -> set[ReaderFault]:
        """Return the faults of a reader that have begun and not ended."""
        last = {fault: stands for who, fault, stands in self.faults if who == reader}
        return {fault for fault, stands in last.items() if stands}


class FakeReaders:
    """`ports.reader.Readers`. `shown` has each sign that a reader showed.

    `hold` and `press` are what a person does; `begin` and `end` make a fault stand or no longer.
    `refused` counts the reads of a reader that were too many.
    """

    def __init__(self, time: Callable[[], float] = time.monotonic) -> None:
        self.shown: list[tuple[str, Sign]] = []
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.given: list[tuple[str, str]] = []
        """The keys that were given: "install" or "renew", and the reader."""
        self.silent = set[str]()
        """Readers that have not said anything yet."""
        self._time = time
        self._listener: ReaderListener | None = None
        self._end: asyncio.Future[None] | None = None
        self._faults: defaultdict[str, set[ReaderFault]] = defaultdict(set)
        self._passed: dict[str, deque[float]] = {}

    async def serve(self, listener: ReaderListener) -> None:
        self._listener = listener
        try:
            self._end = asyncio.get_running_loop().create_future()
            await self._end
        finally:
            self._listener = None

    def die(self, error: Exception | None) -> None:
        """Let `serve` end as it must not: with an error that no contract names, or without."""
        assert self._end is not None
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)

    def show(self, reader: str, sign: Sign) -> None:
        if self._listener is not None and not self._faults[reader] & LOST:
            self.shown.append((reader, sign))

    def proven_with(self, reader: str) -> ReaderKey | None:
        if self._listener is None or self._faults[reader] & LOST or reader in self.silent:
            return None
        renewed = ("renew", reader) in self.given
        return ReaderKey.NEXT if renewed else ReaderKey.CURRENT

    async def install_key(self, reader: str) -> None:
        self.given.append(("install", reader))

    async def renew_key(self, reader: str) -> None:
        self.given.append(("renew", reader))

    def hold(self, reader: str, data: bytes, bits: int) -> None:
        """Hold a card to a reader."""
        if self._listener is not None and self._passes(reader):
            self._listener.card(CardRead(reader=reader, bits=bits, data=data, at=self._time()))

    def press(self, reader: str, keys: str) -> None:
        """Press keys at a reader."""
        if self._listener is not None and self._passes(reader):
            self._listener.keys(KeysPressed(reader=reader, keys=keys, at=self._time()))

    def begin(self, reader: str, fault: ReaderFault) -> None:
        """Let a fault begin."""
        if self._listener is not None and fault not in self._faults[reader]:
            self._faults[reader].add(fault)
            self._listener.fault(reader, fault, True)

    def end(self, reader: str, fault: ReaderFault) -> None:
        """Let a fault end."""
        if self._listener is not None and fault in self._faults[reader]:
            self._faults[reader].discard(fault)
            self._listener.fault(reader, fault, False)

    def _passes(self, reader: str) -> bool:
        """Tell whether a read goes further."""
        if self._faults[reader] & LOST:
            return False
        now = self._time()
        passed = self._passed.setdefault(reader, deque(maxlen=READS_MAX))
        if len(passed) == READS_MAX and now - passed[0] < 1.0:
            self.refused[reader] += 1
            self.begin(reader, ReaderFault.CHATTERS)
            return False
        passed.append(now)
        self.end(reader, ReaderFault.CHATTERS)
        return True
