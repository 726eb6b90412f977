"""`hubctl policy`: which policy is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubterm.text import age, clean, moment


@click.command()
@JSON
@SOCKET
@click.pass_obj
def policy(path: Path, as_json: bool) -> None:
    """Show which policy is in force, how old it is and how much it holds."""
    answer = ask_or_disk(path, "policy", as_json, "policy")
    if as_json:
        print_json(answer)
    elif not answer["version"]:
        print("No policy is in force, or none that the hub believes: hubctl status.")
    else:
        _page(answer).show()


def _page(answer: dict[str, Any]) -> Page:
    facts = [
        ("version", clean(answer.get("version"))),
        ("root", clean(answer.get("digest"))),
        ("signed", f"{moment(answer.get('issued'))}, {age(answer.get('age_seconds'))} ago"),
    ]
    rows = answer.get("rows")
    if isinstance(rows, dict):
        facts += [(clean(table).replace("_", " "), clean(count)) for table, count in rows.items()]
    return Page(facts=facts)
