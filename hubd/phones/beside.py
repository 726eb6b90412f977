"""Phones of a second service on the same radio, as the table of links needs them.

Laws:
1. A link speaks one protocol, until it ends: the hub's own once it has asked for a challenge, the
   second service's once it has written there.
2. The table of links counts them within its places, until they are over.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from hubcore.ports.radio import LinkId


class Beside(Protocol):
    """Who serves them. Times are monotonic seconds."""

    def __len__(self) -> int:
        """Return how many visits take a place: those that are not over."""

    def has(self, link: LinkId) -> bool:
        """Tell whether a link is one of them, or was until it was sent away."""

    @property
    def connected(self) -> int:
        """How many are there, until their links are gone."""

    @property
    def unanswered(self) -> int:
        """How many have begun something that is not answered to its end."""

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Serve until cancelled; visits and decisions are tasks of `tasks`."""

    def opened(self, link: LinkId) -> None:
        """A peer has connected; nobody knows yet what it speaks."""

    def spoke(self, link: LinkId) -> None:
        """A link speaks the hub's own protocol."""

    def listens(self, anybody: bool) -> None:
        """See `ports.radio.PkocListener.listens`."""

    def begin(self, link: LinkId) -> None:
        """Take a link from here on. Raise SequenceError where there is no place."""

    def frame(self, link: LinkId, data: bytes, came: float) -> None:
        """Take one write of a link; `came` is the earliest second at which it may have come.

        Raise PeerError for the write that ends the visit, and for all after it.
        """

    def make_room(self) -> bool:
        """Send the oldest away that has proven nothing; tell whether there was one."""

    def closed(self, link: LinkId) -> None:
        """A peer has gone."""

    def sweep(self) -> None:
        """Send away those whose time is over."""

    def stop(self) -> None:
        """End every visit, and begin none."""
