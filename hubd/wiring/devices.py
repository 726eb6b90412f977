"""What is commanded beside doors: one row for each kind of device.

Laws:
1. All devices of a kind are made in one go: they share a line, a network or a process.
2. The library of a technology is loaded only when the configuration names a device of it.
3. Nothing is opened before the driver runs.
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
from hubd.adapters.keys.networkkey import read_network_key
from hubd.config import devices as sections
from hubd.config.file import Config
from hubd.config.section import kind_of
from hubd.wiring.zwave import ZwaveNetwork

if TYPE_CHECKING:
    from drivers.relays.boards import BoardLine

MadeDevice = tuple[Device, DeviceDriver]
MakeKind = Callable[[Config, Sequence[Any]], DeviceDriver]
"""Takes the configuration and all sections of its own kind. Raises ImportError."""

EXTRA_OF: Mapping[type[sections.Device], str] = {
    sections.Relay: "relays",
    sections.ZwaveNode: "zwave",
    sections.OpenZwaveNode: "openzwave",
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


def zwave(
    network: ZwaveNetwork, _config: Config, wanted: Sequence[sections.ZwaveNode]
) -> DeviceDriver:
    """Nodes behind the Z-Wave service of this machine."""
    return network.share(device.id for device in wanted)


def openzwave(config: Config, wanted: Sequence[sections.OpenZwaveNode]) -> DeviceDriver:
    """Nodes behind OpenZWave's process, which alone loads the library: it may be missing."""
    from drivers.openzwave.driver import OpenZwave
    from drivers.openzwave.meaning import OzwDevice

    section = config.openzwave
    assert section is not None  # noqa: S101 - the configuration was checked
    nodes = [
        OzwDevice(
            id=device.id,
            capability=Capability(device.capability),
            node=device.node,
            endpoint=device.endpoint,
            accepts_s0=device.accept_s0,
        )
        for device in wanted
    ]
    return OpenZwave(section.port, nodes, partial(read_network_key, section.network_key))


def device_kinds(network: ZwaveNetwork) -> dict[type[sections.Device], MakeKind]:
    """Return a row for each kind in `hubd.config.devices.Device`."""
    return {
        sections.Relay: relays,
        sections.ZwaveNode: partial(zwave, network),
        sections.OpenZwaveNode: openzwave,
    }


def make_devices(
    config: Config,
    rows: Mapping[type[sections.Device], MakeKind],
) -> dict[str, MadeDevice]:
    """Make the devices of the configuration and their drivers, by id. Raise ConfigError."""
    made: dict[str, MadeDevice] = {}
    for kind, make in rows.items():
        wanted = [device for device in config.devices if type(device) is kind]
        if not wanted:
            continue
        try:
            driver = make(config, wanted)
        except ImportError as error:
            extra = EXTRA_OF[kind]
            raise ConfigError(
                f"devices of kind {kind_of(wanted[0])} need a library that is not installed "
                f"({error.name}): install hubd with its extra `{extra}` (docs/hub.md, Devices)"
            ) from error
        for device in wanted:
            made[device.id] = (_device(device), driver)
    return made


def _device(section: sections.Device) -> Device:
    capability = Capability.SWITCH
    if isinstance(section, sections.ZwaveNode | sections.OpenZwaveNode):
        capability = Capability(section.capability)
    return Device(section.id, capability, section.seconds_believed)
