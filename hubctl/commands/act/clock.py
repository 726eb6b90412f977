"""`hubctl clock trust`: somebody vouches for the clock."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.show import clock_text
from hubterm.exits import NO, OK


@click.command()
@JSON
@SOCKET
@click.pass_obj
def trust(path: Path, as_json: bool) -> None:
    """Say that the clock is right now, after it stood wrong; it is recorded.

    Exit status 1 when the hub does not believe the clock even so.
    """
    answer = ask_or_end(path, "trust-clock", as_json)
    trusted = answer.get("state") == "trusted"
    if as_json:
        print_json(answer)
    elif trusted and not answer.get("vouched"):
        print(f"The clock is trusted already, nothing was changed: {clock_text(answer)}.")
    else:
        print(f"Recorded: you say that the clock is right. The clock is {clock_text(answer)}.")
    sys.exit(OK if trusted else NO)
