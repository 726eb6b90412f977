"""What hubd tells of a change of hands over its local socket, and what it is asked then.

Laws:
1. Nothing that came raises. What is no answer tells that nobody answered.
2. A hubd that knows no change of hands, or does not say from where it runs, is UNABLE: it is
   started again instead.
3. It runs from a slot when its place is that slot's folder below `mounts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hubcore.update.slots import Slot
from hubupdate.running.daemon import Reply

PYTHON = "bin/python"
WHY_BAD = "the update takes it back"

Call = Callable[[str, Mapping[str, Any]], Reply]
"""Ask hubd by a call's name and its arguments."""


class Stand(Enum):
    """How the hubd that drives stands to a change of hands."""

    ALONE = "it drives, and nobody stands by"
    CHANGING = "another version is about to take over"
    ON_TRIAL = "it has taken over, and the former version stands by"
    UNABLE = "it cannot be taken over"
    SILENT = "nobody answers"


_STANDS = {
    "alone": Stand.ALONE,
    "changing": Stand.CHANGING,
    "on-trial": Stand.ON_TRIAL,
}
"""By the words of `hubd.takeover.changing.Standing`."""


class Ordered(Enum):
    """What hubd says to an order to be taken over."""

    TAKEN = "it begins"
    BUSY = "it changes hands already, or does not answer now: ask again"
    REFUSED = "it does not do that: only another start helps"


@dataclass(frozen=True, slots=True)
class Told:
    """What the hubd that drives tells."""

    stand: Stand
    slot: Slot | None = None
    """From which slot it runs; None for none."""
    why: str = ""
    """Why the last change came to nothing."""
    is_tried: bool = False
    """Whether the new version had its try in that change."""


class Handing:
    """The change of hands as hubd's local socket has it."""

    def __init__(self, mounts: Path, call: Call) -> None:
        self._mounts = mounts
        self._call = call

    def told(self) -> Told:
        """Ask whoever drives."""
        reply = self._call("takeover-status", {})
        result = reply.result
        if result is None:
            return Told(Stand.UNABLE if reply.is_answer else Stand.SILENT)
        stand = _STANDS.get(_text(result.get("standing")), Stand.UNABLE)
        place = _text(result.get("place"))
        if not place:
            return Told(Stand.UNABLE)
        why = _text(result.get("why"))
        return Told(stand, self._slot_of(place), why, result.get("tried") is True)

    def order(self, slot: Slot) -> Ordered:
        """Have this slot's hubd take over."""
        program = str(self._mounts / slot / PYTHON)
        reply = self._call("takeover", {"program": program})
        if reply.result is not None:
            return Ordered.TAKEN
        busy = not reply.is_answer or reply.code == "sequence"
        return Ordered.BUSY if busy else Ordered.REFUSED

    def end_trial(self, is_well: bool) -> None:
        """End the trial; what came of it, `told` says."""
        word = {"well": True} if is_well else {"well": False, "why": WHY_BAD}
        self._call("takeover-end", word)

    def _slot_of(self, place: str) -> Slot | None:
        path = Path(place)
        if path.parent != self._mounts or path.name not in list(Slot):
            return None
        return Slot(path.name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
