"""`--since` and `--until` of `hubctl audit`: which times a command is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

import click

from hubctl.tailing.since import taken

_Command = TypeVar("_Command", bound=Callable[..., None])


class Times(NamedTuple):
    """A half-open span of Unix milliseconds; None: open at that end."""

    since_ms: int | None
    until_ms: int | None

    @classmethod
    def of(cls, since: float | None, until: float | None) -> Self:
        """Return a span of two Unix times in seconds."""
        return cls(
            None if since is None else int(since * 1000),
            None if until is None else int(until * 1000),
        )

    def holds(self, at_ms: int) -> bool:
        """Tell whether a moment is within."""
        if self.since_ms is not None and at_ms < self.since_ms:
            return False
        return self.until_ms is None or at_ms < self.until_ms


def times_options(command: _Command) -> _Command:
    """Add the options, as `since` and `until`: Unix seconds, or None."""
    until = click.option(
        "--until", callback=taken, metavar="TIME", help="Those before: 10min, 2h or a moment."
    )
    since = click.option(
        "--since", callback=taken, metavar="TIME", help="Those since: 10min, 2h or a moment."
    )
    return since(until(command))
