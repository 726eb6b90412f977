"""`hubctl uplink`: how the way to the backend is, and the cause of the last failure in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.down.tell import ask_or_disk
from hubctl.kept import kept_facts
from hubctl.options import JSON, SOCKET
from hubctl.page import Page, Trouble
from hubctl.show import NEXT_KEY, backend_text, troubles_about
from hubterm.exits import NO, OK
from hubterm.shapes import mapping
from hubterm.text import age, clean, is_number, moment

TOPICS = (
    "backend",
    "evidence",
    "uplink_key",
    "two_hubs",
    "policy",
    "outbox",
    "fork",
    "gap",
    "tail_cut",
)
"""Of the standing problems: those of the uplink."""
KEPT = ("records", "telemetry")
"""What waits for the backend, by class. A hub without devices has no telemetry."""
NEXT = "hubctl netcheck takes each step to the backend, and says which one fails"


@click.command()
@JSON
@SOCKET
@click.pass_obj
def uplink(path: Path, as_json: bool) -> None:
    """Show how the way to the backend is: where, since when, what waits, why not.

    Exit status 1 when a backend is configured and not connected, or takes no records.
    """
    answer = ask_or_disk(path, "status", as_json, "uplink")
    backend = answer.get("backend")
    if as_json:
        print_json({"uplink": backend, **{key: answer.get(key) for key in KEPT}})
    else:
        page(backend, troubles_about(answer, *TOPICS), answer).show()
    sys.exit(OK if is_well(backend) else NO)


def is_well(backend: object) -> bool:
    """Tell whether records go up, or none need to: without a backend the hub decides alone."""
    if backend is None:
        return True
    return (
        isinstance(backend, dict) and backend.get("connected") is True and not backend.get("halt")
    )


def page(
    backend: object,
    troubles: Sequence[Trouble] = (),
    status: Mapping[str, Any] | None = None,
) -> Page:
    """Return what people read: the standing problems of the uplink, and each fact in its row.

    `status` has what is kept for the backend; None, or a hub of before: that is not told.
    """
    kept = kept_facts(status) if status is not None and "records" in status else []
    if not isinstance(backend, Mapping) or "connected" not in backend:
        return Page(troubles, [("backend", backend_text(backend)), *kept])
    facts = [*_connection(backend), *_state(backend), *kept]
    if not troubles and not is_well(backend):
        facts.append(("what to do", NEXT))
    return Page(troubles, facts)


def _connection(backend: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where it stands, and the cause when it does not."""
    connected = "connected" if backend["connected"] else "not connected"
    yield "backend", f"{connected} since {moment(backend.get('since'))}"
    if backend.get("halt"):
        yield "stopped", f"by the backend: {clean(backend['halt'])}"
    cause = clean(backend.get("why") or "")
    if cause:
        yield "cause", cause
    for where, why in mapping(backend.get("failures")).items():
        said = "" if clean(why) == cause else f": {clean(why)}"
        yield "failed at", f"{clean(where)}{said}"
    if not backend["connected"] and backend.get("last_welcome") is not None:
        yield "last welcome", moment(backend["last_welcome"])


def _state(backend: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    waited = backend.get("unacknowledged_seconds")
    since = f", the oldest for {age(waited)}" if is_number(waited) else ""
    yield "endpoint", clean(backend.get("endpoint") or None)
    yield "phase", clean(backend.get("phase"))
    yield "records waiting", f"{clean(backend.get('waiting'))}{since}"
    yield "clock", _clock(backend)
    since = f", since {moment(backend['key_since'])}" if is_number(backend.get("key_since")) else ""
    yield "own key", f"{clean(backend.get('key') or None)}{since}"
    if backend.get("server_key") == NEXT_KEY:
        yield "backend's key", "its next one"
    if backend.get("key_trouble"):
        yield "key", clean(backend["key_trouble"])


def _clock(backend: Mapping[str, Any]) -> str:
    offset = backend.get("clock_offset_seconds")
    within = backend.get("clock_within_seconds")
    if not is_number(offset):
        return "the backend's time is not known"
    bound = f", give or take {within:.1f} s" if is_number(within) else ""
    return f"the backend's time less this hub's: {offset:+.1f} s{bound}"
