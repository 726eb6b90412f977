"""What was promised to new hubs, as the engine's bucket has it.

Laws:
1. A token finds the promise that has its digest; two promises with one digest find nobody.
2. What cannot be read is no promise.
"""

from __future__ import annotations

from hubcore.backend.enrolment.promise import Promise, read_promise
from hubcore.errors import FrameError


class Promises:
    """Hears of each change of the bucket."""

    def __init__(self) -> None:
        self._by_hub: dict[str, Promise] = {}
        self._hubs_of: dict[str, set[str]] = {}

    def changed(self, hub: str, value: bytes | None) -> bool:
        """A hub has this promise now, None for none; False for one that cannot be read."""
        before = self._by_hub.pop(hub, None)
        if before is not None:
            self._hubs_of[before.digest].discard(hub)
            if not self._hubs_of[before.digest]:
                del self._hubs_of[before.digest]
        if value is None:
            return True
        promise = read(hub, value)
        if promise is None:
            return False
        self._by_hub[hub] = promise
        self._hubs_of.setdefault(promise.digest, set()).add(hub)
        return True

    def of(self, digest: bytes) -> Promise | None:
        """Return the promise of a token with this digest."""
        hubs = self._hubs_of.get(digest.hex(), set())
        return self._by_hub[next(iter(hubs))] if len(hubs) == 1 else None


def read(hub: str, value: bytes | None) -> Promise | None:
    """Read the promise of a hub; None for none, or one that cannot be read."""
    try:
        promise = read_promise(value or b"")
    except FrameError:
        return None
    return promise if promise.hub == hub else None
