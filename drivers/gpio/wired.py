"""What is wired to a line that is an input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Contact(Enum):
    """What is wired. *Active* means: the door is open, or somebody wants out, or there is a fire.

    DPS_SECOND is the other contact of a switch with two: active while the door is closed.
    """

    DPS = "dps"
    DPS_SECOND = "dps_second"
    REX = "rex"
    BOLT = "bolt"
    """Active while the bolt is thrown."""
    FIRE = "fire"


@dataclass(frozen=True, slots=True)
class InputLine:
    """One input.

    Wire a DPS so that a cut wire reads as open: closed door pulls to ground, active is high.
    """

    door: str
    contact: Contact
    chip: str
    line: str | int
    active_low: bool = False
    debounce_ms: int = 20

    def __str__(self) -> str:
        return f"{self.contact.name} of {self.door} (line {self.line!r} of {self.chip})"
