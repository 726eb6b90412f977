"""What a bridge says to its backend beside the records: testimonies, doubts, alarms.

Laws:
1. What is kept of each hub is its newest testimony, doubt and request for certificates, and of
   `hubs_max` hubs at most. Each is said once on each connection, and a request as often as its
   hub asks.
2. No hub sets a pace: of each at most AHEAD_EACH's alarms go ahead, of all at most AHEAD_WHOLE's.
   What is beyond comes with its record.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Notice
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    BornWitness,
    Doubted,
    FromBridge,
    RequestOfHub,
)
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import Head
from hubcore.timing.pace import Paces, Rate

AHEAD_EACH = Rate(burst=16, per_second=0.2)
AHEAD_WHOLE = Rate(burst=256, per_second=8.0)
"""256 of the longest alarms are 1 MiB."""


class SaidApart:
    """What is kept of hubs to be said again."""

    def __init__(self, hubs_max: int, counters: Counter[str]) -> None:
        self._hubs_max = hubs_max
        self._counters = counters
        self._ahead = Paces(each=AHEAD_EACH, whole=AHEAD_WHOLE, sources_max=hubs_max)
        self._testimonies: dict[str, bytes] = {}
        self._doubts: dict[str, Doubted] = {}
        self._requests: dict[str, bytes] = {}

    def ahead(self, hub: str, notice: Notice, now: float) -> FromBridge | None:
        """A hub has told an alarm; return what is to be said, None beyond its pace (law 2)."""
        if self._ahead.take(hub, now):
            return Ahead(hub, uplink.encode(notice))
        self._counters["ahead_left_out"] += 1
        return None

    def testimony(self, hub: str, document: bytes) -> FromBridge | None:
        """The bridge has borne witness of a hub; return what is to be said, None for nothing."""
        is_new = self._keep(self._testimonies, hub, document)
        return BornWitness(hub, document) if is_new else None

    def doubt(self, hub: str, doubt: Doubt, seen: Head) -> FromBridge | None:
        """The bridge doubts a hub; return what is to be said, None for nothing."""
        said = Doubted(
            hub=hub,
            cause=doubt.cause,
            told=doubt.told.number,
            told_hash=doubt.told.hash,
            seen=seen.number,
            seen_hash=seen.hash,
        )
        return said if self._keep(self._doubts, hub, said) else None

    def request(self, hub: str, document: bytes) -> FromBridge | None:
        """A hub asks for its newest certificates; return what is to be said, None for nothing.

        It asks again what was not answered, and a signature may have the same bytes then.
        """
        self._keep(self._requests, hub, document)
        return RequestOfHub(hub, document) if hub in self._requests else None

    def forget(self, hub: str) -> None:
        """What was seen of a hub counts no more."""
        self._testimonies.pop(hub, None)
        self._doubts.pop(hub, None)

    def again(self) -> list[FromBridge]:
        """Return what is said on each connection."""
        said: list[FromBridge] = [BornWitness(*one) for one in self._testimonies.items()]
        said += self._doubts.values()
        return [*said, *(RequestOfHub(*one) for one in self._requests.items())]

    def _keep(self, kept: dict[str, Any], hub: str, value: object) -> bool:
        """Keep what is new, where there is room (law 1); tell whether it was."""
        if kept.get(hub) == value or (hub not in kept and len(kept) >= self._hubs_max):
            return False
        kept[hub] = value
        return True
