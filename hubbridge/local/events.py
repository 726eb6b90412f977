"""What happens on site, for who watches by the local socket.

Laws:
1. No hub sets a pace. Of each hub there are at most EACH's events, and its alarms have a pace of
   their own, so that one that comes and goes all the time hides no alarm. All hubs together have
   WHOLE's, and all alarms as many again.
2. What is left out is counted, and the next event tells how many there were.
"""

from __future__ import annotations

from hubbridge.hubs.state import Alarm
from hubbridge.rules.doubts import DoubtEnded
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.site.order import SiteOrder
from hubcore.bridge.witness import Doubt
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hublocal.tail.events import LEVELS, EventTail

EACH = Rate(burst=32, per_second=0.5)
WHOLE = Rate(burst=2048, per_second=64)
INFO = LEVELS[0]
WARNING = LEVELS[1]


class SiteEvents:
    """`hubbridge.hubs.happenings.Happenings`, published for onlookers."""

    def __init__(self, tail: EventTail, clock: Clock, hubs_max: int) -> None:
        self._tail = tail
        self._clock = clock
        self._paces = {
            is_alarm: Paces(each=EACH, whole=WHOLE, sources_max=hubs_max)
            for is_alarm in (False, True)
        }
        self.left_out = 0

    def came(self, hub: str) -> None:
        """A hub has said Hello."""
        self._tell(hub, {"event": "hub_came"}, INFO)

    def gone(self, hub: str) -> None:
        """A hub is away."""
        self._tell(hub, {"event": "hub_gone"}, WARNING)

    def doubted(self, hub: str, doubt: Doubt) -> None:
        """The records of a hub are not what was seen."""
        cause = doubt.cause.name.lower()
        self._tell(hub, {"event": "hub_doubted", "cause": cause}, WARNING)

    def undoubted(self, act: DoubtEnded) -> None:
        """Somebody has ended the doubt of a hub; the socket sets the pace."""
        facts: dict[str, object] = {
            "event": "doubt_ended",
            "hub": act.hub,
            "record": act.accepted.number,
            "by": act.by,
            "uid": act.uid,
        }
        self._publish(facts, WARNING)

    def alarmed(self, hub: str, alarm: Alarm) -> None:
        """A hub alarms."""
        facts: dict[str, object] = {
            "event": "alarm",
            "what": alarm.what,
            "record": alarm.number,
            "was_at": alarm.at_ms / 1000,
            "ahead": alarm.ahead,
        }
        self._tell(hub, facts, WARNING, is_alarm=True)

    def answered(self, hub: str, result: OrderResult) -> None:
        """A hub has answered an order."""
        facts: dict[str, object] = {
            "event": "order_answered",
            "order": result.id.hex(),
            "outcome": result.outcome.name.lower(),
        }
        if result.detail:
            facts["detail"] = result.detail
        is_well = result.outcome is OrderOutcome.TAKEN
        self._tell(hub, facts, INFO if is_well else WARNING)

    def ordered(self, order: SiteOrder, what: str, uid: int) -> None:
        """Somebody on site has ordered something; the socket sets the pace."""
        facts: dict[str, object] = {
            "event": "order_given",
            "order": order.id.hex(),
            "what": what,
            "by": order.by,
            "uid": uid,
        }
        if order.hub is not None:
            facts["hub"] = order.hub
        self._publish(facts, WARNING)

    def _tell(
        self, hub: str, facts: dict[str, object], level: str, *, is_alarm: bool = False
    ) -> None:
        if not self._paces[is_alarm].take(hub, self._clock.monotonic()):
            self.left_out += 1
            return
        if self.left_out:
            facts["left_out_before"] = self.left_out
            self.left_out = 0
        self._publish({**facts, "hub": hub}, level)

    def _publish(self, facts: dict[str, object], level: str) -> None:
        self._tail.publish({**facts, "at": self._clock.wall()}, level)
