"""`hubctl keys`: which keys this hub has, where they lie, until when, and who changes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page, TextTable
from hubterm.shapes import mappings
from hubterm.text import clean, moment

KEPT = {
    "sealed": "sealed",
    "credential": "handed over by systemd, not sealed",
    "file": "file",
    "memory": "in memory alone",
}
CHANGED_BY = {
    "hub": "the hub; hubctl keys rotate",
    "enrolment": "enrolment",
    "site": "the site",
}
WAITS = {
    "uplink": "it waits for the way to the backend",
    "made": "the hub makes a new one",
    "taken": "it waits for the backend to take the new one",
    "welcome": "the hub comes again with the new one",
    "retired": "it waits for the backend to let the old one go",
}
"""What a change waits for, by hubd's words (`hubcore.backend.rotation.Waits`)."""
HEADER = ("key", "algorithm", "id", "since", "ends", "next", "lies", "changed by")


@click.command()
@JSON
@SOCKET
@click.pass_obj
def keys(path: Path, as_json: bool) -> None:
    """Show the keys of this hub: what each is for, where it lies, its end, its next change.

    No private key is shown, and none leaves hubd. --json has the public ones whole.
    """
    answer = ask_or_end(path, "keys", as_json)
    if as_json:
        print_json(answer)
    else:
        page(answer).show()


def page(answer: Mapping[str, Any]) -> Page:
    """Return what people read."""
    found = mappings(answer.get("keys"))
    facts = [
        (f"{clean(key.get('role'))}", waiting)
        for key in found
        if (waiting := waits_for(key) or trouble_of(key))
    ]
    return Page(facts=facts, tables=[TextTable("keys", HEADER, [_row(key) for key in found])])


def waits_for(key: Mapping[str, Any]) -> str:
    """Return what the change of a key waits for, as a sentence; "" for nothing."""
    return WAITS.get(str(key.get("waits_for")), "")


def trouble_of(key: Mapping[str, Any]) -> str:
    """Return why a key cannot be changed, "" when nothing is in the way."""
    trouble = key.get("trouble")
    return clean(trouble) if isinstance(trouble, str) else ""


def _row(key: Mapping[str, Any]) -> tuple[str, ...]:
    role = clean(key.get("role"))
    if key.get("private") is False:
        role += " (public)"
    if key.get("in_use") is False:
        role += " (before)"
    return (
        role,
        clean(key.get("algorithm")),
        clean(key.get("id")),
        moment(key.get("since")),
        moment(key.get("ends")),
        moment(key.get("next")),
        _lies(key),
        CHANGED_BY.get(str(key.get("changed_by")), clean(key.get("changed_by"))),
    )


def _lies(key: Mapping[str, Any]) -> str:
    kept = str(key.get("kept"))
    said = KEPT.get(kept, clean(key.get("kept")))
    if key.get("where") is None:
        return said
    mode = key.get("mode")
    seen = f", mode {clean(mode)}" if mode is not None else ""
    return f"{clean(key.get('where'))} ({said}{seen})"
