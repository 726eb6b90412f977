"""What a record says, as far as the columns of its row have it.

Laws:
1. Whatever the bytes are, there is an answer: what cannot be read is a record of the kind
   UNREADABLE, which says nothing more.
2. Text of a hub is cut to its column, and has no character that is not shown.
3. A credential is one only where the record says that a phone or a card asked, or that it is about
   one. Operators are no credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubcore.access.grant import ACCESS_POINT_MAX
from hubcore.errors import AuditError
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import facts

UNREADABLE = "unreadable"
ALLOWED = "allowed"
WORD_LENGTH = 64
KIND_LENGTH = 32
_READER = "reader/"
_SAYS = (Fact.OUTCOME, Fact.WHAT, Fact.CAUSE, Fact.FAULT, Fact.FOUND)
"""Where what came of it stands, in this order, if nothing was allowed or denied."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one record; `at` in Unix seconds. `said` are all its facts."""

    at: int
    kind: str
    access_point: int | None
    door: str
    credential: str
    outcome: str
    is_alarm: bool
    said: dict[str, Any]


def columns_of(body: bytes) -> Columns:
    """Return the columns of a record's bytes."""
    try:
        said = facts(body)
    except AuditError:
        return Columns(0, UNREADABLE, None, "", "", "", is_alarm=False, said={})
    return Columns(
        at=said["at"] // 1000,
        kind=shown_word(said["kind"], KIND_LENGTH),
        access_point=_point(said.get(Fact.POINT)),
        door=shown_word(said.get(Fact.DOOR)),
        credential=_credential(said),
        outcome=_outcome(said),
        is_alarm=bool(alarm_of(body)),
        said=said,
    )


def _point(said: object) -> int | None:
    is_point = type(said) is int and 1 <= said <= ACCESS_POINT_MAX
    return said if is_point and isinstance(said, int) else None


def _credential(said: dict[str, Any]) -> str:
    about = said.get(Fact.CREDENTIAL)
    if isinstance(about, str):
        return shown_word(about)
    is_access = RecordKind.ACCESS in (said["kind"], said.get(Fact.OF_KIND))
    asker = said.get(Fact.ASKER)
    if not is_access or not isinstance(asker, str) or asker.startswith(_READER):
        return ""
    return shown_word(asker)


def _outcome(said: dict[str, Any]) -> str:
    if said.get(Fact.ALLOWED) is True:
        return ALLOWED
    if isinstance(said.get(Fact.WHY), str):
        return shown_word(said[Fact.WHY])
    return next((shown_word(said[one]) for one in _SAYS if isinstance(said.get(one), str)), "")


def shown_word(said: object, length: int = WORD_LENGTH) -> str:
    """Return a hub's text as a column takes it, "" for what is no text (law 2)."""
    if not isinstance(said, str):
        return ""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in said)[
        :length
    ]
