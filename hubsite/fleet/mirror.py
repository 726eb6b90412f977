"""What lies in the engine's buckets of hubs, as far as it was read.

Laws:
1. Hubs are those that `hub_keys` has as enrolled, and no others.
2. A bucket has at most KEYS_MAX keys here, that of promises PROMISES_MAX. What is beyond is left
   out, and counted.
3. A value is kept up to its longest and one byte more, so that it is seen to be too long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hubcore.backend.enrolment.promise import PROMISE_BYTES_MAX
from hubgateway.engine.buckets import Kept
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from hubsite.fleet.judging import BUCKETS, VALUE_BYTES
from hubsite.hubs.engine import Changed

KEYS_MAX = 16_384
PROMISES_MAX = 1024


class Mirror:
    """Hears of each change, and tells of which hubs something has changed."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._hub_of: dict[str, str] = {}
        self._said: dict[str, dict[str, Kept]] = {bucket: {} for bucket in BUCKETS}
        self.promises: dict[str, Kept] = {}
        self.left_out = 0

    def hubs(self) -> frozenset[str]:
        """Return the hubs that are enrolled."""
        return frozenset(self._hub_of.values())

    def said(self, hub: str) -> dict[str, Kept]:
        """Return the values of a hub, by bucket."""
        return {bucket: kept[hub] for bucket, kept in self._said.items() if hub in kept}

    def take_keys(self, changes: Iterable[Changed]) -> None:
        """Hear of changes of `hub_keys`."""
        for one in changes:
            entry = names.read_entry(one.kept.value) if one.kept is not None else None
            if entry is None or entry.standing is not Standing.ENROLLED:
                self._hub_of.pop(one.key, None)
            elif self._has_room(self._hub_of, one.key, self._keys_max):
                self._hub_of[one.key] = entry.hub

    def take(self, bucket: str, changes: Iterable[Changed]) -> set[str]:
        """Hear of changes of another bucket; return the hubs."""
        return self._take(self._said[bucket], changes, VALUE_BYTES, self._keys_max)

    def take_promises(self, changes: Iterable[Changed]) -> set[str]:
        """Hear of changes of what was promised; return the hubs."""
        most = min(PROMISES_MAX, self._keys_max)
        return self._take(self.promises, changes, PROMISE_BYTES_MAX, most)

    def _take(
        self, kept: dict[str, Kept], changes: Iterable[Changed], longest: int, most: int
    ) -> set[str]:
        touched = set()
        for one in changes:
            if not names.HUB_ID.fullmatch(one.key):
                continue
            touched.add(one.key)
            if one.kept is None:
                kept.pop(one.key, None)
            elif self._has_room(kept, one.key, most):
                kept[one.key] = replace(one.kept, value=one.kept.value[: longest + 1])
        return touched

    def _has_room(self, kept: dict[str, str] | dict[str, Kept], key: str, most: int) -> bool:
        if key in kept or len(kept) < most:
            return True
        self.left_out += 1
        return False
