"""Keeps what a bridge tells of alarms, held against the records that are here.

Laws:
1. An alarm whose record is here, and says the same, leaves nothing: the record has it.
2. One whose record was here once, and went by its age, leaves nothing.
3. No bridge sets a pace: alarms are looked at by EACH and WHOLE, first those that never were, then
   those whose last look is longest ago. What is not looked at now is in a later turn, if the bridge
   says it still.
4. Of HANDLED_MAX alarms it is remembered that they were looked at: they are not again. What found
   no room, or has left unseen, is looked at again, as long as the bridge says it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from hubcore.timing.pace import Paces, Rate
from hubsite.bridge import alarms
from hubsite.bridge.answer import BridgeNow, Identity, SaidAlarm
from hubsite.bridge.models import BridgeAlarm
from hubsite.records.models import Chain, Record

EACH = Rate(burst=32, per_second=0.5)
WHOLE = Rate(burst=256, per_second=4.0)
HUBS_MAX = 1024
HANDLED_MAX = 8192
ROWS_AT_ONCE = 256


class Hearing:
    """What was heard of alarms; one thread calls it."""

    def __init__(
        self,
        each: Rate = EACH,
        whole: Rate = WHOLE,
        ceilings: alarms.Ceilings = alarms.CEILINGS,
    ) -> None:
        self._ceilings = ceilings
        self._paces = Paces(each=each, whole=whole, sources_max=HUBS_MAX)
        self._handled: OrderedDict[Identity, None] = OrderedDict()
        self._left_out: dict[Identity, int] = {}
        """What the bridge says and has no room here, with the turn of its last look."""
        self._turn = 0

    def hear(self, said: BridgeNow, now: int) -> int:
        """Keep what is new (laws 1 to 4), at `now` in Unix time; return how many have no room."""
        self._turn += 1
        fresh = self._fresh(said.alarms)
        if not fresh and not _to_settle().exists():
            return len(self._left_out)
        with transaction.atomic():
            settle()
            found = _without_records(fresh)
            left_out = alarms.keep(found, said.bridge, now, self._ceilings)
        self._remember(fresh, left_out, {one.identity for one in said.alarms})
        return len(self._left_out)

    def _remember(
        self, fresh: Iterable[SaidAlarm], left_out: set[Identity], said: set[Identity]
    ) -> None:
        """Keep law 4; `said` is all that the bridge says now."""
        for one in fresh:
            self._handled[one.identity] = None
            self._left_out.pop(one.identity, None)
        for identity in left_out:
            self._handled.pop(identity, None)
            if identity in said:
                self._left_out[identity] = self._turn
        while len(self._handled) > HANDLED_MAX:
            self._handled.popitem(last=False)

    def _fresh(self, said: Iterable[SaidAlarm]) -> list[SaidAlarm]:
        """Return those that are to be looked at, as far as their pace goes (law 3)."""
        now = time.monotonic()
        new = [one for one in said if one.identity not in self._handled]
        there = {one.identity for one in new}
        self._left_out = {one: turn for one, turn in self._left_out.items() if one in there}
        new.sort(key=lambda one: self._left_out.get(one.identity, 0))
        return [one for one in new if self._paces.take(one.hub, now)]


def settle() -> None:
    """Meet the records that came in the same moment as their alarms."""
    for row in _to_settle()[:ROWS_AT_ONCE]:
        found = Record.objects.get(hub=row.hub, number=row.number)
        seen = alarms.met(row.hub, [found.stored]).get(row.number)
        if seen is not None:
            unseen = Record.objects.filter(pk=found.pk, seen_at__isnull=True)
            unseen.update(seen_by=seen.by, seen_at=seen.at)


def _to_settle() -> QuerySet[BridgeAlarm]:
    record = Record.objects.filter(hub=OuterRef("hub"), number=OuterRef("number"))
    return BridgeAlarm.objects.filter(Exists(record), is_other=False)


def _without_records(said: Sequence[SaidAlarm]) -> Iterator[tuple[SaidAlarm, bool]]:
    """Yield those that no record here tells, each with whether there is another record."""
    bases = dict(Chain.objects.values_list("hub", "base_number"))
    for one in said:
        if one.record <= bases.get(one.hub, 0):
            continue
        found = Record.objects.filter(hub=one.hub, number=one.record).first()
        if found is None:
            yield one, False
        elif not alarms.is_of(one.identity, found.stored):
            yield one, True
