"""The uplink: messages to the backend and from it, whole and undecoded."""

from __future__ import annotations

from typing import Protocol


class UplinkListener(Protocol):
    """What the link to the backend tells; `sync` listens."""

    def connected(self) -> None:
        """The link is up: encrypted, and the backend proved its key."""

    def disconnected(self, why: str) -> None:
        """The link is down; `why` is a sentence for a technician."""

    def received(self, message: bytes) -> None:
        """One whole message of `backend.uplink`, undecoded."""


class Uplink(Protocol):
    """The link to the backend.

    A message sent is not a message received: `backend.uplink` has its own receipts.
    """

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled."""

    def send(self, message: bytes) -> bool:
        """Hand over one message; False when the link is down or its queue is full (nothing was
        queued).
        """
