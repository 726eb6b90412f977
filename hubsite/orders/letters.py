"""At which hubs an order is to be done, and the letter by which each is given it.

Laws:
1. A hub's certificate says which access points it has, signed by the issuer. Where none is known
   that names an access point, and the site has one hub alone, it is that one. No order goes to
   another hub than the certificate names. What a device is told names its hub.
2. A hub has one letter of an order at a time. A letter that lives goes as it was, once its way was
   lost: a hub does one id once.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction

from hubcore.backend.uplink.words import ID_BYTES
from hubsite.orders.models import Given, Order, PointAt
from hubsite.orders.words import AGAIN, TAKE_SECONDS
from hubsite.register.models import HubPolicy


@dataclass(frozen=True, slots=True)
class Letter:
    """An order for one hub: the id that its answer will name, and until when it must be taken."""

    hub: str
    message: bytes
    expires_at: int


def at_hubs() -> dict[int, str]:
    """Return the hub of each access point of which a certificate is known."""
    return dict(PointAt.objects.values_list("number", "hub"))


def hubs_before() -> frozenset[str]:
    """Return the hubs that were enrolled when somebody looked last, over a restart.

    None where the doors of one of them are not known: an order would not find it.
    """
    hubs = frozenset(HubPolicy.objects.values_list("hub", flat=True))
    return hubs if hubs <= set(at_hubs().values()) else frozenset()


def hub_of(point: int, hubs: Collection[str], points: Mapping[int, str] | None = None) -> str:
    """Return the hub of an access point, "" where it is not known; `hubs` are those of the site.

    `points` are those of `at_hubs`, where they were read before.
    """
    known = at_hubs() if points is None else points
    if point in known:
        return known[point] if known[point] in hubs else ""
    return next(iter(hubs)) if len(hubs) == 1 else ""


def keep_points(points: Mapping[int, str]) -> None:
    """Keep where access points are; those that are not named stay as they were."""
    there = dict(PointAt.objects.filter(pk__in=points).values_list("number", "hub"))
    changed = [(number, hub) for number, hub in points.items() if there.get(number) != hub]
    with transaction.atomic():
        for number, hub in changed:
            PointAt.objects.update_or_create(pk=number, defaults={"hub": hub})


def whom(
    order: Order, hubs: Collection[str], points: Mapping[int, str] | None = None
) -> tuple[str, ...]:
    """Return the hubs that are meant, none where none is known."""
    if order.hub:
        return (order.hub,) if order.hub in hubs else ()
    if order.point is None:
        return tuple(sorted(hubs))
    hub = hub_of(order.point, hubs, points)
    return (hub,) if hub else ()


def rows_due(
    order: Order, hubs: Iterable[str], now: int, *, is_again: bool
) -> list[tuple[int, Given]]:
    """Return a row for each hub that has not done it, and since when it is not given, 0: ever."""
    there = {row.hub: row for row in order.given.all()}
    found = []
    for hub in hubs:
        since = there[hub].expires_at if hub in there else 0
        row = _row(order, hub, there.get(hub), now, is_again)
        if row is not None:
            found.append((since, row))
    return found


def written(rows: Iterable[Given]) -> tuple[Letter, ...]:
    """Keep these rows, in a transaction that is open, and return a letter for each."""
    letters = []
    for row in rows:
        row.save()
        letters.append(Letter(row.hub, bytes.fromhex(row.message), row.expires_at))
    return tuple(letters)


def _row(order: Order, hub: str, there: Given | None, now: int, is_again: bool) -> Given | None:
    """Return the row by which a hub is given an order now; None: it is not given now.

    A letter that lives goes as it was, once its way was lost: a hub does one id once.
    """
    if there is None:
        return Given(order=order, hub=hub, message=order.key, expires_at=now + TAKE_SECONDS)
    if there.expires_at > now:
        return None if is_again or there.answer else there
    if there.answer not in ("", *AGAIN):
        return None
    there.message = secrets.token_hex(ID_BYTES)
    there.expires_at = now + TAKE_SECONDS
    there.answer = ""
    there.is_over = False
    return there


def add_hubs(order: Order, reference: str, hubs: Collection[str], now: int) -> None:
    """Have a row for each hub that is meant, under the id that its answer names."""
    order.given.filter(answer="").update(message=reference)
    expires_at = now + TAKE_SECONDS
    for hub in sorted(set(hubs) - set(order.given.values_list("hub", flat=True))):
        Given.objects.create(order=order, hub=hub, message=reference, expires_at=expires_at)
