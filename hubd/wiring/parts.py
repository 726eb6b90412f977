"""What a hub is built on: real parts on a hub, simulated ones at a desk, behind the same ports.

Law: nothing below `Parts` can tell which of the two it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.lock.commands import Commands
from hubcore.checks import Part
from hubcore.device.device import Device
from hubcore.ports.bridge import BridgeLine
from hubcore.ports.device import DeviceDriver
from hubcore.ports.doors import Inputs, Mover, ReadInputs
from hubcore.ports.keys import KeyPairs
from hubcore.ports.network import NetworkCare
from hubcore.ports.radio import Listen, Radio
from hubcore.ports.reader import Readers
from hubcore.ports.uplink import Uplink
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config.file import Config
from hubd.wiring.handed.belongings import Handed

RunPart = Callable[[Callable[[], None]], Awaitable[None]]
"""A part that must run for others to work; it calls what it is given each time it is ready."""
TellPart = Callable[[Part, bool, str], None]
"""Takes (part, up, why) when a part comes up or goes down."""


@dataclass(frozen=True, slots=True)
class MadeMovers:
    """What moves each door, by the door's id, and what must run for it, by name."""

    doors: Mapping[str, Mover]
    runs: Mapping[Part, RunPart]
    handed: Sequence[Handed] = ()
    """What of it can change hands."""


MakeMovers = Callable[[Commands], MadeMovers]
"""Takes what commands the devices, for some of them are locks of doors. Raises ConfigError."""


class CaredFor(DeviceDriver, Protocol):
    """The driver of a whole network."""

    @property
    def care(self) -> NetworkCare:
        """Who takes devices in and out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The world of one hub.

    `make_movers`: makes what moves each door. `runs`: what must run for the parts, by name.
    `readers`: what drives each reader beside the phones, by the reader's id.
    `devices`: what is commanded, the locks of doors too, each with its driver, by its id.
    `bridge`: the connection to a bridge of the site, where the hub has one.
    `key_pairs`: the hub's own keys for the uplink, where it can change them by itself.
    `read_inputs`: reads the level of each wired input, where there are some.
    `listen`: hears the hub's own advertisement with a second radio, where that is known how.
    `network`: the driver of the Z-Wave network, where the hub has one.
    `handed`: what of all this can change hands.
    """

    radio: Radio
    make_movers: MakeMovers
    inputs: Inputs
    uplink: Uplink | None
    runs: Mapping[Part, RunPart]
    readers: Mapping[str, Readers] = field(default_factory=dict)
    devices: Mapping[str, tuple[Device, DeviceDriver]] = field(default_factory=dict)
    network: CaredFor | None = None
    key_pairs: KeyPairs | None = None
    bridge: BridgeLine | None = None
    read_inputs: ReadInputs | None = None
    listen: Listen | None = None
    handed: Sequence[Handed] = ()


MakeParts = Callable[[Config, HubKeys, TellPart], Parts]
