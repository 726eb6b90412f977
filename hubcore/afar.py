"""What a check says to people who know its name and its parts alone: an operator far away.

Laws:
1. It names nothing but parts. All other fields may hold words of a device, a file or an error.
2. Whatever the name and the parts are, there is a sentence. A name that is not in the table is
   shown as it is.
3. What only stands while the backend does not hear of it is not told to the backend.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter

from hubcore.checks import CHECKS
from hubcore.checks.words import Check, CheckId, Topic

PARTS = frozenset({"devices", "doors", "readers"})
"""The fields that may be told: ids of the hub's configuration."""
UNTOLD = frozenset(
    {
        Topic.BACKEND,
        Topic.FORK,
        Topic.GAP,
        Topic.OFFLINE,
        Topic.TAIL_CUT,
        Topic.TRIALS,
        Topic.TWO_HUBS,
    }
)
"""Topics that only stand while the backend does not listen, or that never stand (law 3)."""
_MORE_AT_THE_HUB = "At the hub, hubctl status says what it is about."


@dataclass(frozen=True, slots=True)
class Told:
    """What is wrong, and what mends it: sentences."""

    what: str
    remedy: str


def told(code: str, parts: Iterable[str]) -> Told:
    """Return the sentences of a check by its name, and of its parts by their ids (law 2)."""
    if code not in set(CheckId):
        return Told(f"Something that this server does not know: {code}.", _MORE_AT_THE_HUB)
    row = CHECKS[CheckId(code)]
    shown = ", ".join(parts) or "those that hubctl status names"
    fields = dict.fromkeys(PARTS, shown)
    what, remedy = texts(row)
    if not names_of(what) <= PARTS or not names_of(remedy) <= PARTS:
        return Told(f"A check has failed: {code}.", _MORE_AT_THE_HUB)
    return Told(what.format_map(fields), remedy.format_map(fields))


def texts(row: Check) -> tuple[str, str]:
    """Return the templates of cause and remedy for people far away."""
    return row.afar or row.cause, row.remedy_afar or row.remedy


def names_of(template: str) -> frozenset[str]:
    """Return the fields that a template names."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)
