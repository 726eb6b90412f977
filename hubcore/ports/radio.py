"""The radio: a BLE peripheral with one GATT table, and what it tells.

Law: what a stranger sends reaches `RadioListener` as bytes that nobody has looked at yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LinkId:
    """One visit of one peer: a routing handle, never an identity. A new visit has a new epoch."""

    peer: str
    epoch: int


class RadioListener(Protocol):
    """What a radio tells: links open, frames come, links close. Calls come on the event loop."""

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO at offset 0: mint a new challenge for this link and return its
        bytes.
        """

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX; `mtu` is the link's ATT_MTU.

        Raise PeerError to answer with an ATT error.
        """

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR: the oldest outbound frame that the peer may lack, or b''."""

    def closed(self, link: LinkId) -> None:
        """The peer has gone; nothing more will reach it."""


class Radio(Protocol):
    """The BLE peripheral: one GATT table, several links at once."""

    async def serve(self, listener: RadioListener, ready: Callable[[bool], None]) -> None:
        """Advertise and serve until cancelled; call `ready(True)` when on air, `ready(False)` when
        not.

        A lost adapter is not an error of this method: it backs off and comes again by itself.
        """

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Send one frame by notification on TX.

        Every subscriber may see it. Raise LinkError if the link is gone.
        """

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer. Dropping a link that is gone does nothing."""
