"""A hub on a desk: hubd's own `serve`, with a virtual radio and doors that have physics.

The real strike guard drives lines in a file, and the doors are behind those lines. A person may
stand there who pulls each door that is released, and does what `hubsim.door.person` is told. The
radio can be the machine's own, too.

Law: these strikes are driven by what drives a real hub's: the guard's process, on lines that other
processes can read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec import structs

from drivers.gpio.events import Edges
from drivers.lock.commands import Commands
from hubcore.checks import Part
from hubcore.errors import ConfigError
from hubcore.ports.doors import Input, InputEvent, Mover
from hubcore.ports.radio import Radio
from hubd.adapters.keys.keyfiles import HubKeys, load_beacon
from hubd.config import movers as sections
from hubd.config.doors import Door
from hubd.config.file import Config
from hubd.config.movers import Maglock, Strike, ZwaveLock
from hubd.wiring.devices import device_kinds, make_devices
from hubd.wiring.locks import locks
from hubd.wiring.made import MadeKind, MakeForDoor
from hubd.wiring.mover_group import Publish
from hubd.wiring.movers import MakeKind, OnLine, make_movers, mover_kinds, strikes
from hubd.wiring.networks import Networks, make_networks
from hubd.wiring.parts import MadeMovers, Parts, TellPart
from hubd.wiring.readers import make_readers
from hubd.wiring.uplinks import make_bridge_line, make_uplink
from hubsim.door.door import SimDoor
from hubsim.door.lines import Bank
from hubsim.door.person import Act, Acts, Attended
from hubsim.radio.choice import BLESS
from hubsim.radio.hub_radio import BumbleRadio

FACTORY = "hubsim.door.lines:open_lines"
ZWAVE = "zwave-js.sock"
"""Where in the hub's state directory the service of a simulated Z-Wave network listens."""
BANK = "lines"
"""The file in the hub's state directory that shows its strike lines, by the ids of the strikes."""
PULL_AFTER_SECONDS = 0.2
LET_GO_AFTER_SECONDS = 0.5


class _Metal:
    """A door's metal, and the person in front of it.

    All strikes of a door must let go before it can be pulled.
    """

    def __init__(self, door: Door, publish: Publish, person: bool) -> None:
        self._metal = SimDoor(door.id, asyncio.get_running_loop(), publish)
        self._person = person
        self._driven = {mover.id: False for mover in door.moved_by}

    def driven(self, strike: str, active: bool) -> None:
        """Take the level of a strike's line."""
        self._driven[strike] = active
        self._metal.active = all(self._driven.values())
        if self._metal.active and self._person:
            loop = asyncio.get_running_loop()
            loop.call_later(PULL_AFTER_SECONDS, self._metal.pull)
            loop.call_later(LET_GO_AFTER_SECONDS, self._metal.let_go)

    def acts(self) -> Acts:
        """What a person may do here by themselves."""
        return {
            Act.PULL: self._metal.pull,
            Act.FORCE: self._metal.force,
            Act.LET_GO: self._metal.let_go,
            Act.LEAVE: self._metal.push_rex,
        }


Metals = dict[str, _Metal]
"""By door."""


def desk_parts(
    transport: str,
    person: bool,
    config: Config,
    keys: HubKeys,
    tell: TellPart,
) -> Parts:
    """Make a desk's parts; `transport` is bumble's name of an HCI transport, or BLESS."""
    path = config.hub.state_directory / BANK
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    moved_by = [mover for door in config.doors for mover in door.moved_by]
    strike_ids = [mover.id for mover in moved_by if isinstance(mover, OnLine)]
    Bank.create(path, strike_ids).close()
    edges = Edges()
    metals: Metals = {}
    for door in config.doors:
        metals[door.id] = _Metal(door, edges.put, person)
    socket = config.hub.state_directory / ZWAVE  # of `hubsim zwave --at`
    networks = make_networks(config, socket, is_simulated=True)

    def movers_of(commands: Commands) -> MadeMovers:
        rows = _mover_kinds(path, metals, networks, commands)
        return make_movers(config, edges.put, tell, rows)

    made = make_uplink(config, keys)
    return Parts(
        radio=_radio(transport, config, tell),
        make_movers=movers_of,
        inputs=Attended(edges, path.parent, {door: metal.acts() for door, metal in metals.items()}),
        uplink=made.uplink,
        key_pairs=made.key_pairs,
        bridge=make_bridge_line(config, keys),
        runs={},
        readers=make_readers(config, keys, tell),
        devices=make_devices(config, device_kinds(networks)),
        network=networks.network(config),
    )


def _mover_kinds(
    path: Path, metals: Metals, networks: Networks, commands: Commands
) -> dict[type[sections.Mover], MakeKind]:
    """Return a row for each kind of mover: as a hub's, with the metal of the doors behind."""
    on_lines = partial(_strikes, path, metals)
    of_locks = partial(_locks, networks, commands, metals)
    return {
        **mover_kinds(networks, commands),
        Strike: on_lines,
        Maglock: on_lines,
        ZwaveLock: of_locks,
        sections.OpenZwaveLock: of_locks,
    }


def _strikes(
    path: Path,
    metals: Metals,
    wanted: Sequence[OnLine],
    tell: TellPart,
) -> MadeKind:
    """Make strikes on the lines of the file at `path`, with the metal of their doors behind."""
    on_file = [
        structs.replace(strike, chip=str(path), line=strike.id, active_low=False)
        for strike in wanted
    ]
    return _with_metal(metals, strikes(on_file, tell, FACTORY))


def _locks(
    networks: Networks,
    commands: Commands,
    metals: Metals,
    wanted: Sequence[sections.DoorLock],
    tell: TellPart,
) -> MadeKind:
    """Make locks, with the metal of their doors behind."""
    return _with_metal(metals, locks(networks, commands, wanted, tell))


def _with_metal(metals: Metals, made: MadeKind) -> MadeKind:
    """Return the movers with the metal of their doors behind."""
    with_metal: dict[str, MakeForDoor] = {}
    for mover, make in made.movers.items():
        with_metal[mover] = partial(_make_with_metal, metals, mover, make)
    return replace(made, movers=with_metal)


def _make_with_metal(
    metals: Metals,
    strike: str,
    make: MakeForDoor,
    door: str,
    publish: Publish,
) -> Mover:
    """Make a strike of a door whose line acts on the metal of that door."""

    def hear(event: InputEvent) -> None:
        publish(event)
        metals[door].driven(strike, event.what is Input.STRIKE_ACTIVE)

    return make(door, hear)


def _radio(transport: str, config: Config, tell: TellPart) -> Radio:
    if transport != BLESS:
        return BumbleRadio(transport, load_beacon(config), config.radio.shown_name)
    if config.pkoc is not None:
        raise ConfigError("[pkoc] is there, but `--radio bless` serves the hub's own phones alone")
    from hubsim.radio.bless_radio import BlessRadio

    return BlessRadio(partial(tell, Part.RADIO, False))
