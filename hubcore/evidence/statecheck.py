"""What a hub finds on its disk at the start, and whether its policy may be believed.

Laws:
1. Nothing on the disk means a new hub only when nothing beside it shows that this hub ran before.
2. A policy is believed when the issuer signed it and the log knows of no newer one.
3. The log is believed when it holds the head that the policy's database noted.
4. A recorded doubt stands until a newer record ends it, or the missing policy is back.
5. Each start's record carries on what the log says of the state, as it does for the floor of time.
   So it is found in the newest records, whose chain is checked.

The policy and the log vouch for each other: the log records each version that came into force, and
the policy's database notes the head of the log. So one of the two that was removed, emptied or put
back from an older copy does not fit the other. Two that were put back together fit: only the
backend can see that.
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

    HOLDS: it holds that head, or no head was noted and no policy is proven. DIFFERS: another head,
    or none beside a proven policy: one is noted with each. EMPTY: no record, and no head noted.
    GONE: no record, though a head was noted.
    """

    EMPTY = "empty"
    GONE = "gone"
    HOLDS = "holds"
    DIFFERS = "differs"


class Doubt(StrEnum):
    """Why the state on the disk is not believed. Records hold these words: they never change."""

    POLICY_MISSING = "policy-missing"
    POLICY_OLDER = "policy-older"
    POLICY_UNPROVEN = "policy-unproven"
    LOG_MISSING = "log-missing"
    LOG_REPLACED = "log-replaced"


class Belief(StrEnum):
    """Why the state on the disk is believed.

    UNRECORDED: the last policy's record was lost in a crash; write it now.
    """

    NEW = "new"
    AS_RECORDED = "as-recorded"
    UNRECORDED = "unrecorded"


StateVerdict = Belief | Doubt

ACCEPTED = "accepted"
ROWS_EDITED = "rows-edited"
"""What a `state` record says beside the doubts: the state was accepted; the rows were rebuilt."""


@dataclass(frozen=True, slots=True)
class LoggedState:
    """What the log says: the newest version that came into force (0: none), and the open doubt.

    `doubted` is the proven version that was on the disk when the doubt was recorded.
    """

    version: int = 0
    doubt: Doubt | None = None
    doubted: int = 0


@dataclass(frozen=True, slots=True)
class FoundState:
    """What is on the disk; `version` is that of a proven policy, else 0.

    `policy_removed` and `log_removed`: the file was there before and is gone.
    """

    policy: OnDisk
    version: int
    log: LogFound
    policy_removed: bool = False
    log_removed: bool = False


def judge(found: FoundState, logged: LoggedState) -> StateVerdict:
    """Return whether the state may be believed. The first rule that fits decides."""
    doubt = _doubt_now(found, logged)
    if doubt is not None:
        return doubt
    came_back = found.version >= logged.version and found.version > logged.doubted
    if logged.doubt is not None and not came_back:
        return logged.doubt
    if found.policy is OnDisk.NONE and found.log is LogFound.EMPTY:
        return Belief.NEW
    if found.version > logged.version:
        return Belief.UNRECORDED
    return Belief.AS_RECORDED


def _doubt_now(found: FoundState, logged: LoggedState) -> Doubt | None:
    """Return the doubt that the disk itself raises, None when there is none."""
    match found.policy:
        case OnDisk.UNPROVEN:
            return Doubt.POLICY_UNPROVEN
        case OnDisk.NONE if logged.version > 0 or found.policy_removed:
            return Doubt.POLICY_MISSING
        case OnDisk.PROVEN if found.version < logged.version:
            return Doubt.POLICY_OLDER
        case OnDisk.PROVEN if found.log is LogFound.EMPTY:
            return Doubt.LOG_MISSING
    if found.log is LogFound.GONE:
        return Doubt.LOG_MISSING
    if found.log is LogFound.DIFFERS:
        was_missing = logged.doubt is Doubt.LOG_MISSING
        return Doubt.LOG_MISSING if was_missing else Doubt.LOG_REPLACED
    if found.log_removed:
        return Doubt.LOG_MISSING
    return None


def is_about_state(record: Record) -> bool:
    """Tell whether `read_logged_state` reads something of a record."""
    if record.kind in (RecordKind.POLICY, RecordKind.STATE):
        return True
    return record.kind is RecordKind.STARTED and Fact.EXPECTED in record.detail


def read_logged_state(record: Record | None) -> LoggedState:
    """Read what the newest record about the state says; any other record says nothing."""
    if record is None:
        return LoggedState()
    match record.kind, record.detail:
        case RecordKind.POLICY, {Fact.VERSION: int() as version}:
            return LoggedState(version)
        case RecordKind.STATE, {
            Fact.FOUND: str() as found,
            Fact.POLICY: int() as policy,
            Fact.EXPECTED: int() as expected,
        }:
            return _logged(expected, found, policy)
        case RecordKind.STARTED, {Fact.EXPECTED: int() as expected, Fact.DOUBT: None}:
            return LoggedState(expected)
        case RecordKind.STARTED, {
            Fact.EXPECTED: int() as expected,
            Fact.DOUBT: str() as doubt,
            Fact.DOUBTED: int() as doubted,
        }:
            return _logged(expected, doubt, doubted)
    return LoggedState()


def _logged(expected: int, word: str, doubted: int) -> LoggedState:
    """`word` may be that of a doubt, or another that ends every doubt."""
    if word not in set(Doubt):
        return LoggedState(expected)
    return LoggedState(expected, Doubt(word), doubted)


def carried_facts(logged: LoggedState) -> Detail:
    """Return the facts by which a start's record carries on what the log says of the state."""
    if logged.doubt is None:
        return {Fact.EXPECTED: logged.version, Fact.DOUBT: None}
    return {
        Fact.EXPECTED: logged.version,
        Fact.DOUBT: str(logged.doubt),
        Fact.DOUBTED: logged.doubted,
    }


def doubt_facts(doubt: Doubt, found: FoundState, logged: LoggedState) -> Detail:
    """Return the facts of the record of a doubt."""
    return {
        Fact.FOUND: str(doubt),
        Fact.POLICY: found.version,
        Fact.EXPECTED: max(found.version, logged.version),
    }


def edited_facts(version: int) -> Detail:
    """Return the facts of the record that a policy's rows were not those of its document."""
    return {Fact.FOUND: ROWS_EDITED, Fact.POLICY: version, Fact.EXPECTED: version}


def accepted_facts(doubt: Doubt, version: int, by: str, uid: int) -> Detail:
    """Return the facts of the record that ends a doubt; the log expects `version` from now on."""
    return {
        Fact.FOUND: ACCEPTED,
        Fact.WAS: str(doubt),
        Fact.POLICY: version,
        Fact.EXPECTED: version,
        Fact.ACCEPTED_BY: by,
        Fact.UID: uid,
    }
