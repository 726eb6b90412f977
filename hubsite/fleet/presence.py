"""Which hubs are connected, of what gateways tell (`hubcore.backend.present`).

Laws:
1. A hub is here from the moment when a gateway names it.
2. It is away when gateways have spoken, this one was listening for AWAY_SECONDS, and none has
   named it for so long. While no gateway speaks nobody knows.
3. Only a turn is told: from here to away, or back. At most HUBS_MAX hubs are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from hubcore.backend.present import AWAY_SECONDS, HUBS_MAX

Turned = dict[str, tuple[bool | None, datetime | None]]
"""By hub: whether it is here, None where nobody knows; and since when it is away."""


class Presence:
    """`now` is monotonic seconds, `wall` Unix time."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._spoke: float | None = None
        self._at: dict[str, float] = {}

    def hear(self, hubs: Iterable[str], now: float) -> None:
        """A gateway names these."""
        self._spoke = now
        for hub in hubs:
            if hub in self._at or len(self._at) < HUBS_MAX:
                self._at[hub] = now

    def is_silent(self, now: float) -> bool:
        """Tell whether no gateway has spoken for too long."""
        return now - (self._since if self._spoke is None else self._spoke) >= AWAY_SECONDS

    def turned(self, known: Mapping[str, bool | None], now: float, wall: float) -> Turned:
        """Return the hubs that are another way than `known` says (law 3)."""
        for hub in self._at.keys() - known.keys():
            del self._at[hub]  # it is no hub of this site any more
        found: Turned = {}
        for hub, before in known.items():
            is_here = self._is_here(hub, before, now)
            if is_here is not before:
                since = self._away_since(hub, now, wall) if is_here is False else None
                found[hub] = (is_here, since)
        return found

    def _is_here(self, hub: str, before: bool | None, now: float) -> bool | None:
        if self.is_silent(now):
            return None
        at = self._at.get(hub)
        if at is not None and now - at < AWAY_SECONDS:
            return True
        return before if now - self._since < AWAY_SECONDS else False

    def _away_since(self, hub: str, now: float, wall: float) -> datetime:
        """Return the moment when it was heard last, or from which on nobody heard it."""
        return datetime.fromtimestamp(wall - (now - self._at.get(hub, self._since)), UTC)
