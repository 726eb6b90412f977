"""Whose records are written next: each hub that waits has its turn.

How it works: what hubs send waits here until the disk has room for another commit. A commit is
filled in turns. A hub's turn gives it TURN_BYTES or one item; then the next hub has its turn. A hub
whose items here are as many bytes as may wait is `full`: its connection is not read until they are
fewer, so that TCP holds it back.

Laws:
1. Between two turns of a hub that waits, no other hub has more than one.
2. Items of one hub come in its order.
3. At most `waiting_bytes` of a hub wait, and one item more.
4. A hub that has gone leaves nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

TURN_BYTES = 16_384
WAITING_BYTES = 262_144

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Line(Generic[_Item]):
    """What waits of one hub, each item with its bytes."""

    items: deque[tuple[_Item, int]] = field(default_factory=deque)
    size_bytes: int = 0


class Turns(Generic[_Item]):
    """The lines of all hubs."""

    def __init__(self, turn_bytes: int = TURN_BYTES, waiting_bytes: int = WAITING_BYTES) -> None:
        self._turn_bytes = turn_bytes
        self._waiting_bytes = waiting_bytes
        self._lines: dict[str, _Line[_Item]] = {}
        """Whose turn is next comes first. No line here is empty."""

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, hub: str, item: _Item, size_bytes: int) -> None:
        """Take an item to the end of its hub's line."""
        line = self._lines.setdefault(hub, _Line())
        line.items.append((item, size_bytes))
        line.size_bytes += size_bytes

    def is_full(self, hub: str) -> bool:
        """Tell whether no more is to be read from this hub."""
        line = self._lines.get(hub)
        return line is not None and line.size_bytes >= self._waiting_bytes

    def next_batch(self, most_bytes: int) -> list[tuple[str, _Item]]:
        """Take what is written next, in turns: `most_bytes`, and at most one turn more."""
        batch: list[tuple[str, _Item]] = []
        taken = 0
        while self._lines and taken < most_bytes:
            hub = next(iter(self._lines))
            line = self._lines.pop(hub)
            taken += self._turn(hub, line, batch)
            if line.items:
                self._lines[hub] = line
        return batch

    def forget(self, hub: str) -> list[_Item]:
        """Take out all that waits of a hub (law 4)."""
        line = self._lines.pop(hub, None)
        return [] if line is None else [item for item, _ in line.items]

    def _turn(self, hub: str, line: _Line[_Item], batch: list[tuple[str, _Item]]) -> int:
        """Move one turn's items to the batch; return their bytes."""
        taken = 0
        while line.items and (taken == 0 or taken + line.items[0][1] <= self._turn_bytes):
            item, size_bytes = line.items.popleft()
            line.size_bytes -= size_bytes
            taken += size_bytes
            batch.append((hub, item))
        return taken
