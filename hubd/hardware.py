"""The real parts of a hub: BlueZ, strikes behind their guard, inputs on GPIO lines."""

from __future__ import annotations

from functools import partial

from drivers.events import Edges
from drivers.guardwire import StrikeLine
from drivers.inputs import Contact, InputLine, WiredInputs
from drivers.strike import Strike, StrikeGuard
from hubd.adapters.bluez_radio import BluezRadio
from hubd.config import Config, Line
from hubd.parts import Parts, Run, TellPart


def real_parts(config: Config, tell: TellPart) -> Parts:
    """Make the parts that the configuration names; nothing is opened before they run."""
    edges = Edges()
    guard = strike_guard(config, tell)
    doors = {door.id: Strike(guard, index, door.id, edges.put) for index, door in enumerate(config.doors)}
    runs: dict[str, Run] = {"strikes": guard.run}
    lines = [
        _input(door.id, contact, line)
        for door in config.doors
        for contact, line in ((Contact.DPS, door.dps), (Contact.REX, door.rex))
        if line is not None
    ]
    if lines:
        runs["inputs"] = WiredInputs(lines, edges.put, partial(tell, "inputs")).run
    return Parts(BluezRadio(config.radio.adapter), doors, edges, runs)


def strike_guard(config: Config, tell: TellPart, factory: str | None = None) -> StrikeGuard:
    """Make the guard of all strikes, in the order of the doors; `factory` names other lines than the kernel's."""
    lines = [StrikeLine(door.strike.chip, door.strike.line, door.strike.active_low) for door in config.doors]
    cap_seconds = max(door.strike_cap_seconds for door in config.doors)
    chosen = {} if factory is None else {"factory": factory}
    return StrikeGuard(lines, partial(tell, "strikes"), cap_seconds, **chosen)


def _input(door: str, contact: Contact, line: Line) -> InputLine:
    return InputLine(door, contact, line.chip, line.line, line.active_low)
