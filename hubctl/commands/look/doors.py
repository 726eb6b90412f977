"""`hubctl doors`: the doors, their modes and the ways through them."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.options import JSON, SOCKET
from hubctl.shell import looks


@click.command()
@JSON
@SOCKET
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show the doors, their modes and the ways through them."""
    looks.doors(path, as_json)
