"""What hub and backend call things in their messages, and how large those may be."""

from __future__ import annotations

from enum import IntEnum

from hubcore.access.precedence import DoorOrder
from hubcore.evidence.records import BODY_BYTES
from hubcore.policy import document as policies
from hubcore.policy.tree import PIECE_BYTES

PROTOCOL = 2
MAX_POLICY_BYTES = policies.MAX_BYTES
"""One signed policy document: the root, and the pieces that come along."""
MAX_PIECE_BYTES = PIECE_BYTES
MAX_WANTED = 64
"""Pieces that one PiecesWanted names."""
MAX_PIECES = 4
"""Pieces in one message: what comes after it on the same connection waits for a quarter MiB."""
MAX_MESSAGE_BYTES = MAX_POLICY_BYTES + 64
"""The largest message of all, NewPolicy; a transport refuses what is longer."""
MAX_RECORD_BYTES = BODY_BYTES
SEALED_BYTES = 33
"""What CURVE adds to a part of a message: name 8, nonce 8, authenticator 16, flags 1 (RFC 26). A
socket's ceiling is for the sealed part."""
MAX_SMALL_BYTES = 4096
"""The ceiling of every message that carries neither a policy nor a record."""
MAX_ACKNOWLEDGED = 256
MAX_CERTIFICATE_BYTES = 4096
MAX_TLS_CERTIFICATE_BYTES = 2048
"""As much as `codec.tls` reads; that module is not needed for this number."""
MAX_DOCUMENT_BYTES = 1024
"""A mandate, and what else a bridge carries."""
MAX_ENDS_BYTES = 9472
"""A list of ended bridges, signed: as much as `bridge.ends` reads."""
MAX_TEXT_BYTES = 32
MAX_DETAIL_BYTES = 200
ID_BYTES = 16
HASH_BYTES = 32
KEY_BYTES = 32
"""A public key of Curve25519."""
KEYS_MAX = 2
"""So many keys a backend knows a hub by: while it changes, the old one and the new one."""
NONCE_BYTES = 8
UINT16_MAX = 0xFFFF
INT64_MAX = 2**63 - 1
MAX_RELEASE_SECONDS = 3600
MAX_DEVICES = 64
"""The devices that one Act may reach at a hub, and the values of one Telemetry."""


class ReleaseOutcome(IntEnum):
    """How a remote release ended. The evidence is the record, not this answer."""

    RELEASED = 0
    LATE = 1
    REFUSED = 2
    FAILED = 3
    BUSY = 4


class OrderOutcome(IntEnum):
    """What became of an order for a door. The evidence is the record, not this answer."""

    TAKEN = 0
    LATE = 1
    REFUSED = 2
    FAILED = 3
    BUSY = 4


ORDERS_OF_BACKENDS = (DoorOrder.HOLD_OPEN, DoorOrder.NO_ENTRY, DoorOrder.LOCKDOWN)
"""What a backend may order. A grant comes as a Release; fire is an input of the hub."""


class ActOutcome(IntEnum):
    """What became of a command to one device. Only the device's own proof makes CONFIRMED."""

    CONFIRMED = 0
    FAILED = 1
    """It was not done."""
    TIMEOUT = 2
    """No answer came in time; it may have been done."""
    UNKNOWN = 3
    """Nobody can tell; it may have been done."""
    REFUSED = 4
    """It was not given to the device."""


class Cause(IntEnum):
    """Why a backend takes no records and gives no orders, until somebody has decided."""

    TWO_HUBS = 1
    """Two machines speak as this hub, at once or by turns."""
    FORK = 2
    """It holds other records under numbers that the hub has given out."""
    GAP = 3
    """A record is missing there that the hub does not send."""
    TAIL_CUT = 4
    """It holds newer records than the hub has: the hub's newest were deleted, or its disk is an
    older copy."""
