"""Which metrics a hub has, from what hubd answers.

Laws:
1. No person is a label. Labels are what the configuration names (doors, devices) and words of
   lists (reasons, states, problems).
2. What hubd does not tell has no sample: it never looks like 0.
3. Units are base units, and stand in the name; a counter ends with `_total`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from hubctl.metrics.exposition import Family, is_held, number
from hubterm.shapes import listed, mapping, mappings


def families(status: Mapping[str, Any], measured: Mapping[str, Any]) -> list[Family]:
    """Return all families, those without samples too."""
    return [
        up(True),
        *_hub(status),
        *_radio(mapping(status.get("radio"))),
        *_decisions(measured),
        *_kept(status),
        *_backend(status.get("backend")),
        *_bridge(mapping(status.get("bridge"))),
        *_clock(mapping(status.get("clock"))),
        *_problems(status),
        *_doors(mappings(status.get("doors"))),
        *_devices(mappings(status.get("devices"))),
    ]


def up(is_up: bool) -> Family:
    """Return whether hubd answered, which is all that is known of one that did not."""
    family = Family("hubd_up", "gauge", "Whether hubd answered.")
    family.add(is_up)
    return family


def _gauge(name: str, says: str, value: Any) -> Family:
    family = Family(name, "gauge", says)
    family.add(value)
    return family


def _hub(status: Mapping[str, Any]) -> list[Family]:
    info = Family("hubd_info", "gauge", "Which hub this is, and which version runs; always 1.")
    names = ("hub", "site", "version", "installed_version")
    info.add(1, **{name: status.get(name) for name in names})
    expires = mapping(status.get("certificate")).get("expires")
    return [
        info,
        _gauge("hubd_ready", "Whether every part is up.", status.get("ready")),
        _gauge(
            "hubd_certificate_expires_timestamp_seconds",
            "When the hub's certificate ends, in Unix seconds.",
            expires,
        ),
        _gauge("hubd_policy_version", "Which policy is in force.", status.get("policy_version")),
    ]


def _radio(radio: Mapping[str, Any]) -> list[Family]:
    return [
        _gauge("hubd_radio_on_air", "Whether the hub advertises.", radio.get("on_air")),
        _gauge("hubd_radio_links", "How many phones are connected.", radio.get("links")),
    ]


def _decisions(measured: Mapping[str, Any]) -> list[Family]:
    decisions = Family(
        "hubd_decisions_total",
        "counter",
        "Decisions since hubd started, by door (- is none of this hub), who asked, and reason.",
    )
    for row in mappings(measured.get("decisions")):
        labels = {name: row.get(name) for name in ("door", "by", "why")}
        decisions.add(row.get("count"), **labels)
    return [decisions, *_readers(measured), _latency(mapping(measured.get("strike_asked")))]


def _readers(measured: Mapping[str, Any]) -> list[Family]:
    cards = Family("hubd_cards_total", "counter", "Cards that a reader read since hubd started.")
    for row in mappings(measured.get("cards")):
        cards.add(row.get("count"), reader=row.get("reader"))
    decisions = Family(
        "hubd_card_decisions_total",
        "counter",
        "Decisions on cards since hubd started, by reader and reason.",
    )
    for row in mappings(measured.get("reader_decisions")):
        decisions.add(row.get("count"), reader=row.get("reader"), why=row.get("why"))
    return [cards, decisions]


def _latency(asked: Mapping[str, Any]) -> Family:
    family = Family(
        "hubd_strike_asked_seconds",
        "histogram",
        "From the last byte of a claim until the strike was asked to move.",
    )
    bounds = listed(asked.get("bounds_seconds"))
    counts = listed(asked.get("counts"))
    total = asked.get("sum_seconds")
    if len(counts) != len(bounds) + 1 or not all(map(is_held, [*bounds, *counts, total])):
        return family
    sums = list(accumulate(counts))
    for bound, count in zip([*map(float, bounds), float("inf")], sums, strict=True):
        family.add(count, "_bucket", le=number(bound))
    family.add(total, "_sum")
    family.add(sums[-1], "_count")
    return family


def _kept(status: Mapping[str, Any]) -> list[Family]:
    records = mapping(status.get("records"))
    telemetry = mapping(status.get("telemetry"))
    waiting = Family("hubd_waiting", "gauge", "What waits for the backend, by class.")
    waiting.add(records.get("waiting"), **{"class": "records"})
    waiting.add(telemetry.get("waiting"), **{"class": "telemetry"})
    dropped = Family("hubd_telemetry_dropped_total", "counter", "Values that found no place.")
    dropped.add(telemetry.get("dropped"))
    return [
        waiting,
        dropped,
        _gauge(
            "hubd_waiting_oldest_seconds",
            "How long the oldest record has waited for the backend.",
            records.get("oldest_seconds"),
        ),
        _gauge("hubd_records_bytes", "What the records take.", records.get("used_bytes")),
        _gauge(
            "hubd_records_budget_bytes", "What the records may take.", records.get("budget_bytes")
        ),
    ]


def _backend(backend: Any) -> list[Family]:
    known = mapping(backend)
    return [
        _gauge("hubd_backend_connected", "Whether the backend is there.", known.get("connected")),
        _gauge(
            "hubd_backend_clock_offset_seconds",
            "The backend's time less this hub's.",
            known.get("clock_offset_seconds"),
        ),
        _gauge(
            "hubd_backend_clock_offset_error_seconds",
            "The bound of that difference's error.",
            known.get("clock_within_seconds"),
        ),
    ]


def _bridge(way: Mapping[str, Any]) -> list[Family]:
    phase = Family("hubd_bridge_phase", "gauge", "How the talk with a bridge is; 1 for the phase.")
    if "phase" in way:
        phase.add(1, phase=way["phase"])
    events = Family(
        "hubd_bridge_events_total", "counter", "Events of the way over a bridge, by name."
    )
    for name, count in mapping(way.get("counters")).items():
        events.add(count, event=name)
    return [
        phase,
        events,
        _gauge(
            "hubd_bridge_not_held", "Records that the bridge does not hold.", way.get("waiting")
        ),
        _gauge("hubd_bridge_full", "Whether the bridge has no room.", way.get("is_full")),
        _gauge(
            "hubd_bridge_certificate_expires_timestamp_seconds",
            "When the bridge's certificate ends, in Unix seconds.",
            way.get("certificate_ends") or None,
        ),
        _gauge(
            "hubd_bridge_clock_offset_seconds",
            "The bridge's time less this hub's.",
            way.get("clock_offset_seconds"),
        ),
    ]


def _clock(clock: Mapping[str, Any]) -> list[Family]:
    state = clock.get("state")
    trusted = None if state is None else state == "trusted"
    return [
        _gauge("hubd_clock_trusted", "Whether the clock is trusted.", trusted),
        _gauge(
            "hubd_clock_synchronised",
            "Whether a time service keeps the clock.",
            clock.get("synchronised"),
        ),
        _gauge(
            "hubd_clock_error_seconds",
            "The greatest error, by the time service.",
            clock.get("error_seconds_max"),
        ),
    ]


def _problems(status: Mapping[str, Any]) -> list[Family]:
    problems = Family("hubd_problem", "gauge", "A standing problem; 1 while it stands.")
    for row in mappings(status.get("problems")):
        problems.add(1, id=row.get("id"), severity=row.get("severity"))
    events = Family("hubd_events_total", "counter", "Events since hubd started, by name.")
    for name, count in mapping(status.get("counters")).items():
        events.add(count, event=name)
    return [problems, events]


def _doors(doors: list[Mapping[str, Any]]) -> list[Family]:
    made = [
        Family("hubd_door_state", "gauge", "What the door is seen to do; 1 for the state."),
        Family("hubd_door_mode", "gauge", "Which mode the door is in; 1 for the mode."),
        Family("hubd_door_alarm", "gauge", "Which alarm the door has; 1 for the alarm."),
    ]
    for door in doors:
        for family, key in zip(made, ("state", "mode", "alarm"), strict=True):
            if key in door:
                family.add(1, door=door.get("id"), **{key: door[key]})
    return made


def _devices(devices: list[Mapping[str, Any]]) -> list[Family]:
    answers = Family("hubd_device_answers", "gauge", "Whether the device takes commands.")
    age = Family("hubd_device_age_seconds", "gauge", "How long ago the device said how it stands.")
    faults = Family("hubd_device_fault", "gauge", "A fault of a device; 1 while it has it.")
    battery = Family("hubd_device_battery_ratio", "gauge", "How full its battery is, 0 to 1.")
    for device in devices:
        identity = device.get("id")
        answers.add(device.get("answers"), device=identity, kind=device.get("kind"))
        age.add(device.get("age_seconds"), device=identity)
        for fault in listed(device.get("faults")):
            faults.add(1, device=identity, fault=fault)
        percent = mapping(device.get("readings")).get("battery")
        if is_held(percent):
            battery.add(percent / 100, device=identity)
    return [answers, age, faults, battery]
