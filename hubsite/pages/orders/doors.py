"""What the bridge of this building sees of the doors: also with the internet and the engine gone.

Law: what a bridge says is read field by field; what is odd there is left out, and never a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hubcore.errors import LinkError
from hubsite.orders.giving.bybridge import doors_seen
from hubsite.pages.orders.shown import moment

ROWS = 1000
TEXT_LENGTH = 120
SECONDS_MAX = 253_402_300_000
"""The end of the last year that a page can show."""


@dataclass(frozen=True, slots=True)
class SeenDoor:
    """A door: what happened there last, and its alarms."""

    hub: str
    door: str
    what: str
    at: datetime | None
    alarms: str


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """What holds doors of a hub, whoever ordered it."""

    hub: str
    order: str
    where: str
    given_by: str
    until: datetime | None


def seen() -> dict[str, Any] | None:
    """Return what `doors_bridge.html` shows, None where there is no bridge."""
    bridge = settings.HUBSITE.config.bridge
    if bridge is None:
        return None
    try:
        answer = doors_seen(settings.HUBSITE.place(bridge.socket))
    except LinkError as error:
        return {"bridge_problem": str(error)}
    return {
        "bridge_since": _moment(answer.get("since")),
        "bridge_doors": [_door(one) for one in _rows(answer.get("doors"))],
        "bridge_standing": [_order(one) for one in _rows(answer.get("standing"))],
    }


@require_safe
def doors(request: HttpRequest) -> HttpResponse:
    """Show it on a page of its own."""
    return render(request, "bridge_doors.html", seen() or {"bridge_problem": "There is no bridge."})


def _door(one: dict[str, Any]) -> SeenDoor:
    alarms = one.get("alarms")
    return SeenDoor(
        hub=_text(one.get("hub")),
        door=_text(one.get("door")),
        what=_text(one.get("what")),
        at=_moment(one.get("at")),
        alarms=", ".join(_text(alarm) for alarm in alarms) if isinstance(alarms, list) else "",
    )


def _order(one: dict[str, Any]) -> SeenOrder:
    return SeenOrder(
        hub=_text(one.get("hub")),
        order=_text(one.get("order")).replace("_", " "),
        where=_text(one.get("where")),
        given_by=_text(one.get("given_by")),
        until=_moment(one.get("until")),
    )


def _rows(listed: object) -> list[dict[str, Any]]:
    rows = listed if isinstance(listed, list) else []
    return [one for one in rows[:ROWS] if isinstance(one, dict)]


def _text(value: object) -> str:
    return value[:TEXT_LENGTH] if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    if not isinstance(value, (int, float)) or not 0 <= value < SECONDS_MAX:
        return None
    return moment(int(value))
