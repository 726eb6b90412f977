"""Doors, what holds them, devices and alarms of hubs, as documents."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest

from hubbridge.hubs.state import Alarm, HubState
from hubbridge.local.report.sources import THOUSANDTHS, Document, States
from hubcore.device.state import UNIT_OF, Quantity
from hubcore.device.telemetry import POSITION_NUMBERS
from hubcore.ports.clock import Clock

ALARMS_SHOWN = 50
DOORS_SHOWN = 1500
READINGS_SHOWN = 2000
_POSITIONS = {number: position.value for position, number in POSITION_NUMBERS.items()}
_POSITION_QUANTITIES = frozenset({Quantity.POSITION})


class ThingsReport:
    """Tells of the things of all hubs. `since`: when the bridge began to hear of them."""

    def __init__(self, states: States, clock: Clock, since: float) -> None:
        self._states = states
        self._clock = clock
        self._since = since

    def doors(self) -> Document:
        """Return what the hubs' records tell of their doors."""
        states = self._states.all().items()
        doors = [one for name, state in states for one in doors_of(name, state)]
        now = self._clock.wall()
        standing = [one for name, state in states for one in standing_of(name, state, now)]
        return {
            "since": self._since,
            **_capped("doors", doors, DOORS_SHOWN),
            **_capped("standing", standing, DOORS_SHOWN),
        }

    def readings(self) -> Document:
        """Return what the devices of the hubs have said last."""
        states = self._states.all().items()
        now = self._clock.monotonic()
        found = [one for name, state in states for one in readings_of(name, state, now)]
        return _capped("readings", found, READINGS_SHOWN)


def doors_of(name: str, state: HubState | None) -> list[Document]:
    """Return what the records of a hub tell of its doors."""
    doors = {} if state is None else state.doors.doors
    return [
        {
            "hub": name,
            "door": door,
            "what": seen.what,
            "at": seen.at_ms / THOUSANDTHS,
            "alarms": sorted(seen.alarms),
        }
        for door, seen in sorted(doors.items())
    ]


def standing_of(name: str, state: HubState | None, now: float) -> list[Document]:
    """Return what holds doors of a hub at this Unix time."""
    standing = {} if state is None else state.doors.standing(now)
    return [
        {
            "hub": name,
            "order": place.order,
            "where": place.where,
            "given_by": place.given_by,
            "since": seen.at_ms / THOUSANDTHS,
            "until": seen.until,
        }
        for place, seen in standing.items()
    ]


def readings_of(name: str, state: HubState | None, now: float) -> list[Document]:
    """Return what the devices of a hub have said. `now` is of the monotonic clock."""
    measured = () if state is None else state.measured.values()
    return [
        {
            "hub": name,
            "device": one.value.device,
            "quantity": one.value.quantity.name.lower(),
            **_value(one.value.quantity, one.value.value),
            "age_seconds": round(one.age_seconds(now), 1),
        }
        for one in measured
    ]


def alarms_of(name: str, state: HubState | None) -> list[Document]:
    """Return the alarms of a hub, the newest first."""
    alarms = () if state is None else state.alarms.values()
    return [_alarm(name, one) for one in sorted(alarms, key=_by_number)][::-1]


def newest_alarms(states: Mapping[str, HubState]) -> list[Document]:
    """Return the newest alarms of all hubs."""
    every = ((name, one) for name, state in states.items() for one in state.alarms.values())
    newest = nlargest(ALARMS_SHOWN, every, key=lambda found: found[1].at_ms)
    return [_alarm(name, one) for name, one in newest]


def _value(quantity: Quantity, value: int) -> Document:
    if quantity in _POSITION_QUANTITIES:
        return {"value": _POSITIONS.get(value, "unknown"), "unit": ""}
    return {"value": value / THOUSANDTHS, "unit": UNIT_OF[quantity]}


def _alarm(name: str, alarm: Alarm) -> Document:
    return {
        "hub": name,
        "what": alarm.what,
        "at": alarm.at_ms / THOUSANDTHS,
        "record": alarm.number,
        "hash": alarm.hash.hex(),
        "ahead": alarm.ahead,
    }


def _by_number(alarm: Alarm) -> int:
    return alarm.number


def _capped(name: str, rows: list[Document], most: int) -> Document:
    return {name: rows[:most], f"{name}_left_out": max(0, len(rows) - most)}
