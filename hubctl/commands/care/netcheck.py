"""`hubctl netcheck`: gives way to hubd's own program, which takes each step to the backend.

Laws:
1. hubctl hands over its arguments, its streams and its process, as for `hubctl enroll`.
2. A running hubd is asked for its backend's clock before, for a short time. Without it the program
   says that this was not measured.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from hubctl.client import HubClient, NoAnswer
from hubctl.options import SOCKET
from hubterm.shapes import mapping
from hubterm.text import is_number

CLOCK_SECONDS = 3.0
PROGRAM = "hubd.netcheck"
"""A module that Python runs: see its `__main__`."""


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    short_help="Each step to backend and bridges, and which one fails.",
)
@SOCKET
@click.pass_context
def netcheck(ctx: click.Context) -> None:
    """Each step to the backend and to each bridge, and which one fails."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # a limit before the command is passed on
    limit = ["--timeout", str(left)] if left else []
    # isolated: neither the working folder nor PYTHONPATH says what root runs
    clock = [] if "--help" in ctx.args else _clock(ctx.obj)
    words = [*limit, *clock, *ctx.args]
    os.execv(sys.executable, [sys.executable, "-I", "-m", PROGRAM, *words])  # noqa: S606


def _clock(path: Path) -> list[str]:
    """Return what a running hubd knows of its backend's clock, as options of the program."""
    try:
        with HubClient(path, CLOCK_SECONDS) as client:
            backend = mapping(mapping(client.call("status")).get("backend"))
    except NoAnswer:
        return []
    offset = backend.get("clock_offset_seconds")
    endpoint = backend.get("endpoint")
    if not isinstance(endpoint, str) or not is_number(offset):
        return []
    within = backend.get("clock_within_seconds")
    bound = [f"--clock-within={within}"] if is_number(within) else []
    return [f"--clock-of={endpoint}", f"--clock-offset={offset}", *bound]
