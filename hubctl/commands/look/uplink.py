"""`hubctl uplink`: how the way to the backend is, and the cause of the last failure in words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import backend_text
from hubterm.exits import NO, OK
from hubterm.text import clean, is_number


@click.command()
@JSON
@SOCKET
@click.pass_obj
def uplink(path: Path, as_json: bool) -> None:
    """Show how the way to the backend is: where, since when, what waits, why not.

    Exit status 1 when a backend is configured and not connected, or takes no records.
    """
    answer = ask_or_end(path, "status", as_json)
    backend = answer.get("backend")
    if as_json:
        print_json({"uplink": backend})
    else:
        page(backend).show()
    sys.exit(OK if is_well(backend) else NO)


def is_well(backend: object) -> bool:
    """Tell whether records go up, or none need to: without a backend the hub decides alone."""
    if backend is None:
        return True
    return (
        isinstance(backend, dict) and backend.get("connected") is True and not backend.get("halt")
    )


def page(backend: object) -> Page:
    """Return what people read."""
    facts = [("backend", backend_text(backend))]
    if isinstance(backend, Mapping):
        facts += _facts(backend)
    return Page(facts=facts)


def _facts(backend: Mapping[str, Any]) -> list[tuple[str, str]]:
    waited = backend.get("unacknowledged_seconds")
    since = f", the oldest for {waited:.0f} s" if is_number(waited) else ""
    facts = [
        ("phase", clean(backend.get("phase"))),
        ("records waiting", f"{clean(backend.get('waiting'))}{since}"),
        ("clock", _clock(backend)),
        ("own key", clean(backend.get("key") or None)),
    ]
    failures = backend.get("failures")
    if isinstance(failures, Mapping):
        facts += [(f"failed at {clean(where)}", clean(why)) for where, why in failures.items()]
    if backend.get("key_trouble"):
        facts.append(("key", clean(backend["key_trouble"])))
    return facts


def _clock(backend: Mapping[str, Any]) -> str:
    offset = backend.get("clock_offset_seconds")
    within = backend.get("clock_within_seconds")
    if not is_number(offset):
        return "the backend's time is not known"
    bound = f", give or take {within:.1f} s" if is_number(within) else ""
    return f"the backend's time less this hub's: {offset:+.1f} s{bound}"
