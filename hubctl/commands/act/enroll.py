"""`hubctl enroll`: gives way to hubd's own program, which makes this machine a hub.

Law: hubctl knows nothing of keys and settings. It hands over its arguments, its streams and its
process, so that Ctrl-C, output and exit status are those of the program.
"""

from __future__ import annotations

import os
import signal
import sys

import click

PROGRAM = "hubd.enrolment"
"""A module that Python runs: see its `__main__`."""


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    short_help="Make this machine a hub, by the token of the backend's operator.",
)
@click.pass_context
def enroll(ctx: click.Context) -> None:
    """Make this machine a hub, by the token of the backend's operator."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # a limit before the command is passed on
    limit = ["--timeout", str(left)] if left else []
    # isolated: neither the working folder nor PYTHONPATH says what root runs
    os.execv(sys.executable, [sys.executable, "-I", "-m", PROGRAM, *limit, *ctx.args])  # noqa: S606
