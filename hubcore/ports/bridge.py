"""The connection to a bridge of the site: messages to it and from it, whole and undecoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class LineFault(StrEnum):
    """Why there is no connection to a bridge. The words stand in JSON: they never change."""

    SILENT = "silent"
    """Nothing answers at its address."""
    REFUSED = "refused"
    """A machine is there, and nothing listens."""
    NO_ROUTE = "no-route"
    """This machine has no way to the address."""
    NOT_TLS = "not-tls"
    """What answers does not speak TLS 1.3, or has ended the handshake."""
    OTHER_AUTHORITY = "other-authority"
    """Another authority than the site's has signed its certificate."""
    OTHER_NAME = "other-name"
    """Its certificate is for another name."""
    NOT_LET_IN = "not-let-in"
    """It has ended the connection without a message: it does not want this hub."""
    ENDED = "ended"
    """The site has ended it: the hub says nothing to it."""
    OWN_KEYS = "own-keys"
    """This hub cannot show its own certificate."""
    BROKEN = "broken"
    """The connection broke, or was given up."""


IMPOSTORS = frozenset({LineFault.OTHER_AUTHORITY, LineFault.OTHER_NAME})
"""What answers has a certificate, and is not the bridge."""


@dataclass(frozen=True, slots=True)
class BridgePlace:
    """Which bridge it is, or was tried last; empty before the first attempt.

    `expires` is when its certificate ends, in Unix seconds; 0 before the first connection.
    """

    name: str = ""
    endpoint: str = ""
    expires: int = 0
    failures: tuple[str, ...] = ()
    """Why each bridge that failed last did so, in sentences."""
    faults: Mapping[str, LineFault] = field(default_factory=dict)
    """The same by the names of the bridges, for machines."""


class BridgeListener(Protocol):
    """What a connection reports. Nothing of it waits."""

    def is_ended(self, bridge: str, key_digest: bytes) -> bool:
        """Tell whether the site has ended this bridge, or who has this key.

        It is asked before `connected`, and at each message. Who is ended is not heard.
        """

    def connected(self, bridge: str) -> None:
        """It is up, and the other end has proven to be this bridge of the hub's site."""

    def disconnected(self, why: str) -> None:
        """It is down; `why` is a sentence for a technician."""

    def received(self, message: bytes) -> None:
        """One whole message, undecoded."""


class BridgeLine(Protocol):
    """The connection to one bridge of several, whichever answers."""

    async def serve(self, listener: BridgeListener) -> None:
        """Connect, and connect again, until cancelled."""

    def send(self, message: bytes) -> bool:
        """Hand one message over; False when there is no connection, or it takes no more now."""

    def send_all(self, messages: Sequence[bytes]) -> int:
        """Hand messages over in their order; return how many were taken, as by `send`."""

    def place(self) -> BridgePlace:
        """Which bridge it is."""

    def leave(self, why: str) -> None:
        """Give up the connection; the next bridge of the list is tried then."""
