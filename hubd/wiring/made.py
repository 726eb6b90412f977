"""What the maker of one kind of movers gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hubcore.checks import Part
from hubcore.ports.doors import Mover
from hubd.wiring.handed.belongings import Handed
from hubd.wiring.mover_group import Publish
from hubd.wiring.parts import RunPart

MakeForDoor = Callable[[str, Publish], Mover]
"""Takes the door that it moves, and who hears what it does."""


@dataclass(frozen=True, slots=True)
class MadeKind:
    """All movers of one kind: what makes each, by its id, and what must run for them, by name."""

    movers: Mapping[str, MakeForDoor]
    runs: Mapping[Part, RunPart]
    handed: Sequence[Handed] = ()
    """What of them can change hands."""
