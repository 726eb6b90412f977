"""What an update asks of the hub that it renews.

Laws:
1. A question has an end: what does not answer in its time is not right.
2. `switch` and `go_back` are called with the state on the disk and the link turned. Whether they
   hand over or start hubd again is their own to choose.
3. What takes long is asked for again: UNDER_WAY, and False of `go_back` and `stays`, ask for that.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Protocol

from hubcore.update.health import Look, Seen
from hubcore.update.slots import Slot


class Switch(Enum):
    """What came of a switch."""

    DONE = "the other slot's hubd drives"
    UNDER_WAY = "it is not over: ask again"
    FAILED = "the other slot's hubd did not come up, or did not stay"
    NOT_NOW = "somebody would be disturbed, or no quiet moment came: another time"


class Hub(Protocol):
    """The daemon of this machine, and who starts it."""

    def passes_its_test(self, image_file: Path) -> bool:
        """Let an image test itself on copies of the databases. Raise StoreError for no try."""

    def is_at_rest(self) -> bool:
        """Tell whether a switch would disturb nobody now."""

    def switch(self, slot: Slot) -> Switch:
        """Let the hubd of this slot take over. Raise StoreError for no try."""

    def go_back(self, slot: Slot) -> bool:
        """Let the hubd of the slot that was found well drive again; tell whether it does.

        It waits for nobody's rest. Raise StoreError for no try, or one that failed.
        """

    def stays(self, slot: Slot) -> bool:
        """Let the hubd of this slot stay after its trial; tell whether it drives alone."""

    def seen(self) -> frozenset[Seen]:
        """Return who is there now."""

    def look(self, slot: Slot) -> Look | None:
        """Return what is right of this slot's hubd, and who is there, now.

        None: it drives no more, and another slot's hubd does.
        """
