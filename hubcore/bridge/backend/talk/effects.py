"""What the talk with the backend wants done: its effects, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, TlsCertificate
from hubcore.bridge.backend.from_backend import CertificateOfHub, EndsNow
from hubcore.bridge.backend.from_bridge import FromBridge
from hubcore.evidence.records import Head


class BackendPhase(StrEnum):
    """How far the talk is."""

    DOWN = "down"
    GREETING = "greeting"
    SPEAKING = "speaking"
    RENEWING = "renewing"
    """The bridge's certificate has ended: the backend takes its request for a newer one alone."""


Takeable = TlsCertificate | CertificateOfHub | EndsNow | CarriedMandate | NewPolicy | Pieces


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The talk is in another phase, or in the same one for another reason."""

    phase: BackendPhase
    why: str


@dataclass(frozen=True, slots=True)
class SayHello:
    """Say BridgeHello."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say this."""

    message: FromBridge


@dataclass(frozen=True, slots=True)
class Read:
    """Read so many stretches of a hub behind this one; then call `was_read`, or `not_read`.

    Each of them begins where the one before it ends.
    """

    hub: str
    after: Head
    most: int


@dataclass(frozen=True, slots=True)
class LetGo:
    """The backend has signed that it has all up to this one; the hub is to hear it, too."""

    hub: str
    head: Head
    document: bytes


@dataclass(frozen=True, slots=True)
class Take:
    """Take this; it proves itself, or is the backend's to say."""

    message: Takeable


@dataclass(frozen=True, slots=True)
class Tell:
    """People should know."""

    hub: str
    what: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Close this connection, and try again later or elsewhere."""

    why: str


Effect = PhaseChanged | SayHello | Say | Read | LetGo | Take | Tell | Leave
Effects = list[Effect]
