"""Reads the engine's buckets of hubs from their beginning on, and tells what has changed.

Laws:
1. Nothing is told before each bucket was read to its end. So an engine that is away in the middle
   of it removes no hub.
2. A turn takes at most BATCHES_A_TURN batches of a bucket, and none once all is to end. The next
   turn goes on behind them.
3. An account that may not read what hubs find wrong with themselves hides nothing else: that bucket
   is left out of this reading, and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubcore.errors import StoreError
from hubgateway.rules import names
from hubsite.fleet.judging import BUCKETS, Health, Judge
from hubsite.fleet.mirror import Mirror
from hubsite.fleet.promises import Promised, promised
from hubsite.hubs.engine import HubsEngine

BATCHES_A_TURN = 64
LATER = frozenset({names.HEALTH_BUCKET})
"""Buckets that accounts of before may not read."""


@dataclass(frozen=True, slots=True)
class News:
    """The hubs that are enrolled, and how those are that have changed."""

    hubs: frozenset[str]
    healths: dict[str, Health]
    promises: dict[str, Promised] | None = None
    """All promises, None where none has changed."""


class Reading:
    """One reading; `left_out` counts the keys that found no room."""

    def __init__(
        self,
        judge: Judge,
        mirror: Mirror | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_stopped = is_stopped
        self._touched: set[str] = set()
        self._judge = judge
        self._mirror = mirror or Mirror()
        wanted = (names.KEYS_BUCKET, names.PROMISES_BUCKET, *BUCKETS)
        self._places = dict.fromkeys(wanted, 0)
        self._has_promises = False
        self._known: dict[str, Health] | None = None
        self.refused: dict[str, str] = {}
        """The buckets that the engine does not let this account read, and its words (law 3)."""

    @property
    def left_out(self) -> int:
        """Return how many keys found no room."""
        return self._mirror.left_out

    async def news(self, engine: HubsEngine) -> News | None:
        """Read on; None where nothing has changed, or not all is read.

        Raise LinkError, StoreError.
        """
        is_whole = [await self._read(engine, bucket) for bucket in self._places]
        if not all(is_whole):
            return None
        touched = self._touched
        self._touched = set()
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

    async def _read(self, engine: HubsEngine, bucket: str) -> bool:
        """Read on in a bucket; tell whether that was its end (law 2)."""
        if bucket in self.refused:
            return True
        for _ in range(BATCHES_A_TURN):
            if self._is_stopped():
                return False
            try:
                changes, place = await engine.changes(bucket, self._places[bucket])
            except StoreError as error:
                if bucket not in LATER:
                    raise
                self.refused[bucket] = str(error)
                return True
            if place == self._places[bucket]:
                return True
            self._places[bucket] = place
            if bucket == names.KEYS_BUCKET:
                self._mirror.take_keys(changes)
            elif bucket == names.PROMISES_BUCKET:
                self._mirror.take_promises(changes)
                self._has_promises = False
            else:
                self._touched |= self._mirror.take(bucket, changes)
        return False
