"""`hubctl why`: who was refused last, why, and what would have to change."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask, print_json
from hubctl.client import NoAnswer
from hubctl.denials import is_meant, lines_of, wall
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.table import near
from hubterm.text import clean


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
    answer = ask_or_disk(path, "denials", as_json, "why", whom)
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
    for line in lines_of(shown, zone):
        print(line)


def _meant(path: Path, whom: str | None) -> str:
    """Return the door that was probably meant, as a sentence; nothing when it is one."""
    try:
        doors = ask(path, "doors")["doors"] if whom is not None else []
    except NoAnswer:
        return ""
    known = {str(door.get(key)) for door in doors for key in ("id", "name")}
    meant = None if whom in known else near(whom or "", known)
    return "" if meant is None else f" Did you mean {clean(meant)}?"
