"""Operations: what phones claim, the backend and technicians order, in one form for all."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from hubcore.access.claim import Claim, ClaimOutcome
from hubcore.access.once import Key
from hubcore.access.words import Action, Denial
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import RecordKind
from hubcore.evidence.uses import Use
from hubd.doors.uses import Allowance

NO_DECISIONS = (
    Denial.OP_CONFLICT,
    Denial.BUSY,
    Denial.TOO_LATE,
    Denial.DOOR_FAULT,
)
"""Denials that say nothing about what was asked: the hub could not look at it, or did not."""
READER_OP_BYTES = 8

WhyNot = Callable[[], Denial | None]
"""Tells why something is denied at this moment, None when it is not."""


def reader_op() -> bytes:
    """Return the id of an operation that begins at a reader: who shows something there has none."""
    return secrets.token_bytes(READER_OP_BYTES)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked, and by whom; `seconds` None leaves the time to the access point.

    `kind` is that of its record: ACCESS for a phone's claim, REMOTE for an order.
    `claim` is what stands behind it, None for an order and for a card of nobody. `uid` is the user
    of this machine who orders it at the hub, None for anybody else.
    """

    kind: RecordKind
    asker: str
    op: bytes
    point: int
    action: Action
    seconds: int | None = None
    uid: int | None = None
    claim: Claim | None = field(default=None, compare=False, repr=False)

    @property
    def moves(self) -> bool:
        """Whether a yes moves the door."""
        return self.action is Action.OPEN

    @property
    def by(self) -> str:
        """What kind of asker this is: `phone`, `reader`, `remote`, or `technician` at the hub."""
        if self.kind is RecordKind.REMOTE:
            return "remote" if self.uid is None else "technician"
        return "phone" if self.claim is not None and self.claim.reader is None else "reader"

    @property
    def source(self) -> str:
        """Who asks; whoever orders at the backend is one source, and so is each technician."""
        if self.kind is RecordKind.ACCESS:
            return f"{self.kind}/{self.asker}"
        return str(self.kind) if self.uid is None else f"{self.kind}/uid {self.uid}"

    @property
    def key(self) -> Key:
        """What the operation is known by when it is asked again."""
        return self.source, self.op

    @property
    def content(self) -> tuple[int, int]:
        """What must be the same when it is asked again."""
        return self.point, int(self.action)

    @property
    def facts(self) -> Detail:
        """What its record says of it."""
        here: Detail = {} if self.uid is None else {Fact.UID: self.uid}
        return {
            Fact.ASKER: self.asker,
            Fact.OP: self.op,
            Fact.POINT: self.point,
            Fact.ACTION: int(self.action),
            **here,
        }


@dataclass(frozen=True, slots=True)
class ReleaseHere:
    """Somebody at the hub releases a door; `points` are those that must let him, `op` is its id.

    Its record names the first of them. `by` is the kind of person, `uid` the user of this machine.
    """

    op: bytes
    points: tuple[int, ...]
    seconds: int | None
    by: str
    uid: int


class Follower:
    """Hears what becomes of operations, step by step. It overrides what it wants to hear.

    It is called on the way of an unlock, so it does little.
    """

    def decided(self, operation: Operation, why: Denial | None) -> None:
        """It is decided; `why` None is a yes."""

    def recorded(self, operation: Operation) -> None:
        """The record of the decision is durable."""

    def asked(self, operation: Operation, now: float) -> None:
        """A strike is asked to move, at this monotonic second."""

    def ended(self, operation: Operation, why: Denial | None) -> None:
        """Everything was done; `why` is what the asker is told."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an operation; asked again, it is another attempt.

    `why_denied` judges it at this moment: None is a yes. `late` tells whether nothing may move for
    it any more. `facts` stand in its record too, for which it waits `record_seconds`.
    `needs_longer` tells whether whoever asks needs more time at the door. `settle` is called once
    when it was denied (why) or done (None), and that is on record. `begins` is called with its yes,
    `came_to_nothing` when nothing was moved by it after all. `allowance`: what it may spend
    of a grant that has a number of uses; `use`: what it took of it.
    """

    operation: Operation
    why_denied: WhyNot
    late: Callable[[], bool]
    facts: Detail
    record_seconds: float
    needs_longer: Callable[[], bool] = lambda: False
    settle: Callable[[Denial | None], None] = lambda _why: None
    begins: Callable[[], None] = lambda: None
    came_to_nothing: Callable[[], None] = lambda: None
    allowance: Allowance | None = None
    use: Use | None = None

    def spending(self, use: Use) -> Attempt:
        """Return the attempt with the use that it took."""
        return replace(self, use=use, facts={**self.facts, **use.facts})

    def why_not_now(self) -> Denial | None:
        """Tell why nothing may move for it at this moment, None when it may."""
        if self.late():
            return Denial.TOO_LATE
        return self.why_denied()


class OperationEnd(Enum):
    """How an operation ended; this settles whether it is remembered."""

    ANSWERED = "decided, and there was nothing to move"
    MOVED = "the strike was driven, or may have been"
    NOTHING_DONE = "nothing was decided about it, or nothing came of it"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an operation ended, and what its asker is told."""

    outcome: ClaimOutcome
    end: OperationEnd
