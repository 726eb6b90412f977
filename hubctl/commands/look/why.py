"""`hubctl why`: who was refused last, why, and what would have to change."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import print_json
from hubctl.denials import is_meant, lines_of, wall
from hubctl.doors.nearby import did_you_mean
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
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
        meant = "" if whom is None else did_you_mean(path, whom)
        print(f"{whose} was refused since hubd started: {since}.{meant}")
        print("What was before: sudo journalctl -u hubd EVENT=access")
    for line in lines_of(shown, zone):
        print(line)
