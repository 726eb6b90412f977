"""Reads the engine's buckets of hubs from their beginning on, and tells what has changed.

Law: nothing is told before each bucket was read to its end. So an engine that is away in the middle
of it removes no hub.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubgateway.rules import names
from hubsite.fleet.judging import BUCKETS, Health, Judge
from hubsite.fleet.mirror import Mirror
from hubsite.fleet.promises import Promised, promised
from hubsite.hubs.engine import HubsEngine


@dataclass(frozen=True, slots=True)
class News:
    """The hubs that are enrolled, and how those are that have changed."""

    hubs: frozenset[str]
    healths: dict[str, Health]
    promises: dict[str, Promised] | None = None
    """All promises, None where none has changed."""


class Reading:
    """One reading; `left_out` counts the keys that found no room."""

    def __init__(self, judge: Judge, mirror: Mirror | None = None) -> None:
        self._judge = judge
        self._mirror = mirror or Mirror()
        wanted = (names.KEYS_BUCKET, names.PROMISES_BUCKET, *BUCKETS)
        self._places = dict.fromkeys(wanted, 0)
        self._has_promises = False
        self._known: dict[str, Health] | None = None

    @property
    def left_out(self) -> int:
        """Return how many keys found no room."""
        return self._mirror.left_out

    async def news(self, engine: HubsEngine) -> News | None:
        """Read on; None where nothing has changed. Raise LinkError, StoreError."""
        touched: set[str] = set()
        for bucket in self._places:
            touched |= await self._read(engine, bucket)
        hubs = self._mirror.hubs()
        known = self._known or {}
        healths = {}
        for hub in hubs & (touched | (hubs - known.keys())):
            health = self._judge.health(hub, self._mirror.said(hub))
            if known.get(hub) != health:
                healths[hub] = health
        promises = self._promises()
        is_same = (
            promises is None and self._known is not None and not healths and hubs == known.keys()
        )
        self._known = {hub: health for hub, health in {**known, **healths}.items() if hub in hubs}
        return None if is_same and promises is None else News(hubs, healths, promises)

    def _promises(self) -> dict[str, Promised] | None:
        """Return all promises if one has changed, or none was told yet."""
        if self._has_promises:
            return None
        self._has_promises = True
        return {hub: promised(hub, kept) for hub, kept in self._mirror.promises.items()}

    async def _read(self, engine: HubsEngine, bucket: str) -> set[str]:
        """Read a bucket to its end; return the hubs about which it said something."""
        touched: set[str] = set()
        while True:
            changes, place = await engine.changes(bucket, self._places[bucket])
            if place == self._places[bucket]:
                return touched
            self._places[bucket] = place
            if bucket == names.KEYS_BUCKET:
                self._mirror.take_keys(changes)
            elif bucket == names.PROMISES_BUCKET:
                self._mirror.take_promises(changes)
                self._has_promises = False
            else:
                touched |= self._mirror.take(bucket, changes)
