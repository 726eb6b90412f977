"""Alarms: which ones nobody has seen, and who has.

Laws:
1. An alarm is seen once, by who says so first. That is an act, in the same transaction.
2. At most SHOWN are shown and seen at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.records.ahead import Waiting
from hubsite.records.follower import Follower
from hubsite.records.models import Chain, Record

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
    """Return alarms whose records have not come yet: nothing proves them."""
    for part in settings.HUBSITE_RUNNING.parts:
        if isinstance(part, Follower):
            heads = dict(Chain.objects.values_list("hub", "head_number"))
            return part.ahead.waiting(heads)
    return []
