"""At which hub an access point is.

Law: a hub's certificate says it, signed by the issuer. Where no certificate is known and the site
has one hub alone, it is that one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import transaction

from hubsite.orders.models import PointAt


def hub_of(point: int, hubs: Collection[str]) -> str:
    """Return the hub of an access point, "" where it is not known; `hubs` are those of the site."""
    found = PointAt.objects.filter(pk=point).first()
    if found is not None and found.hub in hubs:
        return str(found.hub)
    return next(iter(hubs)) if len(hubs) == 1 else ""


def keep_points(points: Mapping[int, str]) -> None:
    """Keep where access points are; those that are not named stay as they were."""
    there = dict(PointAt.objects.filter(pk__in=points).values_list("number", "hub"))
    changed = [(number, hub) for number, hub in points.items() if there.get(number) != hub]
    with transaction.atomic():
        for number, hub in changed:
            PointAt.objects.update_or_create(pk=number, defaults={"hub": hub})
