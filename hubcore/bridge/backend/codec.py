"""Messages between bridge and backend to bytes and back.

Laws:
1. A message that another talk has, too, has the same type and the same bytes here.
2. The types of the others are those of no message of the uplink, and of none between hub and
   bridge.
3. What only one side may say, only the other side reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.backend.uplink.arrays import names_of, read, write
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong, TlsCertificate
from hubcore.backend.uplink.from_hub import PiecesWanted, Ping
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    CertificateOfHub,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
    FromBridge,
    OnlyKey,
    OwnRequest,
    RequestOfHub,
)
from hubcore.bridge.from_bridge import RenewFirst

FROM_BRIDGE: Mapping[int, type[FromBridge]] = {
    kind.TYPE: kind
    for kind in (
        BridgeHello,
        AskHub,
        Forwarded,
        Ahead,
        BornWitness,
        Doubted,
        RequestOfHub,
        OwnRequest,
        OnlyKey,
        PiecesWanted,
        Ping,
    )
}
FROM_BACKEND: Mapping[int, type[FromBackend]] = {
    kind.TYPE: kind
    for kind in (
        BackendWelcome,
        HubKnown,
        HubReceipt,
        HubHalted,
        EndsNow,
        CertificateOfHub,
        RenewFirst,
        TlsCertificate,
        CarriedMandate,
        NewPolicy,
        Pieces,
        Pong,
    )
}
_NAMES = names_of((*FROM_BRIDGE.values(), *FROM_BACKEND.values()))


def encode(message: FromBridge | FromBackend) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    return write(message, _NAMES)


def decode_from_bridge(data: bytes) -> FromBridge:
    """Read what a bridge says, in the backend. Raise FrameError."""
    return read(data, FROM_BRIDGE, _NAMES)


def decode_from_backend(data: bytes) -> FromBackend:
    """Read what a backend says, in the bridge. Raise FrameError."""
    return read(data, FROM_BACKEND, _NAMES)
