"""The uplink: messages to the backend and from it, whole and undecoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UplinkPlace:
    """Where the uplink is, or where it tried to be last."""

    endpoint: str = ""
    server_key: int = 1
    """Which of the backend's pinned keys, counted from 1."""
    server: bytes = b""
    """That key; empty before the first attempt."""
    own_key: bytes = b""
    """The public key with which the hub came; empty before the first attempt."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """The last cause at each endpoint that failed and has not worked since, in sentences."""


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

    def place(self) -> UplinkPlace:
        """Where it is, or tried to be last."""

    def leave(self, why: str, *, again: bool = False) -> None:
        """Give up the connection that is up, and try anew.

        `again`: at the same endpoint, with the same of the backend's keys. Else this endpoint
        counts as one that failed, for the reason `why`. Without a connection nothing happens.
        """
