"""`hubctl doors`: the doors, their modes and the ways through them."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET
from hubctl.page import Page
from hubctl.show import doors_table


@click.command()
@JSON
@SOCKET
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show the doors, their modes and the ways through them."""
    answer = ask_or_end(path, "doors", as_json)
    if as_json:
        print_json(answer)
    else:
        Page(tables=[doors_table(answer["doors"])]).show()
