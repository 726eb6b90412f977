"""What moves the doors: one row for each kind of mover, and all movers of a door joined to one.

Laws:
1. All movers of a kind are made in one go: they may share a process, as strikes share their guard.
2. Whoever releases a door cannot tell how many movers it has, or of which kinds.

--check-config looks at a mover that is a `hubd.config.movers.Line` as at every GPIO line
(`hubd.wiring.look.lines`). `hubd.wiring.securing` has the row of a mover that can stay driven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivers.gpio.lines import outputs_outlive_us
from drivers.strike.guard_client import GPIO_FACTORY, StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import StrikeLine
from hubcore.ports.doors import Mover
from hubd.config import movers as sections
from hubd.config.doors import Door
from hubd.config.file import Config
from hubd.upkeep.checks import Part
from hubd.wiring.locks import zwave_locks
from hubd.wiring.made import MadeKind, MakeForDoor
from hubd.wiring.mover_group import MoverGroup, Publish
from hubd.wiring.parts import RunPart, TellPart


@dataclass(frozen=True, slots=True)
class MadeMovers:
    """What moves each door, by the door's id, and what must run for it, by name."""

    doors: Mapping[str, Mover]
    runs: Mapping[Part, RunPart]


MakeKind = Callable[[Sequence[Any], TellPart], MadeKind]
"""Takes all sections of its own kind."""


def gpio_strikes(wanted: Sequence[sections.Strike], tell: TellPart) -> MadeKind:
    """Strikes on the lines of this machine."""
    if outputs_outlive_us():
        tell(Part.GPIO, False, "This kernel keeps GPIO outputs driven when their process dies.")
    return strikes(wanted, tell, GPIO_FACTORY)


def strikes(wanted: Sequence[sections.Strike], tell: TellPart, factory: str) -> MadeKind:
    """Strikes behind their guard; `factory` names what opens their lines (see the guard)."""
    guard = StrikeGuard(strike_lines(wanted), partial(tell, Part.STRIKES), factory)
    makers: dict[str, MakeForDoor] = {}
    for strike in wanted:
        makers[strike.id] = partial(Strike, guard, strike.id)
    return MadeKind(makers, {Part.STRIKES: guard.run})


def strike_lines(wanted: Iterable[sections.Strike]) -> dict[str, StrikeLine]:
    """Return the lines of strikes by their ids, each with its own cap and rest."""
    return {strike.id: _line_of(strike) for strike in wanted}


def _line_of(strike: sections.Strike) -> StrikeLine:
    return StrikeLine(
        chip=strike.chip,
        line=strike.line,
        active_low=strike.active_low,
        cap_ms=round(strike.cap_seconds * 1000),
        rest_ms=round(strike.rest_seconds * 1000),
    )


MOVER_KINDS: Mapping[type[sections.Mover], MakeKind] = {
    sections.Strike: gpio_strikes,
    sections.ZwaveLock: zwave_locks,
}
"""A row for each kind in `hubd.config.movers.Mover`."""


def make_movers(
    config: Config,
    publish: Publish,
    tell: TellPart,
    rows: Mapping[type[sections.Mover], MakeKind] = MOVER_KINDS,
) -> MadeMovers:
    """Make what moves the doors of the configuration; `publish` hears what they do."""
    wanted = [mover for door in config.doors for mover in door.moved_by]
    makers: dict[str, MakeForDoor] = {}
    runs: dict[Part, RunPart] = {}
    for kind, make in rows.items():
        of_kind = [mover for mover in wanted if type(mover) is kind]
        if of_kind:
            made = make(of_kind, tell)
            makers.update(made.movers)
            runs.update(made.runs)
    doors = {door.id: _mover_of(door, makers, publish) for door in config.doors}
    return MadeMovers(doors, runs)


def _mover_of(door: Door, makers: Mapping[str, MakeForDoor], publish: Publish) -> Mover:
    """Make the movers of a door, and of several one."""
    own: list[Callable[[Publish], Mover]] = []
    for mover in door.moved_by:
        make = makers[mover.id]
        own.append(partial(make, door.id))
    if len(own) == 1:
        return own[0](publish)
    return MoverGroup(own, publish)
