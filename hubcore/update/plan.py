"""The director's plan: which image the hubs of a channel get, who first, when, and who not.

Laws:
1. A plan says the same to every hub. Each hub finds by itself what it means for it, so that one
   without a network goes on by the plan that it has, until its signature's time ends.
2. The stages follow one another: the later one is, the more hubs it has.
3. A hub stands in one area at most.
4. A plan is read only after its signature was proven (`hubupdate`), and then with ceilings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hubcore.calendar.recurrence import MINUTES_A_DAY
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.update.image import Image

PLAN_BYTES_MAX = 1024 * 1024
PLAN_ITEMS_MAX = 65_536
HUNDREDTHS = 10_000
"""A share of all hubs is counted in hundredths of a per cent."""
STAGES_MAX = 32
WINDOWS_MAX = 64
HUBS_MAX = 16_384
"""Hubs that a plan names, in all."""
TEXT_CHARACTERS_MAX = 100
LATEST_SECOND = 1 << 40
_FORM = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """From `begins` (Unix seconds) on, this share of the hubs may have the image."""

    begins: int
    share: int
    """In hundredths of a per cent, 0..HUNDREDTHS."""

    def __post_init__(self) -> None:
        """Raise ValueError for a share or a moment out of range."""
        if not 0 <= self.share <= HUNDREDTHS:
            raise ValueError(f"a share is 0..{HUNDREDTHS}")
        if not 0 <= self.begins <= LATEST_SECOND:
            raise ValueError("a stage begins at a moment since 1970")


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan; raise ValueError for one that keeps no law."""

    issued: int
    """When it was signed, in Unix seconds: a floor under the time (`hubcore.update.belief`)."""
    image: Image
    canaries: frozenset[str]
    """Hubs that may have the image at once."""
    stages: tuple[Stage, ...]
    windows: tuple[Rule, ...]
    """When a hub may switch, by the wall clock at the door; none: at any time."""
    held: frozenset[str]
    """Hubs that stay as they are."""
    is_held: bool
    """All hubs stay as they are: those that have not switched yet do not."""
    areas: tuple[frozenset[str], ...]
    """Hubs of which no two may switch in one turn."""

    def __post_init__(self) -> None:
        """Look at what holds between the fields."""
        for before, after in pairwise(self.stages):
            if before.begins >= after.begins or before.share > after.share:
                raise ValueError("a later stage has fewer hubs, or none is later")
        in_areas = [hub for area in self.areas for hub in area]
        if len(in_areas) != len(set(in_areas)):
            raise ValueError("a hub stands in two areas")

    def area_of(self, hub: str) -> frozenset[str]:
        """Return the hubs of its area, itself too; itself alone for one that has no area."""
        alone = frozenset({hub})
        return next((area for area in self.areas if hub in area), alone)


def write_plan(plan: Plan) -> bytes:
    """Return a plan as the director signs it: deterministic CBOR."""
    image = plan.image
    return cbor.encode(
        [
            _FORM,
            plan.issued,
            [image.name, image.version, image.digest, image.size],
            sorted(plan.canaries),
            [[stage.begins, stage.share] for stage in plan.stages],
            [[rule.days, rule.start, rule.end] for rule in plan.windows],
            sorted(plan.held),
            int(plan.is_held),
            [sorted(area) for area in plan.areas],
        ]
    )


def read_plan(data: bytes) -> Plan:
    """Read a plan whose signature was proven. Raise FrameError for anything else."""
    if len(data) > PLAN_BYTES_MAX:
        raise FrameError("a plan is too long")
    document = cbor.decode(data, max_items=PLAN_ITEMS_MAX)
    try:
        form, issued, image, canaries, stages, windows, held, is_held, areas = document
        if form != _FORM:
            raise ValueError("it is of another form")
        plan = Plan(
            issued=_number(issued, LATEST_SECOND),
            image=_image(image),
            canaries=_hubs(canaries),
            stages=tuple(_stage(stage) for stage in _list(stages, STAGES_MAX)),
            windows=tuple(_window(window) for window in _list(windows, WINDOWS_MAX)),
            held=_hubs(held),
            is_held=bool(_number(is_held, 1)),
            areas=tuple(_hubs(area) for area in _list(areas, HUBS_MAX)),
        )
    except (ValueError, TypeError) as error:
        raise FrameError(f"a plan cannot be read: {error}") from error
    if sum(map(len, (plan.canaries, plan.held, *plan.areas))) > HUBS_MAX:
        raise FrameError("a plan names too many hubs")
    return plan


def _list(value: Any, longest: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > longest:
        raise ValueError(f"a list of at most {longest} is expected")
    return value


def _number(value: Any, highest: int) -> int:
    if type(value) is not int or not 0 <= value <= highest:
        raise ValueError(f"a number of 0..{highest} is expected")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARACTERS_MAX:
        raise ValueError(f"a text of 1..{TEXT_CHARACTERS_MAX} characters is expected")
    return value


def _hubs(value: Any) -> frozenset[str]:
    hubs = [_text(hub) for hub in _list(value, HUBS_MAX)]
    if sorted(set(hubs)) != hubs:
        raise ValueError("hubs are named once, in order")
    return frozenset(hubs)


def _image(value: Any) -> Image:
    name, version, digest, size = _list(value, 4)
    if not isinstance(digest, bytes):
        raise TypeError("a digest is bytes")
    return Image(_text(name), _text(version), digest, _number(size, LATEST_SECOND))


def _stage(value: Any) -> Stage:
    begins, share = _list(value, 2)
    return Stage(_number(begins, LATEST_SECOND), _number(share, HUNDREDTHS))


def _window(value: Any) -> Rule:
    days, start, end = _list(value, 3)
    return Rule(_number(days, 127), _number(start, MINUTES_A_DAY), _number(end, MINUTES_A_DAY))
