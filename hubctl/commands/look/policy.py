"""`hubctl policy`: which policy is in force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubterm.text import age, clean, is_number, moment


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
        page(answer).show()


def page(answer: dict[str, Any]) -> Page:
    """Return what people read."""
    facts = [
        ("version", clean(answer.get("version"))),
        ("root", clean(answer.get("digest"))),
        ("signed", f"{moment(answer.get('issued'))}, {_old(answer)}"),
    ]
    rows = answer.get("rows")
    if isinstance(rows, dict):
        facts += [(clean(table).replace("_", " "), clean(count)) for table, count in rows.items()]
    return Page(facts=facts)


def _old(answer: Mapping[str, Any]) -> str:
    """Return how old the policy is by the hub's clock, or that it was signed later than that."""
    ahead = answer.get("ahead_seconds")
    if is_number(ahead) and ahead > 0:
        return (
            f"{age(ahead)} later than this hub's clock: it or the issuer's is wrong (hubctl clock)"
        )
    return f"{age(answer.get('age_seconds'))} ago"
