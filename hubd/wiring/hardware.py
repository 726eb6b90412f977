"""The real parts of a hub: BlueZ, strikes behind their guard, inputs on GPIO lines.

Law: making the parts reads a key and opens no hardware, so none can lack; what lacks is told when they run.
"""

from __future__ import annotations

from functools import partial

from drivers.gpio.events import Edges
from drivers.gpio.inputs import Contact, InputLine, WiredInputs
from drivers.gpio.lines import outputs_outlive_us
from drivers.strike.strike import Strike, StrikeGuard
from drivers.strike.wire import StrikeLine
from hubd.adapters.bluez.plan import RadioNews
from hubd.adapters.bluez.radio import BluezRadio
from hubd.adapters.host.keyfiles import load_beacon
from hubd.adapters.host.systemd import ask_for_new_bluetoothd
from hubd.config.file import Config, Line
from hubd.upkeep.checks import Part
from hubd.wiring.parts import Parts, Run, TellPart


def real_parts(config: Config, tell: TellPart) -> Parts:
    """Make the parts that the configuration names; no hardware is opened before they run. Raise ConfigError."""
    if outputs_outlive_us():
        tell(Part.GPIO, False, "This kernel keeps GPIO outputs driven when their process dies.")
    edges = Edges()
    guard = StrikeGuard(strike_lines(config), partial(tell, Part.STRIKES))
    doors = {door.id: Strike(guard, index, door.id, edges.put) for index, door in enumerate(config.doors)}
    runs: dict[Part, Run] = {Part.STRIKES: guard.run}
    inputs = [
        _input(door.id, contact, line)
        for door in config.doors
        for contact, line in ((Contact.DPS, door.dps), (Contact.REX, door.rex))
        if line is not None
    ]
    if inputs:
        runs[Part.INPUTS] = WiredInputs(inputs, edges.put, partial(tell, Part.INPUTS)).run
    tells = RadioNews(
        lost=partial(tell, Part.RADIO, False),
        settings=lambda amiss: tell(Part.BLUEZ, not amiss, amiss),
        pairing=lambda amiss: tell(Part.PAIRING, not amiss, amiss),
        stuck=ask_for_new_bluetoothd,
    )
    radio = BluezRadio(config.radio.adapter, tells, beacon=load_beacon(config))
    return Parts(radio, doors, edges, runs)


def strike_lines(config: Config) -> list[StrikeLine]:
    """Return the strikes in the order of the doors, each with the cap and the rest of its own door."""
    return [
        StrikeLine(
            chip=door.strike.chip,
            line=door.strike.line,
            active_low=door.strike.active_low,
            cap_ms=round(door.strike_cap_seconds * 1000),
            rest_ms=round(door.strike_rest_seconds * 1000),
        )
        for door in config.doors
    ]


def _input(door: str, contact: Contact, line: Line) -> InputLine:
    return InputLine(door, contact, line.chip, line.line, line.active_low)
