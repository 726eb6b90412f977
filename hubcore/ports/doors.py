"""Doors: the movers that open them, and the wired inputs that show what they do.

Laws: they hold for a mover of any kind (tests/ports/test_mover.py).
1. Its driver owns the off-timer: a release ends by itself, whatever becomes of hubd.
2. It moves only on a call of `release`, and for no longer than its cap at a stretch. Then it rests.
   One that may be held open has no such cap and never rests: it is driven as long as releases are
   renewed, and falls at the end of the last.
3. After an error it is at rest, as far as is known.
4. What it says of the bolt is what it has proof of: `locked` and `free` only by a mover that reads
   the bolt itself. What has not been heard of yet, or not any more, is `unknown`.
5. It has an id of its own. A door with several movers is one mover to whoever releases it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hubcore.door.state import BoltState


class Mover(Protocol):
    """What opens a door: a strike, or all strikes of the door together."""

    async def release(self, seconds: float) -> None:
        """Drive it for `seconds` (at most its cap); return when it is driven.

        A release during a release extends it to the later end. Nothing is driven for longer than
        its cap at a stretch: then it rests, and the release goes on after a short rest
        (`drivers.strike.stretch`).

        Raise RestingError when it must rest first: nothing was driven. Raise HardwareError when it
        cannot be driven: it may have been for a moment, and is now at rest, as far as is known.
        """

    @property
    def driven(self) -> bool:
        """Whether it is driven now, as far as is known here."""

    @property
    def bolt_state(self) -> BoltState:
        """What it has proof of: whether it holds the bolt now (law 4)."""

    def must_rest_seconds(self, seconds: float) -> float:
        """Return how long it must rest before a release of `seconds` can begin.

        0 when it can begin now, or when that is not known here: `release` has the last word.
        """

    async def secure(self) -> None:
        """End a release now; do nothing when it is at rest. Raise HardwareError."""


class Input(StrEnum):
    """What a wired input says.

    REX and fire release act in hardware: hubd only sees and records them.
    """

    DOOR_OPEN = "door_open"
    DOOR_CLOSED = "door_closed"
    REX = "rex"
    STRIKE_ACTIVE = "strike_active"
    STRIKE_INACTIVE = "strike_inactive"
    BOLT_LOCKED = "bolt_locked"
    BOLT_FREE = "bolt_free"
    TAMPER = "tamper"
    """The two contacts of a supervised input contradict each other."""
    TAMPER_ENDED = "tamper_ended"
    FIRE = "fire"
    FIRE_ENDED = "fire_ended"


@dataclass(frozen=True, slots=True)
class InputEvent:
    """One edge seen at a door; `at` is CLOCK_MONOTONIC in seconds."""

    door: str
    what: Input
    at: float


class Inputs(Protocol):
    """The edges of all doors of the hub, in the order they were seen."""

    def events(self) -> AsyncIterator[InputEvent]:
        """Yield the level of every input once, then each edge, until cancelled."""


ReadInputs = Callable[[], Mapping[str, bool]]
"""Reads whether each wired input is active now, by door and contact. Raises HardwareError."""
