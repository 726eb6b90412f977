"""What a phone's machines want done: `PhoneEffect` by an attempt, `LinkPhoneEffect` on a link."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.phone.messages import State, Verdict


@dataclass(frozen=True, slots=True)
class ReadInfo:
    """Read INFO and bring its value to `Attempt.challenge`, after `after_seconds`."""

    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send this message, then bring what comes to `Attempt.receive`."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Decided:
    """The hub has decided."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Moved:
    """The hub says what the door did."""

    state: State


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The attempt ends without an answer; the door may have opened if a request was sent.

    `another_door`: the hub may be an honest one of the site that stands at another door.
    """

    why: str
    another_door: bool = False


@dataclass(frozen=True, slots=True)
class WriteFrame:
    """Write this frame to RX: an ACK."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class ReadTxr:
    """Read TXR and bring its value to `OnLink.pulled`."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Disconnect."""


PhoneEffect = ReadInfo | SendMessage | Decided | Moved | GaveUp
LinkPhoneEffect = PhoneEffect | WriteFrame | ReadTxr | Leave
