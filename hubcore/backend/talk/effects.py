"""The words of the talk: its phases, its moments, and the effects that the shell performs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from hubcore.backend.uplink.documents import SiteDocument
from hubcore.backend.uplink.from_backend import Act, KeyTaken, Order, Release, RotateKey
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.evidence.records import Head


class Comparison(Enum):
    """How this hub's log stands to the newest record that the backend has durably."""

    AGREES = "agrees"
    SHORTER = "shorter"
    """The log ends before that record."""
    OTHER = "other"
    """The log has another record under that number."""
    LOST = "lost"
    """The backend has acknowledged newer records than it has."""


class UplinkPhase(StrEnum):
    """How far the talk is."""

    DOWN = "down"
    """There is no uplink."""
    GREETING = "greeting"
    """The uplink is up; the backend has not said Welcome on it yet."""
    SPEAKING = "speaking"
    """Records go up, and orders are taken."""
    SILENT = "silent"
    """The backend has said Welcome on this uplink, but has stopped answering."""
    HALTED = "halted"
    """The backend takes no records and may give no orders (`backend.uplink.words.Cause`)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by both clocks: monotonic seconds and Unix seconds."""

    monotonic: float
    wall: float


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The talk is in another phase, or in the same one for another reason."""

    phase: UplinkPhase
    why: str


@dataclass(frozen=True, slots=True)
class Greet:
    """Say Hello; call `Talk.greeted` when the uplink has taken it."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say this."""

    message: HubMessage


@dataclass(frozen=True, slots=True)
class TakeReceipts:
    """The backend holds the records of these numbers."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TakeHeld:
    """A carrier has the records of these numbers."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The backend has lost the records after this one: all of them wait again."""

    durable: Head


@dataclass(frozen=True, slots=True)
class TakeRelease:
    """Carry out this release when its turn comes."""

    order: Release


@dataclass(frozen=True, slots=True)
class TakeOrder:
    """Carry out this order for a door when its turn comes."""

    order: Order


@dataclass(frozen=True, slots=True)
class TakeAct:
    """Carry out this command of devices when its turn comes."""

    order: Act


@dataclass(frozen=True, slots=True)
class RefuseWaiting:
    """Refuse each order that still waits for its turn, with `Talk.refusal`."""


@dataclass(frozen=True, slots=True)
class TakePolicy:
    """Look at this policy when its turn comes."""

    document: bytes


@dataclass(frozen=True, slots=True)
class TakeCertificate:
    """Look at this certificate of the hub when its turn comes; it proves itself."""

    document: bytes


@dataclass(frozen=True, slots=True)
class TakeTlsCertificate:
    """The same of its TLS certificate."""

    document: bytes


@dataclass(frozen=True, slots=True)
class TakePieces:
    """Look at these pieces of a policy when their turn comes."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TakeSiteDocument:
    """Look at what the issuer has signed of bridges and keys of the site; it proves itself."""

    message: SiteDocument


@dataclass(frozen=True, slots=True)
class TakeAboutKeys:
    """The backend says something about the hub's own keys."""

    message: KeyTaken | RotateKey


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Leave this uplink, and look for another one."""

    why: str


TalkEffect = (
    PhaseChanged
    | Greet
    | Say
    | TakeReceipts
    | TakeHeld
    | SendAgain
    | TakeRelease
    | TakeOrder
    | TakeAct
    | RefuseWaiting
    | TakePolicy
    | TakeCertificate
    | TakeTlsCertificate
    | TakePieces
    | TakeSiteDocument
    | TakeAboutKeys
    | GiveUp
)
Effects = list[TalkEffect]
