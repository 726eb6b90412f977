"""`hubctl clock`: whether the clock can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import clock_text, troubles_about
from hubterm.exits import NO, OK

TRUSTED = "trusted"


@click.command()
@JSON
@SOCKET
@click.pass_obj
def clock(path: Path, as_json: bool) -> None:
    """Show whether the clock can be trusted, and who keeps it. Exit status 1 when it is not.

    A clock that is right, but not trusted: `hubctl clock trust`.
    """
    answer = ask_or_end(path, "status", as_json)
    found = answer.get("clock")
    if as_json:
        print_json({"clock": found})
    else:
        found_wrong = troubles_about(answer, "clock")
        if found_wrong:
            Page(found_wrong).show()
        print(f"clock: {clock_text(found)}")
    is_trusted = isinstance(found, dict) and found.get("state") == TRUSTED
    sys.exit(OK if is_trusted else NO)
