"""How often a source may do what costs something: token buckets.

Laws:
1. In any span of t seconds one source gets at most its burst and its rate times t.
2. All sources together get at most the whole's burst and rate times t, however many there are.
3. Memory is bounded: of more than `sources_max` sources, the one that asked longest ago is
   forgotten.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, after that `per_second`."""

    burst: float
    per_second: float


class Bucket:
    """The tokens of one source, full at the beginning."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._since: float | None = None

    def take(self, now: float) -> bool:
        """Take a token at monotonic time `now` (seconds); tell whether there was one."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Put a token back that was taken for nothing."""
        self._tokens = min(self._rate.burst, self._tokens + 1)

    def _fill(self, now: float) -> None:
        """Add the tokens of the time since the last look."""
        if self._since is not None:
            elapsed = max(0.0, now - self._since)
            tokens = self._tokens + elapsed * self._rate.per_second
            self._tokens = min(self._rate.burst, tokens)
        self._since = now


class Paces:
    """The buckets of many sources, and the one of all together."""

    def __init__(self, *, each: Rate, whole: Rate, sources_max: int) -> None:
        self._each = each
        self._whole = Bucket(whole)
        self._sources_max = sources_max
        self._buckets: dict[Hashable, Bucket] = {}
        """The source that asked longest ago comes first."""

    def take(self, source: Hashable, now: float) -> bool:
        """Take a token of the source and one of the whole; tell whether there were both."""
        bucket = self._buckets.pop(source, None)
        if bucket is None:
            bucket = Bucket(self._each)
        self._buckets[source] = bucket
        if len(self._buckets) > self._sources_max:
            longest_ago = next(iter(self._buckets))
            del self._buckets[longest_ago]
        return bucket.take(now) and self._whole.take(now)

    def give_back(self, source: Hashable) -> None:
        """Put back what `take` took, where that was for nothing; a forgotten source has all."""
        bucket = self._buckets.get(source)
        if bucket is not None:
            bucket.give_back()
        self._whole.give_back()

    def __len__(self) -> int:
        return len(self._buckets)
