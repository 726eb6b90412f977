"""The Halt that holds, the pace of Halts, and how orders are refused meanwhile."""

from __future__ import annotations

from collections import Counter

from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import Act, Halt, Order, Release
from hubcore.backend.uplink.from_hub import ActResult, OrderResult, Result
from hubcore.backend.uplink.words import Cause, OrderOutcome, ReleaseOutcome


class Halts:
    """Moments are monotonic seconds."""

    def __init__(self, again_seconds: float, counters: Counter[str]) -> None:
        """Of Halts of one cause within `again_seconds` the first counts."""
        self._again_seconds = again_seconds
        self._counters = counters
        self._came_at: dict[Cause, float] = {}
        self.standing: Halt | None = None
        """The Halt that holds now."""

    def comes(self, halt: Halt, now: float) -> bool:
        """The backend has said this Halt; False when it comes too soon after one of its cause."""
        before = self._came_at.get(halt.cause)
        if before is not None and now - before < self._again_seconds:
            self._counters["halts_too_often"] += 1
            return False
        self.standing = halt
        self._came_at[halt.cause] = now
        return True

    def refusal(self, order: Release | Order | Act, why: str) -> Result | OrderResult | ActResult:
        """Refuse an order for this reason."""
        detail = sentence(why)
        match order:
            case Order():
                self._counters["orders_halted"] += 1
                return OrderResult(order.id, OrderOutcome.REFUSED, detail)
            case Act():
                self._counters["acts_halted"] += 1
                return ActResult(order.id, (), detail)
            case Release():
                self._counters["releases_halted"] += 1
                return Result(order.id, ReleaseOutcome.REFUSED, detail)
