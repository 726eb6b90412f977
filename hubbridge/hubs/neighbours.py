"""Whom the talk with hubs asks and tells: records, the site's orders, the way to the backend."""

from __future__ import annotations

from typing import Protocol

from hubbridge.rules.proven import ProvenHead
from hubbridge.store.meeting import Met
from hubbridge.store.offering import Offered
from hubcore.backend.uplink.from_hub import Notice, OrderResult
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import Head, StoredRecord


class Records(Protocol):
    """Where hubs' records are kept."""

    async def meet(self, hub: str, turn: int, durable: Head, newest: Head, key: bytes) -> Met:
        """A hub says Hello on its connection of this number. Raise StoreError."""

    async def offer(
        self,
        hub: str,
        records: tuple[StoredRecord, ...],
        heads: tuple[ProvenHead, ...] = (),
    ) -> Offered:
        """A hub sends records and heads of its own. Raise StoreError."""


class Orders(Protocol):
    """Who gives the site's orders (`hubbridge.siteorders`)."""

    async def came(self, hub: str) -> None:
        """A hub has come: say what it missed. What cannot be said now ends nothing."""

    def answered(self, hub: str, result: OrderResult) -> bool:
        """A hub has answered an order; tell whether that was asked of it."""


class Upward(Protocol):
    """The way to the backend (`hubbridge.backend.way`). Nothing of it waits."""

    def age_seconds(self) -> int | None:
        """How long ago the backend was heard; None: not since the start."""

    def grew(self, hub: str) -> None:
        """More of a hub is on the disk."""

    def ahead(self, hub: str, notice: Notice) -> None:
        """A hub has told an alarm ahead of its record."""

    def testified(self, hub: str, document: bytes) -> None:
        """The bridge has borne witness of a hub."""

    def doubted(self, hub: str, doubt: Doubt, seen: Head) -> None:
        """The bridge doubts a hub."""

    def accepted(self, hub: str) -> None:
        """The doubt of a hub was ended."""

    def requested(self, hub: str, document: bytes) -> None:
        """A hub asks for its newest certificates, by its own signature."""

    def receipt(self, hub: str) -> bytes | None:
        """Return the newest receipt about a hub, None for none."""
