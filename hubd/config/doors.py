"""The doors of the hub: `[[doors]]`, with their movers, their inputs and the ways through them.

Laws:
1. A door has one `strike`, or a list of `movers`.
2. Each mover may be driven for a whole release: no cap is shorter than `strike_seconds`.
3. One id is one door or one mover, one number one access point, one line one purpose. Only a fire
   input may be that of several doors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from hubd.config.mistakes.sentences import KeyPath, WrongValueError, show
from hubd.config.movers import STRIKES_MAX, InputLine, Line, Maglock, Mover, Strike, ZwaveLock
from hubd.config.section import Id, Name, Section, kind_of

FIRE = "fire"
"""The key of a fire input, whose line doors may share."""
_A_LINE = 'a line such as { chip = "gpiochip0", line = 17 }'


class AccessPoint(Section, frozen=True):
    """One direction through one door.

    `fresh` demands the phone's own key each time: no short path.
    """

    number: Annotated[int, Meta(ge=1, le=65535, description="1 to 65535")]
    name: Name
    fresh: bool = False


class WiredLine(NamedTuple):
    """One GPIO line of a door: what it is for, and its key below the door."""

    role: str
    key: KeyPath
    line: Line


class Door(Section, frozen=True, kw_only=True):
    """One door: what moves it and for how long, the inputs that watch it, and the ways through it.

    `strike` is the short form of one mover; a door with more has `movers`.
    `strike_seconds`: one release. `strike_cap_seconds`: all releases that prolong each other.
    `strike_rest_seconds`: how long the strike then rests. A mover may have its own cap and rest.
    `without_time`: a grant without a schedule opens while the clock is not trusted.
    `offline_hours_max`: after so many hours without the backend nobody is let in.
    `pre_alarm_seconds`: so long before `held_open_seconds` are over it is told; 0: not at all.
    `dps_second`: the other contact of a position switch with two. `bolt`: active while it is shut.
    `fire`: an alarm system's contact; several doors may share its line.
    `extended_factor`: how much longer releases and openings are for somebody who needs longer.
    """

    id: Id
    name: Name
    strike: Annotated[Line | None, Meta(description=_A_LINE)] = None
    movers: Annotated[
        tuple[Mover, ...],
        Meta(max_length=8, description="1 to 8 tables [[doors.movers]]"),
    ] = ()
    access_points: Annotated[
        tuple[AccessPoint, ...],
        Meta(min_length=1, max_length=16, description="1 to 16 tables [[doors.access_points]]"),
    ]
    strike_seconds: Annotated[
        float,
        Meta(ge=0.2, le=30, description="0.2 to 30"),
    ] = 5.0
    strike_cap_seconds: Annotated[
        float,
        Meta(ge=0.2, le=60, description="strike_seconds to 60"),
    ] = 10.0
    strike_rest_seconds: Annotated[
        float,
        Meta(ge=0.5, le=600, description="0.5 to 600"),
    ] = 0.5
    held_open_seconds: Annotated[
        float,
        Meta(ge=1, le=86400, description="1 to 86400"),
    ] = 60.0
    without_time: bool = False
    offline_hours_max: Annotated[float, Meta(ge=0.1, le=8784, description="0.1 to 8784")] | None = (
        None
    )
    pre_alarm_seconds: Annotated[
        float,
        Meta(ge=0, le=86400, description="0 to held_open_seconds"),
    ] = 0.0
    extended_factor: Annotated[
        float,
        Meta(ge=1, le=10, description="1 to 10"),
    ] = 3.0
    dps: Annotated[InputLine | None, Meta(description=_A_LINE)] = None
    dps_second: Annotated[InputLine | None, Meta(description=_A_LINE)] = None
    rex: Annotated[InputLine | None, Meta(description=_A_LINE)] = None
    bolt: Annotated[InputLine | None, Meta(description=_A_LINE)] = None
    fire: Annotated[InputLine | None, Meta(description=_A_LINE)] = None

    @property
    def offline_seconds_max(self) -> float | None:
        """How long the backend may be away before nobody is let in; None: for ever."""
        if self.offline_hours_max is None:
            return None
        return self.offline_hours_max * 3600

    @property
    def moved_by(self) -> tuple[Mover, ...]:
        """What moves the door, each mover with its cap and its rest."""
        cap = self.strike_cap_seconds
        rest = self.strike_rest_seconds
        return tuple(mover.at_door(cap, rest) for mover in self._listed())

    def _listed(self) -> tuple[Mover, ...]:
        """Return the movers as the file has them; a strike of the short form has the door's id."""
        if self.strike is None:
            return self.movers
        short_form = Strike(
            id=self.id,
            chip=self.strike.chip,
            line=self.strike.line,
            active_low=self.strike.active_low,
        )
        return (short_form,)

    @property
    def may_be_held(self) -> bool:
        """Whether it may be held open: each of its movers stands being driven for ever."""
        return all(mover.continuous for mover in self.moved_by)

    @property
    def cap_seconds(self) -> float:
        """The longest that any of its movers is driven by one release."""
        return max(mover.cap_seconds for mover in self.moved_by)

    def lines(self) -> Iterator[WiredLine]:
        """Yield the GPIO lines that the door needs."""
        if self.strike is not None:
            yield WiredLine("strike", ("strike",), self.strike)
        for index, mover in enumerate(self.movers):
            if isinstance(mover, Line):
                role = f"{kind_of(mover)} {mover.id}"
                yield WiredLine(role, ("movers", f"[{index}]", "line"), mover)
        for role, line in self.inputs().items():
            yield WiredLine(role, (role,), line)

    def inputs(self) -> dict[str, InputLine]:
        """Return the inputs that the door has, by their keys."""
        named = {
            "dps": self.dps,
            "dps_second": self.dps_second,
            "rex": self.rex,
            "bolt": self.bolt,
            FIRE: self.fire,
        }
        return {role: line for role, line in named.items() if line is not None}

    def check(self, where: KeyPath) -> None:
        """Raise WrongValueError for a door that keeps not to laws 1 and 2; `where` is its path."""
        if self.strike is None and not self.movers:
            raise WrongValueError((*where, "strike"), _A_LINE, "nothing")
        if self.strike is not None and self.movers:
            expected = "strike or [[doors.movers]], one of the two"
            raise WrongValueError((*where, "movers"), expected, "both")
        expected = f"at least strike_seconds, which is {self.strike_seconds:g}"
        if self.dps_second is not None and self.dps is None:
            raise WrongValueError((*where, "dps_second"), "dps beside it", "none")
        if self.pre_alarm_seconds >= self.held_open_seconds:
            key = (*where, "pre_alarm_seconds")
            less = f"less than held_open_seconds, {self.held_open_seconds:g}"
            raise WrongValueError(key, less, f"{self.pre_alarm_seconds:g}")
        if self.strike_cap_seconds < self.strike_seconds:
            key = (*where, "strike_cap_seconds")
            raise WrongValueError(key, expected, f"{self.strike_cap_seconds:g}")
        for index, mover in enumerate(self.moved_by):
            if mover.cap_seconds < self.strike_seconds:
                key = (*where, "movers", f"[{index}]", "cap_seconds")
                raise WrongValueError(key, expected, f"{mover.cap_seconds:g}")


def check_doors(doors: Sequence[Door]) -> None:
    """Raise WrongValueError for a door that is wrong, by itself or beside the others."""
    for index, door in enumerate(doors):
        door.check(_path(index))
    _check_strikes(doors)
    _check_unique(doors)


def _path(index: int) -> KeyPath:
    return ("doors", f"[{index}]")


def _check_strikes(doors: Sequence[Door]) -> None:
    """One guard holds the lines of all strikes of the hub."""
    count = 0
    for index, door in enumerate(doors):
        count += sum(isinstance(mover, Strike | Maglock) for mover in door.moved_by)
        if count > STRIKES_MAX:
            expected = f"at most {STRIKES_MAX} strikes at all doors of the hub together"
            key = "movers" if door.movers else "strike"
            raise WrongValueError((*_path(index), key), expected, "more")


class _UniqueValue(NamedTuple):
    """A value that only one thing of the hub may have.

    `path` is its key's, `value` says also what sort of value it is, `owner` whose it is.
    `may_be_shared` with another that may, if both say the same of it: `settings`.
    """

    path: KeyPath
    value: tuple[str | int, ...]
    shown: str
    owner: str
    may_be_shared: bool = False
    settings: str = ""


def _check_unique(doors: Sequence[Door]) -> None:
    """Raise WrongValueError for what is there twice (law 3)."""
    owners: dict[tuple[str | int, ...], _UniqueValue] = {}
    for index, door in enumerate(doors):
        for unique in _unique_values(door, _path(index)):
            other = owners.setdefault(unique.value, unique)
            if other is unique:
                continue
            if other.may_be_shared and unique.may_be_shared:
                _check_same_settings(unique, other)
                continue
            found = f"{unique.shown}, which {other.owner} has too"
            raise WrongValueError(unique.path, "a value used once", found)


def _check_same_settings(shared: _UniqueValue, other: _UniqueValue) -> None:
    """Raise WrongValueError for a line that two doors share and read differently.

    The kernel has one setting a line: one of the doors would read what the other one means.
    """
    if shared.settings != other.settings:
        expected = f"{other.settings}, as {other.owner} has for the same {shared.shown}"
        raise WrongValueError(shared.path, expected, shared.settings)


def _unique_values(door: Door, where: KeyPath) -> Iterator[_UniqueValue]:
    """Yield the ids, numbers and lines of a door; `where` is its path."""
    owner = f"door {door.id!r}"
    yield _UniqueValue(
        path=(*where, "id"),
        value=("door", door.id),
        shown=show(door.id),
        owner="another door",
    )
    for number, point in enumerate(door.access_points):
        yield _UniqueValue(
            path=(*where, "access_points", f"[{number}]", "number"),
            value=("access point", point.number),
            shown=str(point.number),
            owner=f"{point.name!r} of {owner}",
        )
    for number, mover in enumerate(door.moved_by):
        listed = ("movers", f"[{number}]", "id") if door.movers else ("id",)
        yield _UniqueValue(
            path=(*where, *listed),
            value=("mover", mover.id),
            shown=show(mover.id),
            owner=f"a mover of {owner}",
        )
        if isinstance(mover, ZwaveLock):
            yield _UniqueValue(
                path=(*where, "movers", f"[{number}]", "node"),
                value=("node", mover.node, mover.endpoint),
                shown=f"node {mover.node}, endpoint {mover.endpoint}",
                owner=f"mover {mover.id!r} of {owner}",
            )
    for role, key, line in door.lines():
        chip = line.chip.removeprefix("/dev/")
        yield _UniqueValue(
            path=(*where, *key),
            value=("line", chip, line.line),
            shown=f"line {line.line!r} of {chip}",
            owner=f"{role} of {owner}",
            may_be_shared=role == FIRE,
            settings=_settings(line),
        )


def _settings(line: Line) -> str:
    """Return how an input is read, in the words of the configuration; nothing for an output."""
    if not isinstance(line, InputLine):
        return ""
    return f"active_low = {show(line.active_low)}, debounce_ms = {line.debounce_ms}"
