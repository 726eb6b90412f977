"""`hubctl devices`: the devices, and how each stands."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import devices_table


@click.command()
@JSON
@SOCKET
@click.pass_obj
def devices(path: Path, as_json: bool) -> None:
    """Show the devices: how each stands, when it said so, and what is wrong with it."""
    answer = ask_or_end(path, "devices", as_json)
    if as_json:
        print_json(answer)
    else:
        Page(tables=[devices_table(answer["devices"])]).show()
