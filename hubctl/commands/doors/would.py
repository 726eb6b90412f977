"""`hubctl policy why`: would this credential open this door, and why not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from hubcore.timing.moment import read_seconds
from hubctl.answers import ask_or_end, print_json
from hubctl.commands.doors.act import asked
from hubctl.denials import GRANTED, SAID, times, wall
from hubctl.options import JSON, SOCKET
from hubterm.exits import NO, OK
from hubterm.shapes import mappings
from hubterm.text import clean


@click.command()
@click.argument("credential")
@click.argument("door")
@click.option("--at", metavar="TIME", help="As in 2026-11-30T09:00, by the site's clock.")
@JSON
@SOCKET
@click.pass_obj
def would(path: Path, credential: str, door: str, at: str | None, as_json: bool) -> None:
    """Say whether CREDENTIAL would open DOOR now, why not, and who can change it.

    It is asked as a phone is, and nothing is recorded or changed. CREDENTIAL is its first 6 to 8
    characters, as `hubctl why` or `hubctl tail` show them, or all of it. DOOR is a door or an
    access point.
    With --at the hours of that moment count, and everything else as it is now. A moment that ends
    in Z is UTC. Exit status 1 when an access point would not let it in.
    """
    arguments: dict[str, Any] = {"credential": credential}
    if at is not None:
        arguments["at"] = _moment(path, at, as_json)
    answer = asked(path, "policy-why", door, as_json, **arguments)
    points = mappings(answer["points"])
    if as_json:
        print_json(answer)
    else:
        for line in lines_of(answer):
            print(line)
    lets_in = bool(points) and all(point.get("why") == GRANTED for point in points)
    sys.exit(OK if lets_in else NO)


def _moment(path: Path, text: str, as_json: bool) -> float:
    """Return a Unix time; a time without Z is the site's."""
    seconds = read_seconds(text)
    if seconds is not None:
        return seconds
    zone = str(ask_or_end(path, "status", as_json).get("zone"))
    with contextlib.suppress(ValueError, OSError, KeyError):  # a zone that this machine lacks
        seconds = read_seconds(text, ZoneInfo(zone))
    if seconds is None:
        said = "say 2026-11-30T09:00, by the site's clock, or 2026-11-30T08:00:00Z"
        raise click.BadParameter(said, param_hint="--at")
    return seconds


def lines_of(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a technician reads."""
    zone = str(answer.get("zone"))
    who = f"{clean(answer.get('kind') or 'credential')} {clean(answer.get('asker'))}"
    door = clean(answer.get("door_name") or answer.get("door"))
    yield f"{who} at {door}, {wall(answer.get('at'), zone)}:"
    if answer.get("known") is not True:
        yield "  This hub has no grant of it: a phone brings its own, and none that begins so came"
        yield "  lately. Let it ask once at a door of this hub, then type this again."
    for point in mappings(answer.get("points")):
        for line in _of_point(point, zone):
            yield f"  {line}"


def _of_point(point: Mapping[str, Any], zone: str) -> Iterator[str]:
    place = f"{clean(point.get('point_name'))}, access point {clean(point.get('point'))}"
    why = point.get("why")
    said = SAID.get(why) if isinstance(why, str) else None
    if why == GRANTED:
        yield f"{place}: it would be let in."
    elif why is None:
        yield f"{place}: not known."
    elif said is None:
        yield f"{place}: it would be refused, {clean(why)}."
    else:
        yield f"{place}: it would be refused: {said.why} ({clean(why)})."
        for line in times({**point, "now": why}, zone):
            yield f"  {line}"
        yield f"  What would change it: {said.change}"
