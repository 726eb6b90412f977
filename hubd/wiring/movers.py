"""What moves the doors: one row for each kind of mover, and all movers of a door joined to one.

Laws:
1. All movers of kinds with one maker are made in one go: they may share a process, as strikes and
   maglocks share their guard.
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
from drivers.lock.commands import Commands
from drivers.strike.guard_client import GPIO_FACTORY, StrikeGuard
from drivers.strike.strike import Strike
from drivers.strike.wire import StrikeLine
from hubcore.checks import Part
from hubcore.errors import ConfigError
from hubcore.ports.doors import Mover
from hubd.config import movers as sections
from hubd.config.devices import RelayBoard
from hubd.config.doors import Door
from hubd.config.file import Config
from hubd.wiring.devices import board_line
from hubd.wiring.handed.belongings import Handed
from hubd.wiring.handed.kinds import HandedGuards
from hubd.wiring.locks import locks
from hubd.wiring.made import MadeKind, MakeForDoor
from hubd.wiring.mover_group import MoverGroup, Publish
from hubd.wiring.networks import Networks
from hubd.wiring.parts import MadeMovers, RunPart, TellPart

MakeKind = Callable[[Sequence[Any], TellPart], MadeKind]
"""Takes all sections of its own kind."""


OnLine = sections.Strike | sections.Maglock


def gpio_strikes(wanted: Sequence[OnLine], tell: TellPart) -> MadeKind:
    """Strikes and maglocks on the lines of this machine."""
    if outputs_outlive_us():
        tell(Part.GPIO, False, "This kernel keeps GPIO outputs driven when their process dies.")
    return strikes(wanted, tell, GPIO_FACTORY)


def strikes(wanted: Sequence[OnLine], tell: TellPart, factory: str) -> MadeKind:
    """Strikes and maglocks behind their guard; `factory` names what opens their lines."""
    guard = StrikeGuard(
        strike_lines(wanted),
        partial(tell, Part.STRIKES),
        factory,
        tell_renewal=partial(tell, Part.GUARD),
    )
    has_magnets = any(isinstance(one, sections.Maglock) for one in wanted)
    makers: dict[str, MakeForDoor] = {}
    for strike in wanted:
        makers[strike.id] = partial(Strike, guard, strike.id)
    return MadeKind(makers, {Part.STRIKES: guard.run}, [HandedGuards(guard, has_magnets)])


def strike_lines(wanted: Iterable[OnLine]) -> dict[str, StrikeLine]:
    """Return the lines of strikes by their ids, each with its own cap and rest."""
    return {strike.id: _line_of(strike) for strike in wanted}


def _line_of(strike: OnLine) -> StrikeLine:
    """Return a line as the guard knows it: active is released, so a magnet has no power then."""
    is_magnet = isinstance(strike, sections.Maglock)
    return StrikeLine(
        chip=strike.chip,
        line=strike.line,
        active_low=strike.active_low is not is_magnet,
        cap_ms=0 if strike.continuous else round(strike.cap_seconds * 1000),
        rest_ms=round(strike.rest_seconds * 1000),
    )


@dataclass(frozen=True, slots=True)
class StrikeOnBoard:
    """A strike on a relay, and the board of that."""

    strike: sections.RelayStrike
    board: RelayBoard


def relay_strikes(wanted: Sequence[StrikeOnBoard], tell: TellPart) -> MadeKind:
    """Strikes on relays of boards that end a pulse by themselves. Raise ConfigError."""
    try:
        from drivers.relays.strike import StrikeRelay
        from drivers.relays.strikes import RelayStrikes

        boards = {one.board.id: one.board for one in wanted}
        lines = []
        for id_, board in boards.items():
            on_it = (one.strike for one in wanted if one.board.id == id_)
            lines.append(board_line(board, {strike.id: strike.relay for strike in on_it}))
    except ImportError as error:
        raise ConfigError(
            f"a mover of kind relay_strike needs a library that is not installed ({error.name}): "
            "install hubd with its extra `relays` (docs/hub.md, Devices)"
        ) from error
    strikes = RelayStrikes(lines, partial(tell, Part.RELAY_STRIKES))
    makers: dict[str, MakeForDoor] = {}
    for one in wanted:
        relay = StrikeRelay(
            id=one.strike.id,
            cap_ms=round(one.strike.cap_seconds * 1000),
            rest_ms=round(one.strike.rest_seconds * 1000),
        )
        makers[relay.id] = partial(strikes.make, relay)
    return MadeKind(makers, {Part.RELAY_STRIKES: strikes.run})


def mover_kinds(networks: Networks, commands: Commands) -> dict[type[sections.Mover], MakeKind]:
    """Return a row for each kind in `hubd.config.movers.Mover`; `commands` commands the locks."""
    of_locks = partial(locks, networks, commands)
    return {
        sections.Strike: gpio_strikes,
        sections.Maglock: gpio_strikes,
        sections.RelayStrike: relay_strikes,
        sections.ZwaveLock: of_locks,
        sections.OpenZwaveLock: of_locks,
    }


def make_movers(
    config: Config,
    publish: Publish,
    tell: TellPart,
    rows: Mapping[type[sections.Mover], MakeKind],
) -> MadeMovers:
    """Make what moves the doors of the configuration; `publish` hears what they do.

    `rows`: `mover_kinds`, or those of a desk.
    """
    wanted = [mover for door in config.doors for mover in door.moved_by]
    boards = {board.id: board for board in config.relay_boards}
    makers: dict[str, MakeForDoor] = {}
    runs: dict[Part, RunPart] = {}
    handed: list[Handed] = []
    for make in dict.fromkeys(rows.values()):
        of_maker = [_with_board(one, boards) for one in wanted if rows.get(type(one)) is make]
        if of_maker:
            made = make(of_maker, tell)
            makers.update(made.movers)
            runs.update(made.runs)
            handed += made.handed
    doors = {door.id: _mover_of(door, makers, publish) for door in config.doors}
    return MadeMovers(doors, runs, handed)


def _with_board(
    mover: sections.Mover, boards: Mapping[str, RelayBoard]
) -> sections.Mover | StrikeOnBoard:
    """Return what is needed to make a mover: its section, and its board if it has one."""
    if isinstance(mover, sections.RelayStrike):
        return StrikeOnBoard(mover, boards[mover.board])
    return mover


def _mover_of(door: Door, makers: Mapping[str, MakeForDoor], publish: Publish) -> Mover:
    """Make the movers of a door, and of several one."""
    own: list[Callable[[Publish], Mover]] = []
    for mover in door.moved_by:
        make = makers[mover.id]
        own.append(partial(make, door.id))
    if len(own) == 1:
        return own[0](publish)
    return MoverGroup(own, publish)
