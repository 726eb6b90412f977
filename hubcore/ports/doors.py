"""Doors: what moves them, and the wired inputs that tell what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Door(Protocol):
    """One door's strike. The driver owns the off-timer: a release ends by itself, whatever becomes of hubd."""

    async def release(self, seconds: float) -> None:
        """Drive the strike for `seconds` (at most its cap); return when the line is driven.

        A release during a release extends it to the later end. No strike is driven for longer than its cap at a
        stretch: then it rests, and the release goes on after a short rest (`drivers.strike.stretch`).
        Raise RestingError when the strike must rest first, HardwareError when the line cannot be driven; the line is
        then, as far as known, inactive.
        """

    @property
    def driven(self) -> bool:
        """Whether the strike is driven now, as far as is known here."""

    def must_rest_seconds(self, seconds: float) -> float:
        """Return how long the strike must rest before a release of `seconds` can begin, as far as is known here.

        0 when it can begin now, or when nobody knows: `release` has the last word.
        """

    async def secure(self) -> None:
        """End a release now. Securing a secured door does nothing."""


class Input(StrEnum):
    """What a wired input says. REX and fire release act in hardware; hubd only observes and records them."""

    DOOR_OPEN = "door_open"
    DOOR_CLOSED = "door_closed"
    REX = "rex"
    STRIKE_ACTIVE = "strike_active"
    STRIKE_INACTIVE = "strike_inactive"


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
