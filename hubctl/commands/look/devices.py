"""`hubctl devices`: the devices, and how each stands."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.options import JSON, SOCKET
from hubctl.shell import looks


@click.command()
@JSON
@SOCKET
@click.pass_obj
def devices(path: Path, as_json: bool) -> None:
    """Show the devices: how each stands, when it said so, and what is wrong with it."""
    looks.devices(path, as_json)
