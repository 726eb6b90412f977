"""What is commanded: one row for each kind of device, and for each kind of lock of a door.

Laws:
1. All devices of a kind are made in one go: they share a line, a network or a process.
2. The library of a technology is loaded only when the configuration names a device of it.
3. Nothing is opened before the driver runs.
4. A lock of a door is a device among the others: who supervises them supervises it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hubcore.device.command import Capability
from hubcore.device.device import Device
from hubcore.errors import ConfigError
from hubcore.ports.device import DeviceDriver
from hubd.config import devices as sections
from hubd.config.file import Config
from hubd.config.movers import DoorLock, OpenZwaveLock, ZwaveLock
from hubd.config.section import kind_of
from hubd.wiring.networks import MakeDriver, Networks

if TYPE_CHECKING:
    from drivers.relays.boards import BoardLine

MadeDevice = tuple[Device, DeviceDriver]
Commanded = sections.Device | DoorLock
LOCK_SECONDS_BELIEVED = 86_400.0
"""A lock of a door tells each of its moves by itself: what it said last holds for a day."""
MakeKind = Callable[[Config, Sequence[Any]], DeviceDriver]
"""Takes the configuration and all sections of its own kind. Raises ImportError."""

EXTRA_OF: Mapping[type[Commanded], str] = {
    sections.Relay: "relays",
    sections.ZwaveNode: "zwave",
    ZwaveLock: "zwave",
    sections.OpenZwaveNode: "openzwave",
    OpenZwaveLock: "openzwave",
}
"""The extra of the distribution that brings a kind's libraries."""


def relays(config: Config, wanted: Sequence[sections.Relay]) -> DeviceDriver:
    """Relays of boards on serial lines."""
    from drivers.relays.boards import RelayBoards

    boards = {board.id: board for board in config.relay_boards}
    relays_of: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for device in wanted:
        relays_of[device.board][device.id] = device.relay
    return RelayBoards([board_line(boards[id_], relays) for id_, relays in relays_of.items()])


def board_line(board: sections.RelayBoard, relays: Mapping[str, int]) -> BoardLine:
    """Return the line of a board, with its relays by the ids of what hangs on them."""
    from drivers.relays.boards import BoardLine
    from drivers.relays.opening import BoardKind, open_line

    address = board.address if isinstance(board, sections.Modbus) else 1
    kind = BoardKind(kind_of(board))
    opens = partial(open_line, board.port, kind, board.relays, address)
    return BoardLine(board.port, opens, relays)


def in_network(make: MakeDriver, _config: Config, _wanted: Sequence[Commanded]) -> DeviceDriver:
    """Nodes of a network, whose driver knows them by the configuration."""
    return make()


def device_kinds(networks: Networks) -> dict[type[Commanded], MakeKind]:
    """Return a row for each kind in `hubd.config.devices.Device` and `config.movers.DoorLock`."""
    in_zwave = partial(in_network, networks.zwave)
    in_openzwave = partial(in_network, networks.openzwave)
    return {
        sections.Relay: relays,
        sections.ZwaveNode: in_zwave,
        ZwaveLock: in_zwave,
        sections.OpenZwaveNode: in_openzwave,
        OpenZwaveLock: in_openzwave,
    }


def make_devices(
    config: Config,
    rows: Mapping[type[Commanded], MakeKind],
) -> dict[str, MadeDevice]:
    """Make the devices of the configuration and their drivers, by id. Raise ConfigError."""
    made: dict[str, MadeDevice] = {}
    commanded: list[Commanded] = [*config.devices, *(lock for _, lock in config.door_locks)]
    for make in dict.fromkeys(rows.values()):
        wanted = [one for one in commanded if rows.get(type(one)) is make]
        if not wanted:
            continue
        try:
            driver = make(config, wanted)
        except ImportError as error:
            extra = EXTRA_OF[type(wanted[0])]
            raise ConfigError(
                f"devices of kind {kind_of(wanted[0])} need a library that is not installed "
                f"({error.name}): install hubd with its extra `{extra}`, "
                f"make install EXTRAS={extra} (docs/hub.md, Devices)"
            ) from error
        for one in wanted:
            made[one.id] = (_device(one), driver)
    return made


def _device(section: Commanded) -> Device:
    if isinstance(section, DoorLock):
        return Device(section.id, Capability.LOCK, LOCK_SECONDS_BELIEVED)
    capability = Capability.SWITCH
    if isinstance(section, sections.ZwaveNode | sections.OpenZwaveNode):
        capability = Capability(section.capability)
    return Device(section.id, capability, section.seconds_believed)
