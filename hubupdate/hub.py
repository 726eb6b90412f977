"""What an update asks of the hub that it renews.

Laws:
1. A question has an end: what does not answer in its time is not right.
2. `switch` is called with the state on the disk and the link turned. Whether it hands over or
   starts hubd again is its own to choose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hubcore.update.health import Look, Seen
from hubcore.update.slots import Slot


class Hub(Protocol):
    """The daemon of this machine, and who starts it."""

    def passes_its_test(self, image_file: Path) -> bool:
        """Let an image test itself on copies of the databases. Raise StoreError for no try."""

    def is_at_rest(self) -> bool:
        """Tell whether no phone is connected, no mover is driven and no door is in a cycle."""

    def switch(self, slot: Slot) -> bool:
        """Let the hubd of this slot take over; tell whether it did. Raise StoreError for no try."""

    def seen(self) -> frozenset[Seen]:
        """Return who is there now."""

    def look(self, slot: Slot) -> Look:
        """Return what is right of this slot's hubd, and who is there, now."""
