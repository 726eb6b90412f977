"""What a backend tells people of alarms that come ahead of their records.

Laws:
1. A notice proves nothing, is stored nowhere and is never acknowledged: its record comes in order.
2. Each is told once, as long as it is remembered, and never after its record is durable.
3. A hub sets no pace: beyond RATE nothing is told. The records tell it later.
"""

from __future__ import annotations

from collections import OrderedDict

from hubcore.backend.uplink.from_hub import Notice
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.records import facts
from hubcore.timing.moment import show_ms
from hubcore.timing.pace import Paces, Rate

EACH = Rate(burst=128, per_second=1.0)
WHOLE = Rate(burst=1024, per_second=32.0)
HUBS_MAX = 4096
REMEMBERED = 16_384


class Notices:
    """The notices of all hubs."""

    def __init__(self) -> None:
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=HUBS_MAX)
        self._told: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        """By hub and chain hash, those that came longest ago first."""

    def sentence(self, hub: str, notice: Notice, durable: int, now: float) -> str:
        """Return what to tell people, "" for nothing new.

        `durable` is the newest record of the hub that is on its owner's disk. `now` in monotonic
        seconds.
        """
        alarm = alarm_of(notice.body)
        if not alarm or notice.number <= durable or (hub, notice.hash) in self._told:
            return ""
        if not self._paces.take(hub, now):
            return ""
        self._told[hub, notice.hash] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        when = show_ms(facts(notice.body)["at"])
        return (
            f"ALARM of hub {hub} at {when}, ahead of its record {notice.number} and not proven "
            f"yet: {alarm}"
        )
