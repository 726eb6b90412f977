"""What hubd and its OpenZWave process agree on: the packets between the two.

Laws:
1. A packet is one order or one report, checked on both ends. What is neither decodes to None.
2. Everything has a ceiling: devices, paths, sentences.
3. A lost report of states is made good by the next: each has all devices, and one comes every
   BEAT_SECONDS.
4. The network's key is in no repr.
5. Nothing here imports asyncio or openzwave. No packet has a text of a node.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from hubcore.device.command import Capability

DEVICES_MAX = 232
"""As many nodes as such a network can have."""
NODE_MAX = 232
ENDPOINT_MAX = 127
KEY_BYTES = 16
PATH_BYTES_MAX = 200
TEXT_BYTES_MAX = 500
PACKET_MAX = 1024
BEAT_SECONDS = 1.0
UNKNOWN_VALUE = 254
"""The value of a device that nobody knows."""
CAPABILITIES = (
    Capability.LOCK,
    Capability.SWITCH,
    Capability.COVER,
    Capability.SENSOR,
    Capability.METER,
)
"""Their places are their numbers on the wire."""


class StickState(IntEnum):
    """How the process stands with the stick."""

    STARTING = 0
    READY = 1
    """It has told its network. Its nodes are being asked who they are."""
    QUERIED = 2
    """All nodes that are awake have been asked."""


class DeviceBits(IntFlag):
    """What the process knows of a device."""

    NONE = 0
    FOUND = 1
    """Its node is in the network, and has what its capability needs."""
    DEAD = 2
    SECURE = 4
    """Its node speaks S0."""


class OrderKind(IntEnum):
    """The first byte of an order."""

    DEVICE = 1
    START = 2
    SET = 3
    ASK = 4
    STOP = 5


class ReportKind(IntEnum):
    """The first byte of a report."""

    UNFIT = 1
    STATES = 2
    SAID = 3
    MEASURED = 4
    TAKEN = 5
    HAPPENED = 6


class Unfitness(IntEnum):
    """Why the process cannot work."""

    LIBRARY = 1
    """python-openzwave is not there, or not usable."""
    STICK = 2
    """The stick is not there, or somebody else has it, or it does not answer."""
    ORDERS = 3
    """hubd said what it must not."""


class Happening(IntEnum):
    """What a node tells of itself beside its values."""

    JAMMED = 1
    NOT_JAMMED = 2
    TAMPERED = 3
    NOT_TAMPERED = 4


def check_number(number: int) -> None:
    """Raise ValueError for a number that no device has."""
    if not 0 <= number < DEVICES_MAX:
        raise ValueError(f"device {number} of at most {DEVICES_MAX}")
