"""`hubctl why`: who was refused last, why, and what would have to change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask, ask_or_end, print_json
from hubctl.client import NoAnswer
from hubctl.denials import sentences, wall
from hubctl.options import JSON, SOCKET
from hubctl.table import near
from hubterm.text import clean

PLACES = ("door", "door_name", "point_name", "point", "reader")
BEGINNING = 4
"""Characters of a credential that are enough to find it."""


@click.command()
@click.argument("whom", required=False, metavar="[DOOR|CREDENTIAL]")
@click.option("--last", type=click.IntRange(1, 64), default=5, show_default=True, help="How many.")
@JSON
@SOCKET
@click.pass_obj
def why(path: Path, whom: str | None, last: int, as_json: bool) -> None:
    """Say who was refused last, why, and what would change it. The newest comes first.

    DOOR is a door, an access point or a reader, by name or number. CREDENTIAL is one, or its
    beginning. For what was before hubd started: journalctl -u hubd EVENT=access DOOR=front
    """
    answer = ask_or_end(path, "denials", as_json)
    zone = str(answer["zone"])
    found = [one for one in answer["denials"] if isinstance(one, dict) and is_meant(one, whom)]
    shown = found[:last]
    if as_json:
        print_json({**answer, "denials": shown})
        return
    if not shown:
        whose = "Nobody" if whom is None else f"Nobody at or by {clean(whom)}"
        since = wall(answer.get("since"), zone)
        print(f"{whose} was refused since hubd started: {since}.{_meant(path, whom)}")
        print("What was before: sudo journalctl -u hubd EVENT=access")
    for denial in shown:
        head, *lines = sentences(denial, zone)
        print(head)
        for line in lines:
            print(f"  {line}")


def _meant(path: Path, whom: str | None) -> str:
    """Return the door that was probably meant, as a sentence; nothing when it is one."""
    try:
        doors = ask(path, "doors")["doors"] if whom is not None else []
    except NoAnswer:
        return ""
    known = {str(door.get(key)) for door in doors for key in ("id", "name")}
    meant = None if whom in known else near(whom or "", known)
    return "" if meant is None else f" Did you mean {clean(meant)}?"


def is_meant(denial: Mapping[str, Any], whom: str | None) -> bool:
    """Tell whether a denial is at this place or of this credential."""
    if whom is None:
        return True
    if any(str(denial.get(key)) == whom for key in PLACES if denial.get(key) is not None):
        return True
    shown = str(denial.get("asker")).rstrip("…")
    beginning = whom[: len(shown)]
    return len(beginning) >= min(BEGINNING, len(shown)) > 0 and shown.startswith(beginning)
