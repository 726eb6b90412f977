"""Too many attempts: who fails too often at one place waits.

Laws:
1. After `failures` within `window_seconds` an attempt is refused for `locked_seconds`, right or
   wrong.
2. Failures count for the credential *at the access point where they happened*. A stranger with a
   copied card number can lock that card out at that one reader, and nowhere else.
3. A proof that names nobody counts for its own link alone (`hubcore.phone.link`), never for a
   credential.
4. What is refused because of a lockout prolongs nothing.
5. A success ends the count.
6. At most ATTEMPTS_MAX counts are kept; the oldest that is not locked gives way, then the oldest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

ATTEMPTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """After how many failures in how many seconds, and for how many seconds, an attempt waits."""

    failures: int = 5
    window_seconds: float = 60.0
    locked_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class _Count:
    """Failures since a monotonic second, and until when attempts are refused (0: they are not)."""

    failures: int
    since: float
    locked_until: float = 0.0


Key = tuple[int, str]
"""An access point, and the credential that was presented there."""


class Lockout:
    """Counts failed second factors; times are monotonic seconds."""

    def __init__(self, rule: LockoutRule, attempts_max: int = ATTEMPTS_MAX) -> None:
        self._rule = rule
        self._attempts_max = attempts_max
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def locked(self, key: Key, now: float) -> bool:
        """Tell whether an attempt is refused now."""
        count = self._counts.get(key)
        return count is not None and now < count.locked_until

    def failed(self, key: Key, now: float) -> bool:
        """An attempt failed; tell whether it was the one that locks."""
        if self.locked(key, now):
            return False
        count = self._counts.pop(key, None)
        if count is None or count.locked_until or now - count.since > self._rule.window_seconds:
            count = _Count(0, now)
        failures = count.failures + 1
        locks = failures >= self._rule.failures
        until = now + self._rule.locked_seconds if locks else 0.0
        self._counts[key] = _Count(failures, count.since, until)
        if len(self._counts) > self._attempts_max:
            self._make_room(now)
        return locks

    def succeeded(self, key: Key, now: float) -> None:
        """An attempt was right: the count ends, a lockout does not."""
        if not self.locked(key, now):
            self._counts.pop(key, None)

    def _make_room(self, now: float) -> None:
        oldest = next(iter(self._counts))
        free = (key for key, count in self._counts.items() if now >= count.locked_until)
        del self._counts[next(free, oldest)]

    def __len__(self) -> int:
        return len(self._counts)
