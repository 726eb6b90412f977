"""The uplink: messages to the backend and from it, whole and undecoded."""

from __future__ import annotations

from typing import Protocol


class UplinkListener(Protocol):
    """What an uplink reports; `sync` listens."""

    def connected(self) -> None:
        """The uplink is up: encrypted, and the backend proved its key."""

    def disconnected(self, why: str) -> None:
        """The uplink is down; `why` is a sentence for a technician."""

    def received(self, message: bytes) -> None:
        """One whole message of `backend.uplink`, undecoded."""


class Uplink(Protocol):
    """The connection to the backend.

    A message sent is not a message received: `backend.uplink` has its own receipts.
    """

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled."""

    def send(self, message: bytes) -> bool:
        """Queue one message; False, and not queued, when the uplink is down or the queue full."""
