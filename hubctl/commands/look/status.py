"""`hubctl status`: how the hub is."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.options import JSON, SOCKET
from hubctl.shell import looks
from hubctl.watch import WATCH_SECONDS, watch


@click.command()
@JSON
@SOCKET
@click.option(
    "--watch",
    "again",
    is_flag=True,
    help=f"Show it again every {WATCH_SECONDS:g} s until Ctrl-C.",
)
@click.pass_obj
def status(path: Path, as_json: bool, again: bool) -> None:
    """Show how the hub is: first what is wrong, and what to do.

    Exit status 1 while a problem of severity error stands.
    """
    if again:
        watch(path, as_json)
    looks.status(path, as_json)
