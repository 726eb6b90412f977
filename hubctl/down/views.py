"""What each look shows of a hub that is down: a document for machines and a page for people.

Laws:
1. What only a running hub knows is not shown, or is null. It never looks like something that is
   well.
2. Each text is cleaned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from hubcore.errors import PeerError
from hubcore.version import __version__
from hubctl.denials import is_meant, lines_of, wall
from hubctl.down import records, unit
from hubctl.down.configured import Configured
from hubctl.gathering.running import Run
from hubctl.page import Page, TextTable
from hubterm.text import age, clean, is_number, moment

DAY_SECONDS = 86_400
SHOWN = 5
"""Denials on a page."""


@dataclass
class Down:
    """A hub that is down, and how to ask the machine about it."""

    configured: Configured
    run: Run
    now: float
    whom: str | None = None

    @cached_property
    def kept(self) -> records.Kept:
        return records.read(self.configured.evidence, _points(self.configured))

    @cached_property
    def unit(self) -> unit.Unit:
        return unit.look(self.run)


def _points(configured: Configured) -> dict[int, dict[str, Any]]:
    """Return what the file says of each access point."""
    found: dict[int, dict[str, Any]] = {}
    for door in configured.doors():
        for point in door["access_points"]:
            if isinstance(point["number"], int):
                names = {"door": door["id"], "door_name": door["name"]}
                found[point["number"]] = {"point_name": point["name"], **names}
    return found


class Lines(NamedTuple):
    """A page of lines as they are."""

    lines: Sequence[str]

    def show(self) -> None:
        """Print them."""
        print("\n".join(self.lines))


View = tuple[dict[str, Any], Page | Lines]


def status(down: Down) -> View:
    """How it ended, and what is configured."""
    kept = down.kept
    hub = down.configured.hub
    document = {
        "hub": hub.get("id"),
        "site": hub.get("site"),
        "installed_version": __version__,
        "unit": down.unit.state or None,
        "started": kept.started,
        "stopped": kept.stopped,
        "last_record": kept.last,
        "last_record_at": kept.last_at,
        "waiting": kept.waiting,
        "policy_version": kept.policy.get("version"),
        "evidence": kept.why or None,
        "doors": down.configured.doors(),
    }
    facts = [
        ("hub", f"{clean(hub.get('id'))} of site {clean(hub.get('site'))}"),
        ("installed", f"hubd {__version__}"),
        ("systemd says", down.unit.state or "nothing: is systemd here?"),
        *(("journal", line) for line in down.unit.lines),
        *_of_evidence(kept),
        ("what to do", "sudo hubctl doctor"),
    ]
    return document, Page(facts=facts, tables=[_doors_table(down.configured)])


def _of_evidence(kept: records.Kept) -> Iterator[tuple[str, str]]:
    if kept.why:
        yield "evidence", kept.why
        return
    if kept.last is None:
        yield "evidence", "no record"
        return
    yield "last record", f"{kept.last}, {moment(kept.last_at)}"
    if kept.started is not None:
        yield "started", f"{moment(kept.started)}, version {clean(kept.version)}"
    if kept.stopped is not None:
        yield "stopped", f"{moment(kept.stopped)}: it ended in order"
    elif kept.started is not None:
        yield "stopped", "no record says so: it was killed, or lost its power"
    yield "records", f"waiting for the backend {clean(kept.waiting)}"
    yield "policy", f"version {clean(kept.policy.get('version'))}"


def _doors_table(configured: Configured) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for door in configured.doors():
        points = [f"{clean(one['number'])} {clean(one['name'])}" for one in door["access_points"]]
        rows.append((clean(door["id"]), clean(door["name"]), "not known", ", ".join(points)))
    return TextTable("doors", ("id", "name", "state", "access points"), rows)


def hub(down: Down) -> View:
    """Who this hub is, and its certificate's end by this machine's clock."""
    names = down.configured.hub
    document: dict[str, Any] = {
        "hub": names.get("id"),
        "site": names.get("site"),
        "zone": down.configured.zone or None,
        "installed_version": __version__,
        "certificate": None,
    }
    facts = [
        ("hub", f"{clean(names.get('id'))} of site {clean(names.get('site'))}"),
        ("version", f"{__version__} is installed, none runs"),
        ("time at the site", wall(down.now, down.configured.zone)),
    ]
    try:
        found = down.configured.certificate()
    except (OSError, PeerError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        facts.append(("certificate", f"not known: {clean(why)}; as root more can be seen"))
        return document, Page(facts=facts)
    days = (found.expires - down.now) / DAY_SECONDS
    holds = found.not_before <= down.now < found.expires
    left = f", in {days:.0f} days" if holds else ": it does not hold now"
    points = list(found.access_points)
    document["certificate"] = {
        "begins": found.not_before,
        "expires": found.expires,
        "key": found.key.kid.hex(),
        "access_points": points,
    }
    facts.append(("certificate ends", f"{wall(found.expires, down.configured.zone)}{left}"))
    facts.append(("access points", clean(points)))
    return document, Page(facts=facts)


def policy(down: Down) -> View:
    """Which policy the newest record about one names."""
    kept = down.kept
    version = kept.policy.get("version")
    issued: Any = kept.policy.get("issued")
    document = {"version": version, "issued": issued, "evidence": kept.why or None}
    if kept.why:
        return document, Page(facts=[("evidence", kept.why)])
    if version is None:
        text = f"none of the newest {records.RECORDS_READ} records names one"
        return document, Page(facts=[("version", text)])
    facts = [("version", f"{clean(version)}, as the records say")]
    if is_number(issued):
        facts.append(("signed", f"{moment(issued)}, {age(down.now - issued)} ago"))
    return document, Page(facts=facts)


def why(down: Down) -> View:
    """Who was refused last, as the records say it."""
    kept = down.kept
    zone = down.configured.zone
    denials = [one for one in kept.denials if is_meant(one, down.whom)]
    document = {
        "zone": zone or None,
        "since": kept.since,
        "denials": denials,
        "evidence": kept.why or None,
    }
    if kept.why:
        return document, Page(facts=[("evidence", kept.why)])
    if not denials:
        return document, Page(facts=[("refused", f"nobody since {wall(kept.since, zone)}")])
    return document, Lines(lines_of(denials[:SHOWN], zone))


def doors(down: Down) -> View:
    """Which doors are configured."""
    return {"doors": down.configured.doors()}, Page(tables=[_doors_table(down.configured)])


def devices(down: Down) -> View:
    """Which devices are configured, or the one that was asked about."""
    found = [
        one
        for one in down.configured.devices()
        if down.whom is None or down.whom in (one["id"], one["name"])
    ]
    rows: list[tuple[str, ...]] = [
        (clean(one["id"]), clean(one["name"]), clean(one["kind"]), "not known") for one in found
    ]
    table = TextTable("devices", ("id", "name", "kind", "position"), rows)
    return {"devices": found}, Page(tables=[table])


def uplink(down: Down) -> View:
    """Where the backend is, and what waits for it."""
    kept = down.kept
    endpoints = down.configured.endpoints()
    document = {"endpoints": endpoints, "waiting": kept.waiting, "evidence": kept.why or None}
    facts = [
        ("endpoints", clean(endpoints)),
        ("records waiting", kept.why or clean(kept.waiting)),
        ("what to do", "hubctl netcheck takes each step to the backend, without hubd"),
    ]
    return document, Page(facts=facts)


def bridge(down: Down) -> View:
    """Which bridges the hub is to speak with."""
    bridges = down.configured.bridges()
    facts = [
        ("bridge", f"{clean(one['name'])} at {_where(one)}, not known whether it is there")
        for one in bridges
    ]
    if not bridges:
        facts.append(("bridge", "none configured: records go by the uplink alone"))
    facts.append(("what to do", "hubctl netcheck takes each step to each bridge, without hubd"))
    return {"bridges": bridges}, Page(facts=facts)


def _where(bridge: Mapping[str, Any]) -> str:
    if bridge["search_from"] is not None:
        return f"a place that is searched for from {clean(bridge['search_from'])}"
    return clean(bridge["address"])


VIEWS: Mapping[str, Callable[[Down], View]] = {
    "status": status,
    "why": why,
    "hub": hub,
    "policy": policy,
    "doors": doors,
    "devices": devices,
    "uplink": uplink,
    "bridge": bridge,
}
"""By the words of the command."""


def view(command: str, configured: Configured, run: Run, whom: str | None = None) -> View:
    """Return what a command shows of a hub that is down."""
    return VIEWS[command](Down(configured, run, time.time(), whom))
