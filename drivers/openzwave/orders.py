"""What hubd tells its OpenZWave process. `wire` has the laws."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from drivers.openzwave.wire import (
    CAPABILITIES,
    ENDPOINT_MAX,
    KEY_BYTES,
    NODE_MAX,
    PACKET_MAX,
    PATH_BYTES_MAX,
    OrderKind,
    check_number,
)
from hubcore.device.command import Capability


@dataclass(frozen=True, slots=True)
class AddDevice:
    """A device: its number among all, and where it is in the network."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBBBB")

    number: int
    node: int
    endpoint: int
    capability: Capability

    def __post_init__(self) -> None:
        """Raise ValueError for what no network has."""
        check_number(self.number)
        if not 1 <= self.node <= NODE_MAX:
            raise ValueError(f"a node is within 1..{NODE_MAX}, not {self.node}")
        if not 0 <= self.endpoint <= ENDPOINT_MAX:
            raise ValueError(f"an endpoint is within 0..{ENDPOINT_MAX}, not {self.endpoint}")
        if self.capability not in CAPABILITIES:
            raise ValueError(f"no node is a {self.capability.value}")

    def encode(self) -> bytes:
        """Return five bytes."""
        capability = CAPABILITIES.index(self.capability)
        return self.LAYOUT.pack(OrderKind.DEVICE, self.number, self.node, self.endpoint, capability)

    @classmethod
    def _parse(cls, data: bytes) -> AddDevice:
        _, number, node, endpoint, capability = cls.LAYOUT.unpack(data)
        if capability >= len(CAPABILITIES):
            raise ValueError(f"there is no capability {capability}")
        return cls(
            number=number,
            node=node,
            endpoint=endpoint,
            capability=CAPABILITIES[capability],
        )


@dataclass(frozen=True, slots=True)
class Start:
    """All devices have been named: begin, with the stick at `port`.

    `folder`: an empty folder for what the library writes. `key`: S0's, empty where there is none.
    `answer_seconds`: how long the library waits for a node.
    """

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BHBB")

    port: str
    folder: str
    answer_seconds: float
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for what is no start."""
        for path in (self.port, self.folder):
            if not path.startswith("/") or "\0" in path or len(path.encode()) > PATH_BYTES_MAX:
                raise ValueError(f"a path is whole and has at most {PATH_BYTES_MAX} bytes")
        if len(self.key) not in (0, KEY_BYTES):
            raise ValueError(f"a network's key has {KEY_BYTES} bytes, not {len(self.key)}")
        if not 0.1 <= self.answer_seconds <= 60:
            raise ValueError(f"a node has 0.1 to 60 s to answer, not {self.answer_seconds}")

    def encode(self) -> bytes:
        """Return at most PACKET_MAX bytes."""
        port = self.port.encode()
        milliseconds = round(self.answer_seconds * 1000)
        head = self.LAYOUT.pack(OrderKind.START, milliseconds, len(self.key), len(port))
        return head + self.key + port + self.folder.encode()

    @classmethod
    def _parse(cls, data: bytes) -> Start:
        _, milliseconds, key_bytes, port_bytes = cls.LAYOUT.unpack_from(data)
        key_end = cls.LAYOUT.size + key_bytes
        port_end = key_end + port_bytes
        return cls(
            port=data[key_end:port_end].decode(),
            folder=data[port_end:].decode(),
            answer_seconds=milliseconds / 1000,
            key=data[cls.LAYOUT.size : key_end],
        )


@dataclass(frozen=True, slots=True)
class Set:
    """Set a device to `value`: 0 or 1 for a switch, 0 or 255 for a lock, 0..99 for a cover."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBIB")

    number: int
    token: int
    value: int

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no device has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return seven bytes."""
        return self.LAYOUT.pack(OrderKind.SET, self.number, self.token, self.value)

    @classmethod
    def _parse(cls, data: bytes) -> Set:
        _, number, token, value = cls.LAYOUT.unpack(data)
        return cls(number=number, token=token, value=value)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the node itself how a device stands."""

    KIND: ClassVar[OrderKind] = OrderKind.ASK
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBI")

    number: int
    token: int

    def __post_init__(self) -> None:
        """Raise ValueError for a number that no device has."""
        check_number(self.number)

    def encode(self) -> bytes:
        """Return six bytes."""
        return self.LAYOUT.pack(self.KIND, self.number, self.token)

    @classmethod
    def _parse(cls, data: bytes) -> Ask:
        _, number, token = cls.LAYOUT.unpack(data)
        return cls(number=number, token=token)


@dataclass(frozen=True, slots=True)
class Stop(Ask):
    """Stop a cover where it is."""

    KIND: ClassVar[OrderKind] = OrderKind.STOP


Order = AddDevice | Start | Set | Ask | Stop

_ORDERS: dict[OrderKind, Callable[[bytes], Order]] = {
    OrderKind.DEVICE: AddDevice._parse,
    OrderKind.START: Start._parse,
    OrderKind.SET: Set._parse,
    OrderKind.ASK: Ask._parse,
    OrderKind.STOP: Stop._parse,
}


def decode_order(data: bytes) -> Order | None:
    """Return None for anything that is no order."""
    if len(data) > PACKET_MAX:
        return None
    try:
        parse = _ORDERS[OrderKind(data[0])]
        return parse(data)
    except (ValueError, IndexError, struct.error):  # ValueError: also bytes that are no text
        return None
