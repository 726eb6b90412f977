"""The drivers of networks that a hub has once: devices hang on them, and locks of doors.

Laws:
1. A hub has one driver for each network, whoever commands what in it.
2. The library of a technology is loaded when something of it is configured, and only then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from hubcore.device.command import Capability
from hubcore.ports.device import DeviceDriver
from hubd.adapters.keys.networkkey import read_network_key
from hubd.config.devices import OpenZwaveNode, Zwave, ZwaveNode
from hubd.config.file import Config
from hubd.config.movers import DoorLock, OpenZwaveLock, ZwaveLock
from hubd.wiring.parts import CaredFor

if TYPE_CHECKING:
    from drivers.openzwave.meaning import OzwDevice


class LockDriver(DeviceDriver, Protocol):
    """What a mover needs of the driver of its lock, beside commands."""

    def times_itself(self, device: str) -> bool:
        """Tell whether a lock has a timer of its own."""


class NetworkDriver(LockDriver, CaredFor, Protocol):
    """The driver of a whole network."""


MakeDriver = Callable[[], LockDriver]
"""Returns the one driver of a network, which it makes the first time. Raises ImportError."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The driver of each network; none is made before something of it is configured."""

    zwave: Callable[[], NetworkDriver]
    openzwave: MakeDriver

    def network(self, config: Config) -> NetworkDriver | None:
        """Return the driver of the Z-Wave network; None for a hub without one.

        A network that nothing is commanded in yet is looked after too: devices are taken into it.
        """
        nodes = [one for one in config.devices if isinstance(one, ZwaveNode)]
        locks = [one for _, one in config.door_locks if isinstance(one, ZwaveLock)]
        if nodes or locks:
            return self.zwave()
        if config.zwave is None:
            return None
        try:
            return self.zwave()
        except ImportError:  # a section alone demands no library
            return None

    def driver_of(self, lock: DoorLock) -> LockDriver:
        """Return the driver of a lock that moves a door. Raise ImportError."""
        match lock:
            case ZwaveLock():
                return self.zwave()
            case OpenZwaveLock():
                return self.openzwave()
            case _:
                assert_never(lock)


def make_networks(
    config: Config, socket: Path | None = None, is_simulated: bool = False
) -> Networks:
    """Return the networks of a hub.

    `socket`: the Z-Wave service's when the configuration has no [zwave]; None: where it listens by
    default. `is_simulated`: the locks of a desk cannot join with S2, and are commanded without.
    """
    return Networks(
        zwave=cache(partial(_zwave, config, socket, is_simulated)),
        openzwave=cache(partial(_openzwave, config)),
    )


def _zwave(config: Config, socket: Path | None, is_simulated: bool) -> NetworkDriver:
    """Nodes behind the Z-Wave service of this machine."""
    from drivers.zwave_js.driver import SECURE_ENOUGH, ZwaveJs
    from drivers.zwave_js.nodes import ZwaveDevice

    nodes = [
        ZwaveDevice(one.id, Capability(one.capability), one.node, one.endpoint)
        for one in config.devices
        if isinstance(one, ZwaveNode)
    ]
    nodes += [
        ZwaveDevice(one.id, Capability.LOCK, one.node, one.endpoint)
        for _, one in config.door_locks
        if isinstance(one, ZwaveLock)
    ]
    section = config.zwave or (Zwave(socket) if socket is not None else Zwave())
    return ZwaveJs(section.socket, nodes, frozenset() if is_simulated else SECURE_ENOUGH)


def _openzwave(config: Config) -> LockDriver:
    """Nodes behind OpenZWave's process, which alone loads the library: it may be missing."""
    from drivers.openzwave.driver import OpenZwave

    section = config.openzwave
    assert section is not None  # noqa: S101 - the configuration was checked
    nodes = [
        _ozw_device(one, Capability(one.capability))
        for one in config.devices
        if isinstance(one, OpenZwaveNode)
    ]
    nodes += [
        _ozw_device(one, Capability.LOCK)
        for _, one in config.door_locks
        if isinstance(one, OpenZwaveLock)
    ]
    return OpenZwave(section.port, nodes, partial(read_network_key, section.network_key))


def _ozw_device(node: OpenZwaveNode | OpenZwaveLock, capability: Capability) -> OzwDevice:
    from drivers.openzwave.meaning import OzwDevice

    return OzwDevice(
        id=node.id,
        capability=capability,
        node=node.node,
        endpoint=node.endpoint,
        accepts_s0=node.accept_s0,
    )
