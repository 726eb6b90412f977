"""The real parts of a hub, as its configuration names them.

Law: making the parts reads a key and opens no hardware. What is missing is reported when they run,
or by `look_at_parts` before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drivers.gpio.events import Edges
from drivers.gpio.inputs import WiredInputs
from drivers.gpio.wired import Contact, InputLine
from drivers.lock.commands import Commands
from hubcore.checks import Part
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config import movers as sections
from hubd.config.file import Config
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.handed.kinds import HandedInputs
from hubd.wiring.look import lines, openzwave, ports, zwave
from hubd.wiring.look.finding import Finding
from hubd.wiring.look.world import World
from hubd.wiring.movers import make_movers, mover_kinds
from hubd.wiring.networks import make_networks
from hubd.wiring.parts import MadeMovers, Parts, RunPart, TellPart
from hubd.wiring.radios import handed_with, listen_with_another, look_at_radio, make_radio
from hubd.wiring.readers import look_at_readers, make_readers
from hubd.wiring.uplinks import make_bridge_line, make_uplink


def real_parts(config: Config, keys: HubKeys, tell: TellPart) -> Parts:
    """Make the parts that the configuration names; no hardware is opened before they run.

    Raise ConfigError.
    """
    edges = Edges()
    networks = make_networks(config)

    def movers_of(commands: Commands) -> MadeMovers:
        return make_movers(config, edges.put, tell, mover_kinds(networks, commands))

    runs: dict[Part, RunPart] = {}
    lines_of_inputs = wired_inputs(config)
    read_inputs = None
    made = make_uplink(config, keys)
    radio = make_radio(config, tell)
    handed = [*handed_with(radio)]
    if lines_of_inputs:
        tell_inputs = partial(tell, Part.INPUTS)
        inputs = WiredInputs(lines_of_inputs, edges.put, tell_inputs, edges.heard)
        runs[Part.INPUTS] = inputs.run
        read_inputs = inputs.levels
        handed.append(HandedInputs(inputs, edges))
    return Parts(
        radio=radio,
        make_movers=movers_of,
        inputs=edges,
        uplink=made.uplink,
        key_pairs=made.key_pairs,
        bridge=make_bridge_line(config, keys),
        runs=runs,
        readers=make_readers(config, keys, tell),
        devices=make_devices(config, device_kinds(networks)),
        network=networks.network(config),
        read_inputs=read_inputs,
        listen=listen_with_another(config),
        handed=handed,
    )


def wired_inputs(config: Config) -> list[InputLine]:
    """Return the inputs that watch the doors."""
    inputs: list[InputLine] = []
    for door in config.doors:
        for role, line in door.inputs().items():
            inputs.append(_input_line(door.id, Contact(role), line))
    return inputs


def _input_line(door: str, contact: Contact, line: sections.InputLine) -> InputLine:
    return InputLine(
        door=door,
        contact=contact,
        chip=line.chip,
        line=line.line,
        active_low=line.active_low,
        debounce_ms=line.debounce_ms,
    )


def look_at_parts(config: Config, world: World) -> Iterator[Finding]:
    """Yield what `--check-config` finds of all that the configuration names."""
    yield from lines.look(config, world)
    yield from ports.look(config, world)
    yield from zwave.look(config, world)
    yield from openzwave.look(config, world)
    yield from look_at_radio(config, world)
    yield from look_at_readers(config, world)


def look_without_rights(config: Config) -> Iterator[Finding]:
    """Yield what can be told of the parts by somebody who may look at none."""
    yield from lines.unnamed(config)
