"""Messages between hub and bridge to bytes and back.

Laws:
1. A message that the uplink has, too, has the same type and the same bytes here. So a record goes
   up unchanged, whichever way it takes.
2. The types of the others are those of no message of the uplink.
3. What only one side may say, only the other side reads. What a backend may order by its word
   (Release, Order, Act, RotateKey, Acknowledge) no hub reads from a bridge.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.backend.uplink.arrays import names_of, read, write
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.evidence import EVIDENCE_HEAD
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Halt,
    Held,
    NewPolicy,
    Pieces,
    Pong,
    Probe,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import (
    Alive,
    Evidence,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Telemetry,
)
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    FromBridge,
    Full,
    RenewFirst,
    Witnessed,
)
from hubcore.bridge.from_hub import CarriedRequest, FromHub, HubHello, OwnHead

FROM_HUB: Mapping[int, type[FromHub]] = {
    kind.TYPE: kind
    for kind in (
        HubHello,
        OwnHead,
        Evidence,
        Notice,
        PolicyResult,
        Ping,
        OrderResult,
        Telemetry,
        PiecesWanted,
        CarriedRequest,
        Alive,
    )
}
FROM_BRIDGE: Mapping[int, type[FromBridge]] = {
    kind.TYPE: kind
    for kind in (
        BridgeWelcome,
        Held,
        NewPolicy,
        Pieces,
        Pong,
        Probe,
        Halt,
        Certificate,
        TlsCertificate,
        CarriedReceipt,
        CarriedOrder,
        CarriedMandate,
        CarriedEnds,
        Witnessed,
        Full,
        RenewFirst,
    )
}
_NAMES = names_of((*FROM_HUB.values(), *FROM_BRIDGE.values()))


def encode(message: FromHub | FromBridge) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    if type(message) is Evidence:
        return message.encode()
    return write(message, _NAMES)


def decode_from_hub(data: bytes) -> FromHub:
    """Read what a hub says, in the bridge. Raise FrameError."""
    if data.startswith(EVIDENCE_HEAD):
        return Evidence.decode(data)
    return read(data, FROM_HUB, _NAMES)


def decode_from_bridge(data: bytes) -> FromBridge:
    """Read what a bridge says, in the hub. Raise FrameError."""
    return read(data, FROM_BRIDGE, _NAMES)
