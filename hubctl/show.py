"""How hubctl words what the daemon says: the status page, the table of doors, a line for an event.

Laws:
1. Every text of the daemon is cleaned (`hubterm.text`).
2. The most urgent problem comes first.
3. A fact that the daemon does not tell is shown as `-`.
4. Every moment has the form of `hubcore.timing.moment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hubctl.kept import kept_facts
from hubctl.page import Page, TextTable, Trouble
from hubterm.shapes import listed, mapping, mappings
from hubterm.text import clean, is_number, moment

OFFSET_SHOWN_SECONDS = 2.0
"""A smaller difference of clocks comes from the way between them."""
NEXT_KEY = 2
"""The number of the backend's second pinned key."""
MOMENTS = frozenset({"since", "last_welcome"})
URGENCY = ("error", "", "warning", "info")
"""The severities, the most urgent first; a severity that this hubctl does not know counts as ""."""
NOTHING: tuple[object, ...] = (None, "", {}, [])
"""What is not shown among the facts of a part."""


def status_page(status: Mapping[str, Any]) -> Page:
    """The page of `hubctl status`."""
    return Page(
        troubles=troubles(status.get("problems")),
        facts=_status_facts(status),
        tables=_status_tables(status),
    )


def troubles_about(status: Mapping[str, Any], *topics: str) -> list[Trouble]:
    """Return the standing problems of these topics, the most urgent first."""
    return [one for one in troubles(status.get("problems")) if one.id in topics]


def _status_facts(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    hub = clean(status.get("hub"))
    site = clean(status.get("site"))
    version = clean(status.get("version"))
    ready = clean(status.get("ready"))
    since = moment(status.get("since"))
    facts = [
        ("hub", f"{hub} of site {site}, hubd {version}"),
        ("installed", _installed(version, clean(status.get("installed_version")))),
        ("ready", f"{ready}, since {since}"),
        ("radio", _facts(status.get("radio"))),
        ("backend", backend_text(status.get("backend"))),
        *_bridge_fact(status.get("bridge")),
        ("policy", f"version {clean(status.get('policy_version'))}"),
        *kept_facts(status),
        ("clock", clock_text(status.get("clock"))),
    ]
    if status.get("missing"):
        facts.append(("not up", clean(status["missing"])))
    if status.get("late"):
        facts.append(("stuck loops", clean(status["late"])))
    return facts


def _status_tables(status: Mapping[str, Any]) -> list[TextTable]:
    tables = [doors_table(mappings(status.get("doors")))]
    devices = mappings(status.get("devices"))
    if devices:
        tables.append(devices_table(devices))
    counters = mapping(status.get("counters"))
    if counters:
        table = TextTable("counters", ("name", "count"), [])
        for name, count in counters.items():
            table.rows.append((clean(name), clean(count)))
        tables.append(table)
    return tables


def _installed(running: str, installed: str) -> str:
    """The version on the disk, and what to do when it is not the one that runs."""
    if running == installed:
        return f"hubd {installed}, the one that runs"
    return f"hubd {installed}, but {running} runs: systemctl restart hubd"


def troubles(problems: Any) -> list[Trouble]:
    """Return the standing problems, the most urgent first."""
    return sorted(map(_trouble, mappings(problems)), key=_urgency)


def _trouble(problem: Mapping[str, Any]) -> Trouble:
    return Trouble(
        severity=clean(problem.get("severity")),
        id=clean(problem.get("id")),
        what=clean(problem.get("what")),
        remedy=clean(problem.get("remedy")),
    )


def _urgency(trouble: Trouble) -> int:
    known = trouble.severity if trouble.severity in URGENCY else ""
    return URGENCY.index(known)


def _facts(value: Any) -> str:
    """The facts of a part that are there, its moments as such."""
    if not isinstance(value, Mapping):
        return clean(value)
    shown: list[str] = []
    for key, item in value.items():
        if item in NOTHING:
            continue
        text = moment(item) if key in MOMENTS else clean(item)
        shown.append(f"{clean(key)} {text}")
    return ", ".join(shown).replace("_", " ")


def backend_text(backend: Any) -> str:
    """Say how the uplink to the backend is, in one sentence; its counters are for `--json`."""
    if backend is None:
        return "none configured: the hub decides alone"
    if not isinstance(backend, Mapping) or "connected" not in backend:
        return clean(backend)
    connected = "connected" if backend["connected"] else "not connected"
    said = [f"{connected} since {moment(backend.get('since'))}"]
    if backend.get("halt"):
        said.append(f"stopped by the backend ({clean(backend['halt'])})")
    if backend.get("why"):
        said.append(clean(backend["why"]))
    if not backend["connected"] and backend.get("last_welcome") is not None:
        said.append(f"last welcome {moment(backend['last_welcome'])}")
    said += _clock_offset(backend.get("clock_offset_seconds"), backend.get("clock_within_seconds"))
    return ", ".join(said + _place(backend))


def _bridge_fact(way: Any) -> list[tuple[str, str]]:
    """Return the row of the way over a bridge; a hub without one has none."""
    return [] if way is None else [("bridge", bridge_text(way))]


def bridge_text(way: Any) -> str:
    """Say how the way over a bridge of the site is, in one sentence."""
    if way is None:
        return "none configured: records go by the uplink alone"
    if not isinstance(way, Mapping) or "phase" not in way:
        return clean(way)
    name = clean(way.get("bridge") or "none yet")
    said = [f"{name}, {clean(way['phase'])} since {moment(way.get('since'))}"]
    if way.get("why"):
        said.append(clean(way["why"]))
    if way.get("waiting"):
        said.append(f"records that it does not hold: {clean(way['waiting'])}")
    if way.get("is_full") is True:
        said.append("it has no room")
    return ", ".join(said)


def _place(backend: Mapping[str, Any]) -> list[str]:
    """Say where the uplink is, with which keys, and why another endpoint is of no use."""
    said: list[str] = []
    endpoint = clean(backend.get("endpoint") or "")
    if endpoint:
        said.append(f"endpoint {endpoint}")
    if backend.get("server_key") == NEXT_KEY:
        said.append("by the backend's next key")
    if is_number(backend.get("key_since")):
        said.append(f"own key since {moment(backend['key_since'])}")
    for other, why in mapping(backend.get("failures")).items():
        if clean(other) != endpoint:
            said.append(f"not at {clean(other)} ({clean(why)})")
    return said


def _clock_offset(offset: Any, within: Any) -> list[str]:
    """Say how far the backend's clock is from this one, if that is worth saying."""
    if not is_number(offset) or abs(offset) < OFFSET_SHOWN_SECONDS:
        return []
    where = "ahead of" if offset > 0 else "behind"
    seconds = clean(abs(float(offset)))
    give_or_take = f" (give or take {within:.1f} s)" if is_number(within) else ""
    return [f"its clock is {seconds} s {where} this one{give_or_take}"]


def clock_text(clock: Any) -> str:
    """Return what the hub thinks of its clock, and what the clock says."""
    known = mapping(clock)
    if "state" not in known:
        return clean(clock)
    shown = f"{clean(known['state'])}, {moment(known.get('wall'))}".replace("_", " ")
    return shown + _kept_by(known)


def _kept_by(clock: Mapping[str, Any]) -> str:
    """Say whether a time service keeps the clock, where the machine knows it."""
    if clock.get("synchronised") is False:
        return ", no time service keeps it"
    error = clock.get("error_seconds_max")
    if clock.get("synchronised") is True and is_number(error):
        return f", kept by a time service within {error:.3f} s"
    return ""


def doors_table(doors: Iterable[Mapping[str, Any]]) -> TextTable:
    """One row for each door."""
    rows: list[tuple[str, ...]] = []
    for door in doors:
        identity = clean(door.get("id"))
        name = clean(door.get("name"))
        rows.append((identity, name, _state(door), points_of(door.get("access_points"))))
    return TextTable("doors", ("id", "name", "state", "access points"), rows)


def _state(door: Mapping[str, Any]) -> str:
    """The state of a door; its mode, orders and alarms where they are not ordinary."""
    said = [clean(door.get("state"))]
    orders = orders_of(door)
    if orders:
        said.append(f"{clean(door.get('mode'))} ({orders})")
    return ", ".join(said + wrong_with(door))


def orders_of(door: Mapping[str, Any]) -> str:
    """Say the orders that make the mode of a door; nothing without one."""
    return ", ".join(_order(order) for order in mappings(door.get("orders")))


def wrong_with(door: Mapping[str, Any]) -> list[str]:
    """Say the alarms of a door, and what its locks say of themselves."""
    said: list[str] = []
    if door.get("alarm") not in (None, "normal"):
        said.append(f"alarm {clean(door['alarm'])}".replace("_", " "))
    said += [aspect for aspect in ("tamper", "fault") if door.get(aspect) is True]
    return said + [text for mover in mappings(door.get("movers")) if (text := _lock(mover))]


def _lock(mover: Mapping[str, Any]) -> str:
    """What a lock says of itself beside its bolt, nothing of any other mover."""
    said = [clean(fault).replace("_", " ") for fault in listed(mover.get("faults"))]
    if mover.get("answers") is False:
        said.append("gets no commands")
    if is_number(mover.get("battery")):
        said.append(f"battery {clean(mover['battery'])} %")
    return f"{clean(mover.get('id'))}: {', '.join(said)}" if said else ""


def _order(order: Mapping[str, Any]) -> str:
    text = f"{clean(order.get('order'))} by {clean(order.get('source'))}".replace("_", " ")
    who = clean(order.get("by")) if order.get("uid") is None else f"uid {clean(order['uid'])}"
    if who != "-":
        text = f"{text} ({who})"
    if order.get("until") is None:
        return text
    return f"{text} until {moment(order['until'])}"


def devices_table(devices: Iterable[Mapping[str, Any]]) -> TextTable:
    """One row for each device."""
    header = ("id", "name", "kind", "position", "said s ago", "readings", "faults")
    rows: list[tuple[str, ...]] = []
    for device in devices:
        rows.append(device_row(device))
    return TextTable("devices", header, rows)


def device_row(device: Mapping[str, Any]) -> tuple[str, ...]:
    position = clean(device.get("position"))
    if device.get("level") is not None:
        position = f"{position} {clean(device['level'])} %"
    faults = [clean(fault) for fault in listed(device.get("faults"))]
    if device.get("answers") is False:
        faults.append("gets no commands")
    readings = mapping(device.get("readings"))
    shown = [f"{clean(name)} {clean(value)}" for name, value in readings.items()]
    return (
        clean(device.get("id")),
        clean(device.get("name")),
        clean(device.get("kind")),
        position,
        clean(device.get("age_seconds")),
        ", ".join(shown) or "-",
        ", ".join(faults) or "-",
    )


def points_of(points: Any) -> str:
    """Access points by number, name and whatever is not ordinary about them."""
    if not isinstance(points, list):
        return clean(points)
    shown = [_point(point) for point in points]
    return ", ".join(shown) or "-"


def _point(point: Any) -> str:
    known = mapping(point)
    if not known:
        return clean(point)
    odd: list[str] = []
    if known.get("mode") not in (None, "normal"):
        odd.append(clean(known["mode"]))
    if known.get("fresh"):
        odd.append("fresh")
    text = f"{clean(known.get('number'))} {clean(known.get('name'))}"
    if odd:
        return f"{text} ({', '.join(odd)})"
    return text


def event_line(event: Mapping[str, Any]) -> str:
    """One event as one line: moment, name, facts."""
    at = moment(event.get("at"))
    name = clean(event.get("event"))
    facts: list[str] = []
    for key, value in event.items():
        if key not in ("event", "at"):
            facts.append(f"{clean(key)}={clean(value)}")
    return f"{at:<24}  {name:<16} {' '.join(facts)}".rstrip()
