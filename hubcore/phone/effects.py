"""The effects of a handshake: what it wants done; the link and its caller do it.

Law: an effect is a value. `hubcore.phone.link` turns Send and Drop into frames and passes the rest
on.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.access.claim import Claim
from hubcore.access.revocations import Revocations
from hubcore.errors import PeerError
from hubcore.phone.sealing import OpenJob


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Unseal:
    """Do `sealing.open_request` in `after_seconds`; bring the result to `Handshake.unsealed`.

    It takes milliseconds of CPU: not on the event loop.
    """

    job: OpenJob
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Presented:
    """Decide on this claim and bring the outcome to `Handshake.answer`."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Carried:
    """A phone that proved itself carries these. They count for the claim that follows, too."""

    revocations: Revocations


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Bring the door's state to `Handshake.follow_up`, when a release from now on would be over."""

    session: int
    access_point: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Count and log the cause; the peer learns less."""

    cause: PeerError


@dataclass(frozen=True, slots=True)
class Drop:
    """End the link."""

    why: str


Effect = Send | Unseal | Carried | Presented | FollowUp | Refused | Drop
