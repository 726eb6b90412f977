"""The real parts of a hub, as its configuration names them.

Law: making the parts reads a key and opens no hardware. What is missing is reported when they run,
or by `look_at_parts` before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drivers.gpio.events import Edges
from drivers.gpio.inputs import Contact, InputLine, WiredInputs
from hubd.adapters.host.keyfiles import HubKeys
from hubd.config.file import Config
from hubd.config.movers import Line
from hubd.upkeep.checks import Part
from hubd.wiring.devices import make_devices
from hubd.wiring.look import lines, openzwave, ports
from hubd.wiring.look.finding import Finding
from hubd.wiring.look.world import World
from hubd.wiring.movers import make_movers
from hubd.wiring.parts import Parts, RunPart, TellPart
from hubd.wiring.radios import look_at_radio, make_radio
from hubd.wiring.uplinks import make_uplink


def real_parts(config: Config, keys: HubKeys, tell: TellPart) -> Parts:
    """Make the parts that the configuration names; no hardware is opened before they run.

    Raise ConfigError.
    """
    edges = Edges()
    movers = make_movers(config, edges.put, tell)
    runs: dict[Part, RunPart] = dict(movers.runs)
    lines_of_inputs = wired_inputs(config)
    if lines_of_inputs:
        inputs = WiredInputs(lines_of_inputs, edges.put, partial(tell, Part.INPUTS))
        runs[Part.INPUTS] = inputs.run
    return Parts(
        radio=make_radio(config, tell),
        doors=movers.doors,
        inputs=edges,
        uplink=make_uplink(config, keys),
        runs=runs,
        devices=make_devices(config),
    )


def wired_inputs(config: Config) -> list[InputLine]:
    """Return the inputs that watch the doors."""
    inputs: list[InputLine] = []
    for door in config.doors:
        if door.dps is not None:
            inputs.append(_input_line(door.id, Contact.DPS, door.dps))
        if door.rex is not None:
            inputs.append(_input_line(door.id, Contact.REX, door.rex))
    return inputs


def _input_line(door: str, contact: Contact, line: Line) -> InputLine:
    return InputLine(
        door=door,
        contact=contact,
        chip=line.chip,
        line=line.line,
        active_low=line.active_low,
    )


def look_at_parts(config: Config, world: World) -> Iterator[Finding]:
    """Yield what `--check-config` finds of the configured lines, ports and radio."""
    yield from lines.look(config, world)
    yield from ports.look(config, world)
    yield from openzwave.look(config, world)
    yield from look_at_radio(config, world)


def look_without_rights(config: Config) -> Iterator[Finding]:
    """Yield what can be told of the parts by somebody who may look at none."""
    yield from lines.unnamed(config)
