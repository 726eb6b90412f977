"""What devices have said last, for pages: as it is kept here, or as the bridge has it.

Laws:
1. Where an engine is configured it is what this server keeps. With the bridge alone the bridge is
   asked each time, and nothing is kept.
2. What a bridge says is read field by field; what is odd there is left out, and never a failure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from hubcore.device.command import DEVICE_ID
from hubcore.device.state import Position, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS, VALUE_MAX
from hubsite.fleet.models import DeviceValue, HubState
from hubsite.fleet.said.values import Row
from hubsite.orders.giving.bybridge import readings_seen

ROWS_MAX = 2000
AGE_SECONDS_MAX = 366 * 86_400
_THOUSANDTHS = 1000
_HUB = re.compile(r"[A-Za-z0-9_-]{1,32}")
_QUANTITIES = {quantity.name.lower(): quantity for quantity in Quantity}
_POSITIONS = {position.value: number for position, number in POSITION_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class SaidLast:
    """Values in the order of their table; `hubs` are all whose devices may be shown."""

    rows: list[Row]
    hubs: list[str]


def said_last(hub: str = "", device: str = "") -> SaidLast:
    """Return the last values, of one hub or one device where it is named.

    At most ROWS_MAX and one. Raise LinkError where the bridge is asked, and is away.
    """
    config = settings.HUBSITE.config
    if config.engine is not None or config.bridge is None:
        return _kept(hub, device)
    answer = readings_seen(settings.HUBSITE.place(config.bridge.socket))
    rows = sorted(rows_of(answer, time.time()))
    found = [row for row in rows if hub in ("", row.hub) and device in ("", row.device)]
    return SaidLast(found[: ROWS_MAX + 1], sorted({row.hub for row in rows}))


def _kept(hub: str, device: str) -> SaidLast:
    """Return what this server keeps."""
    rows = DeviceValue.objects.all()
    if hub:
        rows = rows.filter(hub=hub)
    if device:
        rows = rows.filter(device=device)
    found = [Row(*one) for one in rows.values_list(*Row._fields)[: ROWS_MAX + 1]]
    return SaidLast(found, list(HubState.objects.values_list("hub", flat=True)))


def rows_of(answer: Mapping[str, Any], now: float) -> list[Row]:
    """Read the bridge's answer (law 2); `now` in Unix seconds."""
    listed = answer.get("readings")
    rows = listed if isinstance(listed, list) else []
    found = {}
    for one in rows:
        row = _row(one, now) if isinstance(one, dict) else None
        if row is not None:
            found[row[:3]] = row
    return list(found.values())


def _row(one: Mapping[str, Any], now: float) -> Row | None:
    hub = one.get("hub")
    device = one.get("device")
    quantity = _QUANTITIES.get(str(one.get("quantity")))
    age = one.get("age_seconds")
    if not isinstance(hub, str) or not _HUB.fullmatch(hub) or quantity is None:
        return None
    if not isinstance(device, str) or not DEVICE_ID.fullmatch(device):
        return None
    value = _value(quantity, one.get("value"))
    if value is None or not isinstance(age, (int, float)) or not 0 <= age <= AGE_SECONDS_MAX:
        return None
    return Row(hub, device, int(quantity), value, now - age)


def _value(quantity: Quantity, said: object) -> int | None:
    """Return a value as it is kept (`hubcore.device.telemetry`, law 6)."""
    if quantity is Quantity.POSITION:
        return _POSITIONS.get(str(said), POSITION_NUMBERS[Position.UNKNOWN])
    if not isinstance(said, (int, float)):
        return None
    is_one = -VALUE_MAX < _THOUSANDTHS * said < VALUE_MAX  # false for NaN, too
    return round(_THOUSANDTHS * said) if is_one else None
