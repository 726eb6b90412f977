"""`hubctl bridge`: how the way over a bridge of the site is, and the cause when it is not well."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.page import Page, Trouble
from hubctl.show import bridge_text, troubles_about
from hubterm.exits import NO, OK
from hubterm.shapes import listed
from hubterm.text import clean, is_number, moment

TOPICS = ("bridge", "bridge_certificate", "bridge_full", "bridge_witness", "mandates", "tls")
"""Of the standing problems: those of the way over a bridge."""
SPEAKING = "speaking"
DOUBTED = "doubted"
RENEWING = "renewing"
NEXT = "hubctl netcheck takes each step to each bridge, and says which one fails"


@click.command()
@JSON
@SOCKET
@click.pass_obj
def bridge(path: Path, as_json: bool) -> None:
    """Show how the way over a bridge of the site is: which, since when, what it does not hold.

    Exit status 1 when a bridge is configured and none takes the records of this hub.
    """
    answer = ask_or_disk(path, "status", as_json, "bridge")
    way = answer.get("bridge")
    if as_json:
        print_json({"bridge": way})
    else:
        page(way, troubles_about(answer, *TOPICS)).show()
    sys.exit(OK if is_well(way) else NO)


def is_well(way: object) -> bool:
    """Tell whether a bridge takes the records, or none needs to: without one the uplink does."""
    if way is None:
        return True
    return isinstance(way, dict) and way.get("phase") == SPEAKING and way.get("is_full") is False


def page(way: object, troubles: Sequence[Trouble] = ()) -> Page:
    """Return what people read: the standing problems, and each fact in its row."""
    if not isinstance(way, Mapping) or "phase" not in way:
        return Page(troubles, [("bridge", bridge_text(way))])
    facts = [*_connection(way), *_state(way)]
    if not troubles and not is_well(way):
        facts.append(("what to do", NEXT))
    return Page(troubles, facts)


def _connection(way: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield which bridge it is, and the cause when none is spoken with."""
    is_spoken_with = way["phase"] in (SPEAKING, DOUBTED, RENEWING)
    name = clean(way.get("bridge") or None)
    how = "connected" if is_spoken_with else "not connected"
    whose = name if is_spoken_with else f"{name}, tried last"
    yield "bridge", f"{whose}: {how} since {moment(way.get('since'))}"
    cause = clean(way.get("why") or "")
    if cause:
        yield "cause", cause
    failed = [clean(one) for one in listed(way.get("failures"))]
    for number, one in enumerate(failed):
        yield f"failed {number + 1}" if len(failed) > 1 else "failed", one


def _state(way: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "endpoint", clean(way.get("endpoint") or None)
    yield "phase", clean(way["phase"])
    room = "; the bridge has no room" if way.get("is_full") is True else ""
    yield "records not held", f"{clean(way.get('waiting'))}{room}"
    yield "newest testimony", clean(way.get("testimony") or "none yet")
    yield "certificate ends", _ends(way.get("certificate_ends"))
    yield "clock", _clock(way.get("clock_offset_seconds"))
    if way.get("trouble"):
        yield "mandates", clean(way["trouble"])


def _ends(ends: Any) -> str:
    """Return when the bridge's certificate ends; 0: it has shown none."""
    return moment(ends) if is_number(ends) and ends else "not known yet"


def _clock(offset: Any) -> str:
    if not is_number(offset):
        return "the bridge's time is not known"
    return f"the bridge's time less this hub's: {offset:+.1f} s; it sets no clock"
