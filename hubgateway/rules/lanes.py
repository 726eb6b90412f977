"""What hubs have said and nobody has done yet: a lane for each hub, in order.

Laws:
1. What one hub says is done in the order in which it came, one thing at a time.
2. A lane has a ceiling. What comes beyond it is dropped, and the hub sends it again.
3. Records that wait together, from one connection, are taken together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hubcore.backend.uplink import from_hub
from hubcore.evidence.records import StoredRecord
from hubgateway.rules.chain import BATCH_RECORDS_MAX

LANE_MESSAGES_MAX = 256


@dataclass(frozen=True, slots=True)
class Session:
    """A connection on which a hub has said Hello; `revision` is the engine's of it."""

    route: bytes
    key: str
    hello: from_hub.Hello
    revision: int
    halted: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a hub."""

    route: bytes
    key: str
    message: from_hub.HubMessage


@dataclass(slots=True)
class Lane:
    """What one hub has said and nobody has done yet."""

    waiting: deque[Heard] = field(default_factory=deque)
    runs: bool = False

    def put(self, heard: Heard) -> bool:
        """Add a message; False when there is no room."""
        if len(self.waiting) >= LANE_MESSAGES_MAX:
            return False
        self.waiting.append(heard)
        return True

    def take_records(self, first: Heard) -> list[StoredRecord]:
        """Take the records that wait behind this one, which is taken already, with it."""
        found = []
        heard: Heard | None = first
        while heard is not None and isinstance(heard.message, from_hub.Evidence):
            said = heard.message
            found.append(StoredRecord(said.number, said.body, said.hash))
            heard = self._next(first.route) if len(found) < BATCH_RECORDS_MAX else None
        return found

    def _next(self, route: bytes) -> Heard | None:
        if not self.waiting or self.waiting[0].route != route:
            return None
        if not isinstance(self.waiting[0].message, from_hub.Evidence):
            return None
        return self.waiting.popleft()
