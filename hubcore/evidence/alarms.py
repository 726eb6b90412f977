"""Which records are alarms: what people must hear of at once.

Laws:
1. An alarm is a record of a threat (duress), of the beginning of a door's alarm, or of fire.
2. What cannot be read, or is of another kind, is none.
"""

from __future__ import annotations

import re
from typing import Any

from hubcore.access.precedence import DoorOrder
from hubcore.errors import AuditError
from hubcore.evidence.carried_alarms import BEGUN_BY_END
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import facts

_BEGINS = frozenset(map(str, BEGUN_BY_END.values()))
_FIRE = DoorOrder.FIRE.name.lower()
_WORDS = re.compile("|".join((str(Fact.DURESS), _FIRE, *_BEGINS)).encode())
"""An alarm has one of these in its bytes; other records are not read."""


def may_alarm(bodies: bytes) -> bool:
    """Tell whether a record, or one of those that were joined to this, may be an alarm."""
    return _WORDS.search(bodies) is not None


def alarm_of(body: bytes) -> str:
    """Return what a record alarms of, in a few words; "" for one that is no alarm."""
    if not may_alarm(body):
        return ""
    try:
        said = facts(body)
    except AuditError:
        return ""
    match said["kind"]:
        case RecordKind.ACCESS:
            return _duress(said)
        case RecordKind.DOOR if said.get(Fact.WHAT) in _BEGINS:
            return f"door {said.get(Fact.DOOR)!r}: {said[Fact.WHAT]}"
        case RecordKind.ORDER if said.get(Fact.ORDER) == _FIRE and said.get(Fact.ON) is True:
            return f"door {said.get(Fact.DOOR)!r}: fire"
    return ""


def _duress(said: dict[str, Any]) -> str:
    if said.get(Fact.DURESS) is not True:
        return ""
    return (
        f"DURESS: {said.get(Fact.ASKER)!r} at access point {said.get(Fact.POINT)!r} is under "
        "threat: send help, and call nobody there"
    )
