"""Alarms: which ones nobody has seen, and who has.

Laws:
1. An alarm is seen once, by who says so first. That is an act, in the same transaction.
2. At most SHOWN are shown and seen at once.
3. An alarm whose record is not here is shown once: as the bridge tells it, or else as it came ahead
   by the engine. Where both do not say the very same, both are shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db import transaction

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.bridge import alarms as told
from hubsite.bridge.models import BridgeAlarm
from hubsite.records.ahead import Waiting
from hubsite.records.models import Chain, Record
from hubsite.records.showing.reading import the_follower

SHOWN = 100


def unseen() -> list[Record]:
    """Return the newest alarms that nobody has seen."""
    rows = Record.objects.filter(is_alarm=True, seen_at__isnull=True)
    return list(rows.order_by("-id")[:SHOWN])


def seen() -> list[Record]:
    """Return the newest alarms that somebody has seen."""
    rows = Record.objects.filter(is_alarm=True, seen_at__isnull=False)
    return list(rows.order_by("-id")[:SHOWN])


def see(by: str, ids: Sequence[int]) -> int:
    """Somebody has seen these alarms (law 1); return how many nobody had seen before."""
    with transaction.atomic():
        rows = Record.objects.filter(pk__in=ids[:SHOWN], is_alarm=True, seen_at__isnull=True)
        found = list(rows.select_for_update().order_by("id"))
        rows.update(seen_by=by, seen_at=int(time.time()))
        for row in found:
            log.write(by, ActKind.ALARM_SEEN, about=f"record {row.hub} {row.number}")
    return len(found)


def waiting() -> list[Waiting]:
    """Return alarms whose records have not come yet: nothing proves them (law 3)."""
    follower = the_follower()
    if follower is None:
        return []
    heads = dict(Chain.objects.values_list("hub", "head_number"))
    rows = follower.ahead.waiting(heads)
    if not rows:
        return []
    same = {row.identity for row in BridgeAlarm.objects.all()}
    return [one for one in rows if _identity(one) not in same]


def _identity(one: Waiting) -> tuple[object, ...]:
    """Return what the bridge would know it by."""
    return one.hub, one.number, one.chain_hash, one.alarm, one.second


def count_unseen() -> int:
    """Return how many alarms nobody has seen, whichever way they came; at most SHOWN of a way."""
    rows = Record.objects.filter(is_alarm=True, seen_at__isnull=True)
    records = len(rows.order_by("-id").values_list("pk", flat=True)[:SHOWN])
    return records + len(told.unseen()) + len(waiting())
