"""`hubctl netcheck`: gives way to hubd's own program, which takes each step to the backend.

Law: hubctl hands over its arguments, its streams and its process, as for `hubctl enroll`.
"""

from __future__ import annotations

import os
import signal
import sys

import click

PROGRAM = "hubd.netcheck"
"""A module that Python runs: see its `__main__`."""


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    short_help="Each step to the backend, and which one fails.",
)
@click.pass_context
def netcheck(ctx: click.Context) -> None:
    """Each step to the backend, and which one fails."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # a limit before the command is passed on
    limit = ["--timeout", str(left)] if left else []
    # isolated: neither the working folder nor PYTHONPATH says what root runs
    os.execv(sys.executable, [sys.executable, "-I", "-m", PROGRAM, *limit, *ctx.args])  # noqa: S606
