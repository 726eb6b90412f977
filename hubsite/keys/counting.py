"""Whether the counter of a key has risen: the counter of a copy falls behind sooner or later.

Law: a key without a counter says 0 each time. One that has counted says 0 never again.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone


def has_counted(rows: QuerySet, counter: int) -> bool:
    """Keep the counter of the one row that these are; False where it has not risen."""
    now = timezone.now()
    if counter == 0:
        return bool(rows.filter(counter=0).update(used_at=now) == 1)
    newer = rows.filter(counter__lt=counter)
    return bool(newer.update(counter=counter, used_at=now) == 1)
