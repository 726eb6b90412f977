"""What a hub says of what is wrong with itself.

Laws:
1. It is no evidence. It names no person, and holds no words of a device, a file or an error: a
   check by its name, and parts of the hub by the ids of its configuration.
2. It is the whole list of now: what is not in it is not wrong. An empty one says that all is well.
3. It has ceilings, whatever is wrong there. What found no room is counted.
4. Times are ages: a hub whose clock is wrong says the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, Self

from hubcore.backend.uplink.fields import Message, check_uint, rows_of
from hubcore.errors import FrameError

NAME = re.compile(r"[a-z0-9-]{1,32}")
"""The name of a check, and the id of a part."""
TROUBLES_MAX = 32
PARTS_MAX = 64
"""Of all troubles of one message together."""
COUNT_MAX = 2**32 - 1
_FIELDS = 5


class TroubleSeverity(IntEnum):
    """How grave it is. The numbers are never changed."""

    WARNING = 0
    """The hub works, but somebody must look."""
    ERROR = 1
    """A door may not open, or evidence is in danger."""


class Trouble(NamedTuple):
    """What is wrong: a check, and since how many seconds it has been so.

    `parts` are ids of doors, devices or readers; `more` counts those that found no room.
    """

    code: str
    severity: TroubleSeverity
    age_seconds: int
    parts: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class HealthState(Message):
    """Hub: this is wrong with me now, the gravest first; `more` troubles found no room."""

    TYPE: ClassVar[int] = 35
    DEPTH: ClassVar[int] = 4
    ITEMS: ClassVar[int] = 4 + 6 * TROUBLES_MAX + PARTS_MAX
    troubles: tuple[Trouble, ...]
    more: int

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        if type(self.troubles) is not tuple or len(self.troubles) > TROUBLES_MAX:
            raise FrameError(f"uplink: troubles is no list of at most {TROUBLES_MAX}")
        for trouble in self.troubles:
            _check(trouble)
        if sum(len(trouble.parts) for trouble in self.troubles) > PARTS_MAX:
            raise FrameError(f"uplink: troubles have more than {PARTS_MAX} parts")
        check_uint("more", self.more, COUNT_MAX)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each severity comes as its number, and parts as a list."""
        rows, more = values
        troubles = []
        for code, severity, age_seconds, parts, beyond in rows_of("troubles", rows, _FIELDS):
            check_uint("severity", severity, max(TroubleSeverity))
            named = tuple(parts) if type(parts) is list else parts
            troubles.append(Trouble(code, TroubleSeverity(severity), age_seconds, named, beyond))
        return cls(tuple(troubles), more)


def _check(trouble: Trouble) -> None:
    _check_name("code", trouble.code)
    if type(trouble.severity) is not TroubleSeverity:
        raise FrameError("uplink: severity is none of those known")
    check_uint("age", trouble.age_seconds, COUNT_MAX)
    if type(trouble.parts) is not tuple:
        raise FrameError("uplink: parts is no list")
    for part in trouble.parts:
        _check_name("part", part)
    check_uint("more", trouble.more, COUNT_MAX)


def _check_name(name: str, value: object) -> None:
    if type(value) is not str or not NAME.fullmatch(value):
        raise FrameError(f"uplink: {name} is no name of 1..32 characters of a-z, 0-9 and -")
