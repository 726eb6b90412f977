"""The connection to a bridge of the site: messages to it and from it, whole and undecoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class BridgeListener(Protocol):
    """What a connection reports. Nothing of it waits."""

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

    def place(self) -> BridgePlace:
        """Which bridge it is."""

    def leave(self, why: str) -> None:
        """Give up the connection; the next bridge of the list is tried then."""
