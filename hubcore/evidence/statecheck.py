"""What a hub finds on its disk at the start, and whether its policy may be believed.

1. Absence is new only when nothing beside it shows that this hub ran before.
2. A policy is believed when the issuer signed it, and the log knows of none that is newer.
3. The log is believed when it holds the head that the policy's database noted.
4. A doubt that was recorded stands until a newer record ends it, or the missing policy is back.
5. What the log says of the state is carried in the record of each start, as the floor of time is:
   so it is found in the newest records, which are those whose chain is checked.

The policy and the log vouch for each other: the log records each version that came into force, and
the policy's database notes the head of the log. So one of the two that was removed, emptied or put
back from an older copy does not fit the other. Two that were put back together fit: that only the
backend can see.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind


class OnDisk(StrEnum):
    """The policy in its database. PROVEN: the issuer's signature over the kept document holds."""

    NONE = "none"
    PROVEN = "proven"
    UNPROVEN = "unproven"


class LogFound(StrEnum):
    """The log against the head that the policy's database noted.

    HOLDS also when neither a head was noted nor a policy is proven; with each policy a head is
    noted, so a proven one without it DIFFERS. EMPTY: no record, and no head noted. GONE: no record,
    though a head was noted.
    """

    EMPTY = "empty"
    GONE = "gone"
    HOLDS = "holds"
    DIFFERS = "differs"


class Doubt(StrEnum):
    """Why the state on the disk is not believed.

    The words stand in records: they are never changed.
    """

    POLICY_MISSING = "policy-missing"
    POLICY_OLDER = "policy-older"
    POLICY_UNPROVEN = "policy-unproven"
    LOG_MISSING = "log-missing"
    LOG_REPLACED = "log-replaced"


class Belief(StrEnum):
    """Why the state on the disk is believed.

    UNRECORDED: the last policy's record was lost to a crash; write it now.
    """

    NEW = "new"
    AS_RECORDED = "as-recorded"
    UNRECORDED = "unrecorded"


StateVerdict = Belief | Doubt

ACCEPTED = "accepted"
ROWS_EDITED = "rows-edited"
"""What a record of kind `state` says beside the doubts: somebody accepted the state; the rows were
built again.
"""


@dataclass(frozen=True, slots=True)
class LoggedState:
    """What the log says: the newest version that came into force (0: none), and the doubt that
    stands.

    `doubted` is the proven version that was on the disk when the doubt was recorded.
    """

    version: int = 0
    doubt: Doubt | None = None
    doubted: int = 0


@dataclass(frozen=True, slots=True)
class FoundState:
    """What is on the disk: `version` of a proven policy, else 0; `removed`: a file of before is
    gone.
    """

    policy: OnDisk
    version: int
    log: LogFound
    policy_removed: bool = False
    log_removed: bool = False


def judge(found: FoundState, told: LoggedState) -> StateVerdict:
    """Return whether the state may be believed. The first rule that fits decides."""
    version = found.version
    came_back = version >= told.version and version > told.doubted
    rules: tuple[tuple[bool, StateVerdict], ...] = (
        (found.policy is OnDisk.UNPROVEN, Doubt.POLICY_UNPROVEN),
        (found.policy is OnDisk.NONE and told.version > 0, Doubt.POLICY_MISSING),
        (found.policy is OnDisk.PROVEN and version < told.version, Doubt.POLICY_OLDER),
        (found.policy is OnDisk.NONE and found.policy_removed, Doubt.POLICY_MISSING),
        (found.policy is OnDisk.PROVEN and found.log is LogFound.EMPTY, Doubt.LOG_MISSING),
        (found.log is LogFound.GONE, Doubt.LOG_MISSING),
        (found.log is LogFound.DIFFERS and told.doubt is Doubt.LOG_MISSING, Doubt.LOG_MISSING),
        (found.log is LogFound.DIFFERS, Doubt.LOG_REPLACED),
        (found.log_removed, Doubt.LOG_MISSING),
    )
    for holds, verdict in rules:
        if holds:
            return verdict
    if told.doubt is not None and not came_back:
        return told.doubt
    if found.policy is OnDisk.NONE and found.log is LogFound.EMPTY:
        return Belief.NEW
    return Belief.UNRECORDED if version > told.version else Belief.AS_RECORDED


def tells(record: Record) -> bool:
    """Tell whether a record says something of the state: a policy, a state, or a start that carries
    what was said.
    """
    return record.kind in (RecordKind.POLICY, RecordKind.STATE) or (
        record.kind is RecordKind.STARTED and Fact.EXPECTED in record.detail
    )


def told_by(record: Record | None) -> LoggedState:
    """Read what the newest record that `tells` says; a record that says nothing of the state says
    nothing.
    """
    if record is None:
        return LoggedState()
    match record.kind, record.detail:
        case RecordKind.POLICY, {Fact.VERSION: int(version)}:
            return LoggedState(version)
        case RecordKind.STATE, {
            Fact.FOUND: str(found),
            Fact.POLICY: int(policy),
            Fact.EXPECTED: int(expected),
        }:
            doubt = Doubt(found) if found in set(Doubt) else None
            return LoggedState(expected, doubt, policy if doubt else 0)
        case RecordKind.STARTED, {Fact.EXPECTED: int(expected), Fact.DOUBT: None}:
            return LoggedState(expected)
        case RecordKind.STARTED, {
            Fact.EXPECTED: int(expected),
            Fact.DOUBT: str(doubt),
            Fact.DOUBTED: int(doubted),
        }:
            return (
                LoggedState(expected, Doubt(doubt), doubted)
                if doubt in set(Doubt)
                else LoggedState(expected)
            )
    return LoggedState()


def carried_facts(told: LoggedState) -> Detail:
    """Return the facts by which a start's record carries on what the records before it say."""
    if told.doubt is None:
        return {Fact.EXPECTED: told.version, Fact.DOUBT: None}
    return {Fact.EXPECTED: told.version, Fact.DOUBT: str(told.doubt), Fact.DOUBTED: told.doubted}


def doubt_facts(doubt: Doubt, found: FoundState, told: LoggedState) -> Detail:
    """Return the facts of the record of a doubt."""
    return {
        Fact.FOUND: str(doubt),
        Fact.POLICY: found.version,
        Fact.EXPECTED: max(found.version, told.version),
    }


def edited_facts(version: int) -> Detail:
    """Return the facts of the record that a proven policy's rows were not those of its document."""
    return {Fact.FOUND: ROWS_EDITED, Fact.POLICY: version, Fact.EXPECTED: version}


def accepted_facts(doubt: Doubt, version: int, by: str) -> Detail:
    """Return the facts of the record that ends a doubt: from here on `version` is what the log
    expects.
    """
    return {
        Fact.FOUND: ACCEPTED,
        Fact.WAS: str(doubt),
        Fact.POLICY: version,
        Fact.EXPECTED: version,
        Fact.ACCEPTED_BY: by,
    }
