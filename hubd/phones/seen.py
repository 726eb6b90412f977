"""What was seen of the radio and its links: for people at the hub.

Laws:
1. It keeps the newest of each kind, however many come.
2. Nothing of it names a phone.
3. No error is kept, for its frames hold keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hubcore.access.claim import Claim
from hubcore.errors import PeerError
from hubcore.phone.handshake import HandshakePhase
from hubcore.ports.clock import Clock
from hubcore.timing.steps import UnlockStep


class Traced(Protocol):
    """Who hears of the steps of a visit."""

    def presented(self, claim: Claim, link: int, steps: Mapping[UnlockStep, float]) -> None:
        """A claim is about to be decided; `steps` has the monotonic seconds of those before."""

    def answered(self, claim: Claim) -> None:
        """The verdict on a claim was given to the radio."""


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """One link that is served; `since` in Unix seconds, `rssi` in dBm.

    `access_point`: where its phone has proven itself, None before.
    """

    number: int
    since: float
    phase: HandshakePhase
    access_point: int | None
    rssi: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """The last refusal of a phone: when (Unix seconds), its kind, and why.

    The error itself is not kept: its traceback holds the keys of the request that failed.
    """

    at: float
    code: str
    says: str


class RadioSeen:
    """What was seen last. `on_air` None: the radio has not said so yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.on_air: bool | None = None
        self.on_air_since: float | None = None
        self.last_link: float | None = None
        self.last_failure: Failure | None = None

    def went(self, on_air: bool) -> None:
        """The radio says whether it is on air, perhaps again."""
        if on_air is not self.on_air:
            self.on_air = on_air
            self.on_air_since = self._clock.wall()

    def came(self) -> float:
        """A phone has connected; return when."""
        self.last_link = self._clock.wall()
        return self.last_link

    def failed(self, cause: PeerError) -> None:
        """A phone was refused."""
        code = type(cause).__name__.removesuffix("Error").lower()
        self.last_failure = Failure(self._clock.wall(), code, str(cause))
