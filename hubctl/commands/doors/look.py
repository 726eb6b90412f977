"""`hubctl door NAME`: one door; and what a release of it would do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hubctl.answers import print_json
from hubctl.commands.doors.act import asked, released
from hubctl.denials import GRANTED
from hubctl.doors.page import door_page, dry_run_page
from hubctl.options import JSON, SOCKET, Named
from hubterm.exits import NO, OK
from hubterm.shapes import mappings


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def door(path: Path, name: str, as_json: bool) -> None:
    """Show the door NAME: its state, its mode and who set it, its ways, who came last.

    NAME is the id of a door, its name, or an access point by number or name.
    """
    answer = asked(path, "door", name, as_json)
    if as_json:
        print_json(answer)
    else:
        door_page(answer).show()


@click.command(cls=Named)
@click.argument("name")
@click.option("--pulse", is_flag=True, help="Drive the door once: a release, with its record.")
@JSON
@SOCKET
@click.pass_obj
def test(path: Path, name: str, pulse: bool, as_json: bool) -> None:
    """Say what a release of the door NAME would do now, and drive nothing.

    Exit status 1 when a release would be refused, or a mover cannot be driven. With --pulse the
    door is released once first: group hubd-admin, or root.
    """
    if pulse:
        released(path, name, None, as_json)
    answer = {**asked(path, "door-test", name, as_json), "pulsed": pulse}
    if as_json:
        print_json(answer)
    else:
        dry_run_page(answer).show()
    sys.exit(OK if is_well(answer) else NO)


def is_well(answer: dict[str, Any]) -> bool:
    """Tell whether a release would be done, and every mover can be driven."""
    movers = mappings(answer.get("movers"))
    can_be_driven = bool(movers) and all(mover.get("up") is True for mover in movers)
    return answer.get("would") == GRANTED and can_be_driven
