"""What counts once: kept by its digest, until it would not count any more by its age.

Law: only what was right is spent. So a stranger makes no rows.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from django.utils import timezone

from hubsite.accounts.models import Spent

KEPT_SECONDS = 3600
"""Longer than anything that is spent here counts."""


def spend(what: bytes) -> bool:
    """Tell whether this was not spent before; from now on it is."""
    _, is_new = Spent.objects.get_or_create(digest=sha256(what).hexdigest())
    return bool(is_new)


def tidy_spent(most: int) -> None:
    """Forget what is too old to count, at most so many of it."""
    old = Spent.objects.filter(at__lt=timezone.now() - timedelta(seconds=KEPT_SECONDS))
    found = list(old.order_by("pk").values_list("pk", flat=True)[:most])
    Spent.objects.filter(pk__in=found).delete()
