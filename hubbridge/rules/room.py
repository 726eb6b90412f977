"""Which hub may still put records on the bridge's disk: a budget, and a share that is each hub's.

How it works: the budget is divided by the number of hubs that a bridge takes at most. That much is
each hub's own. What the others do not need of theirs is lent, as long as it could be given to them
at any moment.

Laws:
1. All hubs together never have more than the budget.
2. A hub below its share is never refused, whatever the others do. So a hub that floods takes
   nothing from its neighbours.
3. A refusal loses nothing: the hub keeps what it was not told to be held.
4. What a record takes is its bytes and RECORD_OVERHEAD_BYTES, also where the file needs less.
5. While less than `free_bytes_min` are left, nobody's records are taken, whoever filled the disk.
   That room is for letting go: a file shrinks by writing to it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RECORD_OVERHEAD_BYTES = 96
"""A row's hash, number and head, and its part of the tree above it."""


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """What hubs may put on the disk: bytes in all, how many hubs there may be, what stays free."""

    budget_bytes: int = 2 << 30
    hubs_max: int = 128
    free_bytes_min: int = 32 << 20

    def __post_init__(self) -> None:
        """Raise ValueError for a budget that gives a hub nothing."""
        if self.hubs_max < 1 or self.budget_bytes < self.hubs_max:
            raise ValueError("a budget must have a share for each hub")

    @property
    def share_bytes(self) -> int:
        """What is each hub's own."""
        return self.budget_bytes // self.hubs_max


def bytes_of(body: bytes) -> int:
    """Return what one record takes (law 4)."""
    return len(body) + RECORD_OVERHEAD_BYTES


def has_room(limits: RoomLimits, used: Mapping[str, int], hub: str, more_bytes: int) -> bool:
    """Tell whether a hub may put so many more bytes on the disk.

    `used` has the bytes of each hub that is known. A hub that it does not name is a new one.
    """
    own = used.get(hub, 0) + more_bytes
    if hub not in used and len(used) >= limits.hubs_max:
        return False
    if own <= limits.share_bytes:
        return True
    others = [one for name, one in used.items() if name != hub]
    promised = sum(max(one, limits.share_bytes) for one in others)
    not_yet_here = limits.hubs_max - len(others) - 1
    promised += not_yet_here * limits.share_bytes
    return own + promised <= limits.budget_bytes


def share_used(limits: RoomLimits, used: Mapping[str, int]) -> float:
    """Return how much of the budget is used, from 0 to 1: for people."""
    return sum(used.values()) / limits.budget_bytes
