"""`hubctl top`: the hub on a screen that lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hubctl.options import JSON, SOCKET
from hubctl.top import live
from hubctl.top.terminal import signs_of, why_plain
from hubterm.output import complain


@click.command()
@JSON
@SOCKET
@click.option(
    "--plain/--no-plain",
    "plain",
    default=None,
    help="One line a change instead of a screen. It is chosen where no screen can be drawn, and on "
    "a slow line; --no-plain draws it there too.",
)
@click.pass_obj
def top(path: Path, as_json: bool, plain: bool | None) -> None:
    """Show doors, phones, decisions, devices and records as they change, the worst first.

    Arrows choose a door, Enter shows its last unlocks step by step, / filters, ? shows the keys,
    q ends. The exit status is that of `hubctl status` at the end.
    """
    signs = signs_of(os.environ)
    if as_json:
        live.documents(path)
    if plain:
        live.changes(path, signs)
    reason = why_plain(os.environ, live.STDIN, live.STDOUT)
    if reason is None or (plain is False and reason.may_be_slow):
        live.full_screen(path, signs, coloured=not os.environ.get("NO_COLOR"))
    if sys.stderr.isatty():
        complain(f"hubctl: one line a change: {reason.says}")
    live.changes(path, signs)
