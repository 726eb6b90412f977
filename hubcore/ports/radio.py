"""The radio: a BLE peripheral with one GATT table, and what it reports.

Law: what a stranger sends reaches `RadioListener` as bytes that no code has read yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LinkId:
    """One visit of one peer: a routing handle, never an identity.

    `visit` is another number at each visit of the same peer.
    """

    peer: str
    visit: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter that serves the hub, as its stack knows it now.

    `address` is the hub's own. `generation` is the Bluetooth version of the controller, such as
    "5.2". None: not known.
    """

    name: str
    address: str | None = None
    powered: bool | None = None
    generation: str | None = None


class RadioListener(Protocol):
    """What a radio reports: links open, frames come, links close. Calls come on the event loop."""

    def opened(self, link: LinkId) -> None:
        """A peer has connected."""

    def info(self, link: LinkId) -> bytes:
        """Answer a read of INFO at offset 0 with the bytes of a new challenge for this link."""

    def frame(self, link: LinkId, data: bytes, mtu: int) -> None:
        """Take one write to RX; `mtu` is the link's ATT_MTU.

        Raise PeerError to answer with an ATT error.
        """

    def next_frame(self, link: LinkId, mtu: int) -> bytes:
        """Answer a read of TXR: the oldest frame that the peer may not have yet, or b''."""

    def closed(self, link: LinkId) -> None:
        """The peer has gone; nothing more will reach it."""


class PkocListener(Protocol):
    """What a radio reports of the second service (`hubcore.pkoc.gatt`), where it is on.

    Links open and close by `RadioListener`, whichever service they use.
    """

    def listens(self, anybody: bool) -> None:
        """A peer has subscribed to NOTIFY, perhaps not the first, or none does any more."""

    def pkoc_frame(self, link: LinkId, data: bytes) -> None:
        """Take one write to WRITE. Raise PeerError to answer with an ATT error."""


class Radio(Protocol):
    """The BLE peripheral: one GATT table, several links at once."""

    async def serve(
        self,
        listener: RadioListener,
        ready: Callable[[bool], None],
        pkoc: PkocListener | None = None,
    ) -> None:
        """Advertise and serve until cancelled; call `ready(True)` on air, `ready(False)` off air.

        With `pkoc` the second service is in the table and in the advertisement. A lost adapter is
        not an error of this method: it waits and tries again by itself.
        """

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Send one frame by notification on TX. Raise LinkError if the link is gone.

        Every subscriber may see it.
        """

    async def notify_pkoc(self, message: bytes) -> None:
        """Send one message by notification on NOTIFY to every subscriber. Raise LinkError off air.

        Nobody can be addressed.
        """

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer; do nothing when the link is gone."""

    def adapter(self) -> Adapter | None:
        """Return the adapter in use, None when there is none."""

    def rssi(self, link: LinkId) -> int | None:
        """Return how strongly a peer is heard, in dBm; None when that is not measured."""


Listen = Callable[[], Awaitable[str]]
"""Hears the hub's own advertisement with a second radio; says how. Raises LinkError when it does
not come, HardwareError where there is no second radio.
"""
