"""`--since` and `--until` of `hubctl audit`: which times a command is about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

import click

from hubctl.tailing.since import read_since

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1

_Command = TypeVar("_Command", bound=Callable[..., None])


class Times(NamedTuple):
    """A half-open span of Unix milliseconds."""

    since_ms: int
    until_ms: int

    @classmethod
    def of(cls, since: float | None, until: float | None) -> Self:
        """Return a span of two Unix times in seconds, each of them open when it is None."""
        return cls(
            INT64_MIN if since is None else int(since * 1000),
            INT64_MAX if until is None else int(until * 1000),
        )

    def __contains__(self, at_ms: object) -> bool:
        return isinstance(at_ms, int) and self.since_ms <= at_ms < self.until_ms


def _moment(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return read_since(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def times_options(command: _Command) -> _Command:
    """Add the options, as `since` and `until`: Unix seconds, or None."""
    until = click.option(
        "--until", callback=_moment, metavar="TIME", help="Those before: 10min, 2h or a moment."
    )
    since = click.option(
        "--since", callback=_moment, metavar="TIME", help="Those since: 10min, 2h or a moment."
    )
    return since(until(command))
