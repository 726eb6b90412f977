"""How far back: `10min`, `2h`, or a moment as every command shows it."""

from __future__ import annotations

import re
import time

import click

from hubcore.timing.moment import read_seconds

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d{1,6}) ?(s|min|h|d)\Z", re.ASCII)


def read_since(text: str, now: float) -> float:
    """Return the Unix time. Raise ValueError with what may be said."""
    span = _SPAN.match(text.strip())
    if span is not None:
        return now - int(span[1]) * SECONDS[span[2]]
    moment = read_seconds(text.strip())
    if moment is None:
        raise ValueError("say 90s, 10min, 2h or 3d, or a moment such as 2026-11-27T14:56:43Z")
    return moment


def taken(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Return the Unix time that an option of a command says: its callback."""
    if text is None:
        return None
    try:
        return read_since(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
