"""The rows of hubs' health: written when something is another one, and never more often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime

from django.db import transaction

from hubsite.fleet.judging import Health
from hubsite.fleet.models import DeviceValue, HubPromise, HubState
from hubsite.fleet.promises import Promised
from hubsite.fleet.said.values import Place, Value

ROWS_AT_ONCE = 50
_FIELDS = [one.name for one in fields(Health)]


def keep(healths: Mapping[str, Health], hubs: frozenset[str]) -> None:
    """These are the hubs, and so are these of them."""
    with transaction.atomic():
        there = set(HubState.objects.values_list("hub", flat=True))
        HubState.objects.filter(hub__in=there - hubs).delete()
        DeviceValue.objects.filter(hub__in=there - hubs).delete()
        HubState.objects.bulk_create(
            [HubState(hub=hub, **asdict(healths[hub])) for hub in sorted(healths.keys() & hubs)],
            ROWS_AT_ONCE,
            update_conflicts=True,
            unique_fields=["hub"],
            update_fields=_FIELDS,
        )


def keep_promises(promises: Mapping[str, Promised]) -> None:
    """These were promised, and nothing else."""
    with transaction.atomic():
        HubPromise.objects.exclude(hub__in=promises).delete()
        HubPromise.objects.bulk_create(
            [HubPromise(hub=hub, **asdict(one)) for hub, one in sorted(promises.items())],
            ROWS_AT_ONCE,
            update_conflicts=True,
            unique_fields=["hub"],
            update_fields=[one.name for one in fields(Promised)],
        )


def device_values() -> list[tuple[Place, Value]]:
    """Return what devices have said last, as it is kept."""
    rows = DeviceValue.objects.values_list("hub", "device", "quantity", "value", "at")
    return [
        (Place(hub, device, quantity), Value(value, at))
        for hub, device, quantity, value, at in rows
    ]


def keep_device_values(values: Mapping[Place, Value]) -> None:
    """Devices have said this."""
    DeviceValue.objects.bulk_create(
        [
            DeviceValue(**place._asdict(), value=said.value, at=said.at)
            for place, said in values.items()
        ],
        ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=["hub", "device", "quantity"],
        update_fields=["value", "at"],
    )


def presence() -> dict[str, bool | None]:
    """Return which hubs were connected when that was written last."""
    return dict(HubState.objects.values_list("hub", "is_here"))


def forget_presence() -> None:
    """Nobody knows any more which hubs are connected."""
    HubState.objects.exclude(is_here=None).update(is_here=None, away_since=None)


def drop_device_values(before: float) -> None:
    """Remove what was said before this moment, in Unix seconds."""
    DeviceValue.objects.filter(at__lt=before).delete()


def keep_presence(turned: Mapping[str, tuple[bool | None, datetime | None]]) -> None:
    """Whether these hubs are connected, and since when they are away."""
    with transaction.atomic():
        for hub, (is_here, away_since) in sorted(turned.items()):
            HubState.objects.filter(pk=hub).update(is_here=is_here, away_since=away_since)
