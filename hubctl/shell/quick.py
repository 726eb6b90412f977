"""The quick way: a look that is typed most starts without click, with the usual options alone.

Laws:
1. Which commands these are stands in the table of all commands (`Row.quick`).
2. Words that are anything else than these are left to click, which alone says what is wrong.
3. What it shows and how it ends is what click's way shows, and how that ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hubctl.client import DEFAULT_SOCKET
from hubctl.table import TABLE

COMPLETING = "_HUBCTL_COMPLETE"
"""Set by a shell that asks how a word may go on."""


class Look(NamedTuple):
    """What was typed: the function of `hubctl.shell.looks` that shows it, and its two options."""

    name: str
    socket: str
    as_json: bool


def understood(words: Sequence[str], environment: Mapping[str, str]) -> Look | None:
    """Return the look that was typed; None when it is anything else."""
    if COMPLETING in environment:
        return None
    socket = environment.get("HUBD_SOCKET") or DEFAULT_SOCKET
    as_json = False
    quick = ""
    rest = iter(words)
    for word in rest:
        if word == "--socket":
            socket = next(rest, "-")
            if socket.startswith("-"):
                return None
        elif word == "--json" and quick:
            as_json = True
        elif quick:
            return None
        else:
            quick = _quick(word)
            if not quick:
                return None
    return Look(quick, socket, as_json) if quick else None


def _quick(word: str) -> str:
    for row in TABLE:
        if row.words == word:
            return row.quick
    return ""


def run(look: Look) -> None:
    """Show it; end hubctl when there is no answer."""
    from hubctl.shell import looks

    getattr(looks, look.name)(look.socket, look.as_json)
