"""A hub on a desk: hubd's own `serve` on a virtual radio or the machine's own, the real strike guard on lines in a
file, and doors with physics behind those lines. A person may stand there who pulls each door that is released.

Law: only what drives a real hub's strike drives these: the guard's process, on lines that other processes can read.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from drivers.gpio.events import Edges
from drivers.strike.strike import Strike, StrikeGuard
from drivers.strike.wire import StrikeLine
from hubcore.ports.doors import Input, InputEvent
from hubcore.ports.radio import Radio
from hubd.adapters.host.keyfiles import load_beacon
from hubd.config.file import Config, Door
from hubd.upkeep.checks import Part
from hubd.wiring.parts import Parts, TellPart
from hubsim.door.door import SimDoor
from hubsim.door.lines import Bank
from hubsim.radio.choice import BLESS
from hubsim.radio.hub_radio import BumbleRadio

FACTORY = "hubsim.door.lines:open_lines"
BANK = "lines"
"""The file in the hub's state directory that shows its strike lines, in the order of its doors."""
PULL_AFTER_SECONDS, LET_GO_AFTER_SECONDS = 0.2, 0.5


def desk_parts(transport: str, person: bool, config: Config, tell: TellPart) -> Parts:
    """Make a desk's parts; `transport` is bumble's name of the HCI transport to attach to, or BLESS."""
    path = config.hub.state_directory / BANK
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    Bank.create(path, [door.id for door in config.doors]).close()
    guard = StrikeGuard([_line(path, door) for door in config.doors], partial(tell, Part.STRIKES), FACTORY)
    edges = Edges()
    doors = {}
    for index, door in enumerate(config.doors):
        metal = SimDoor(door.id, asyncio.get_running_loop(), edges.put)
        doors[door.id] = Strike(guard, index, door.id, partial(_drive, metal, edges, person))
    return Parts(_radio(transport, config, tell), doors, edges, {Part.STRIKES: guard.run})


def _line(path: Path, door: Door) -> StrikeLine:
    return StrikeLine(
        chip=str(path),
        line=door.id,
        cap_ms=round(door.strike_cap_seconds * 1000),
        rest_ms=round(door.strike_rest_seconds * 1000),
    )


def _radio(transport: str, config: Config, tell: TellPart) -> Radio:
    if transport != BLESS:
        return BumbleRadio(transport, load_beacon(config))
    from hubsim.radio.bless_radio import BlessRadio

    return BlessRadio(partial(tell, Part.RADIO, False))


def _drive(metal: SimDoor, edges: Edges, person: bool, event: InputEvent) -> None:
    """Let the line act on the door's metal, and on the person in front of it."""
    edges.put(event)
    metal.active = event.what is Input.STRIKE_ACTIVE
    if metal.active and person:
        loop = asyncio.get_running_loop()
        loop.call_later(PULL_AFTER_SECONDS, metal.pull)
        loop.call_later(LET_GO_AFTER_SECONDS, metal.let_go)
