"""`--timeout`: a command ends when the thing has happened, or when its time is over.

Laws:
1. The time is that of the whole command, whatever it waits for.
2. Its end comes as Ctrl-C does: what would be left whole by that is left whole by this.
3. It is no `Exception`, so that nothing takes it for trouble of its own.
"""

from __future__ import annotations

import math
import signal
from types import FrameType

import click

SECONDS_MAX = 86_400.0


class TimedOut(BaseException):
    """The time of the command is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"it has not happened within {seconds:g} s, and may still happen: look before you "
            "type it again"
        )


def begin(seconds: float) -> None:
    """Raise TimedOut in the main thread after this time."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimedOut(seconds)

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def end() -> float:
    """Take the limit away; return how many seconds were left, 0 without a limit."""
    return signal.setitimer(signal.ITIMER_REAL, 0)[0]


def _begin(_ctx: click.Context, _parameter: click.Parameter, seconds: float | None) -> None:
    if seconds is None:
        return
    if math.isnan(seconds):  # it is in every range
        raise click.BadParameter("expected a number of seconds")
    begin(seconds)


TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(0, SECONDS_MAX, min_open=True),
    metavar="SECONDS",
    expose_value=False,
    callback=_begin,
    help="End with status 75 when it has not happened by then.",
)
