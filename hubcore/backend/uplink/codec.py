"""Messages of the uplink to bytes and back.

Laws:
1. What only one side may say, only the other side reads. `arrays` has the rest.
2. A record's message is read and written by its one shape: the same bytes, for less.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.backend.uplink.arrays import names_of, read, write
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.evidence import EVIDENCE_HEAD
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Act,
    BackendMessage,
    Certificate,
    Halt,
    Held,
    KeyTaken,
    NewPolicy,
    Order,
    Pieces,
    Pong,
    Probe,
    Release,
    RotateKey,
    TlsCertificate,
    Welcome,
)
from hubcore.backend.uplink.from_hub import (
    ActResult,
    Alive,
    CertificateRequest,
    Evidence,
    Hello,
    HubMessage,
    NewKey,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Result,
    RetireKey,
    Telemetry,
)
from hubcore.backend.uplink.health import HealthState
from hubcore.backend.uplink.updates import UpdateState

FROM_HUB: Mapping[int, type[HubMessage]] = {
    kind.TYPE: kind
    for kind in (
        Hello,
        Evidence,
        Notice,
        Result,
        PolicyResult,
        Ping,
        ActResult,
        OrderResult,
        Telemetry,
        CertificateRequest,
        PiecesWanted,
        NewKey,
        RetireKey,
        Alive,
        UpdateState,
        HealthState,
    )
}
FROM_BACKEND: Mapping[int, type[BackendMessage]] = {
    kind.TYPE: kind
    for kind in (
        Welcome,
        Acknowledge,
        Release,
        NewPolicy,
        Pong,
        Halt,
        Act,
        Order,
        Certificate,
        TlsCertificate,
        Held,
        Pieces,
        KeyTaken,
        RotateKey,
        Probe,
        CarriedMandate,
        CarriedEnds,
    )
}


_NAMES = names_of((*FROM_HUB.values(), *FROM_BACKEND.values()))


def encode(message: HubMessage | BackendMessage) -> bytes:
    """Return the message's bytes, at most its type's CEILING."""
    if type(message) is Evidence:
        return message.encode()
    return write(message, _NAMES)


def decode_from_hub(data: bytes) -> HubMessage:
    """Read what a hub says, in the backend. Raise FrameError."""
    if data.startswith(EVIDENCE_HEAD):
        return Evidence.decode(data)
    return read(data, FROM_HUB, _NAMES)


def decode_from_backend(data: bytes) -> BackendMessage:
    """Read what the backend says, in the hub. Raise FrameError."""
    return read(data, FROM_BACKEND, _NAMES)
