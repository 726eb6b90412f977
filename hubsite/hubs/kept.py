"""What is kept of hubs and policies: short transactions, one row or a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from hubsite.hubs.engine import HubAnswer, HubSaid, OrderAnswer
from hubsite.register.models import EnginePlace, HubPolicy, SignedPolicy
from hubsite.register.models.issued import SENTENCE_LENGTH

KeepOrders = Callable[[Sequence[OrderAnswer]], None]
"""Keeps what hubs have answered to orders, in a transaction that is open."""
PLACE = 1
POLICIES_KEPT = 8
"""The newest are kept: that in force, and a few before it to compare."""


def policy_to_put() -> tuple[int, bytes] | None:
    """Return the newest policy, None when the engine has it: older ones are for nobody."""
    newest = SignedPolicy.objects.order_by("-version").first()
    if newest is None or newest.is_put:
        return None
    return newest.version, bytes(newest.document)


def mark_put(version: int) -> None:
    """The engine has this policy. Forget what is long gone."""
    with transaction.atomic():
        SignedPolicy.objects.filter(pk=version).update(is_put=True)
        SignedPolicy.objects.filter(version__lte=version - POLICIES_KEPT).delete()


def replace_hubs(names: frozenset[str]) -> None:
    """These hubs are enrolled, and no others."""
    with transaction.atomic():
        there = set(HubPolicy.objects.values_list("hub", flat=True))
        HubPolicy.objects.filter(hub__in=there - names).delete()
        HubPolicy.objects.bulk_create(HubPolicy(hub=name) for name in sorted(names - there))


def place_read() -> int:
    """Return how far the answers of hubs were read."""
    found = EnginePlace.objects.filter(pk=PLACE).first()
    return found.place if found else 0


def mark_restored() -> None:
    """A copy was put in place: what was revoked since it was made is not known here."""
    EnginePlace.objects.update_or_create(pk=PLACE, defaults={"is_restored": True})


def is_restored() -> bool:
    """Tell whether a copy was put in place that was not compared with the engine since."""
    return EnginePlace.objects.filter(pk=PLACE, is_restored=True).exists()


def mark_compared() -> None:
    """The engine has nothing that an operator has to look at first."""
    EnginePlace.objects.filter(pk=PLACE, is_restored=True).update(is_restored=False)


def record_answers(said: Sequence[HubSaid], read: int, keep_orders: KeepOrders) -> None:
    """Keep what hubs have said, and how far it was read."""
    now = timezone.now()
    with transaction.atomic():
        for one in said:
            if isinstance(one, HubAnswer):
                _record_policy(one, now)
        keep_orders([one for one in said if isinstance(one, OrderAnswer)])
        EnginePlace.objects.update_or_create(pk=PLACE, defaults={"place": read})


def _record_policy(one: HubAnswer, now: datetime) -> None:
    said = {"version": one.version, "refused": one.refused[:SENTENCE_LENGTH], "said_at": now}
    HubPolicy.objects.update_or_create(hub=one.hub, defaults=said)
