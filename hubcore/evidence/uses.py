"""What records say of the uses of grants: which were spent, and which were given back.

Laws:
1. A grant of N uses has the numbers 1 to N. A yes takes a number that is free, and says so in its
   own record. So nothing is spent without its record, and no record of a yes leaves its use free.
2. Only the record that says "nothing moved" gives a use back, and only to the operation that spent
   it.
3. What the records say in their order is all that counts: a table of uses is made from them alone.
4. A use is forgotten FORGET_SECONDS after its grant has ended, by a clock that was believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from hubcore.codec import cbor
from hubcore.evidence.facts import Detail, Fact
from hubcore.evidence.records import Record, RecordKind, Value

USES = range(1, 1 << 16)
"""How many uses a grant may have, and the numbers of its uses."""
FORGET_SECONDS = 86_400
"""Longer than the leeway of a grant's end: the time that is believed never goes back below it."""

ENDS_A_USE = 2
"""What a table keeps of uses that were given back, before it drops that."""

SAYS_USE = cbor.encode(str(Fact.USE))
"""Bytes that every record about a use holds."""

UseKey = tuple[bytes, int]
"""A grant's id, and the number of one of its uses."""


@dataclass(frozen=True, slots=True)
class Use:
    """Use `number` of a grant, spent by the operation `op`; the grant ends at `expires` (Unix)."""

    grant: bytes
    number: int
    op: bytes
    expires: int

    @property
    def key(self) -> UseKey:
        """What no two uses share."""
        return self.grant, self.number

    @property
    def facts(self) -> Detail:
        """What the record of the yes says of it, beside grant and operation."""
        return {Fact.USE: self.number, Fact.EXPIRES: self.expires}


@dataclass(frozen=True, slots=True)
class Spent:
    """A record spends a use; those of grants that ended before `forget_before` are forgotten.

    `forget_before` is None when the record's clock was not believed.
    """

    use: Use
    forget_before: int | None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A record gives back the use of this number that the operation `op` had spent."""

    grant: bytes
    number: int
    op: bytes


UseChange = Spent | GivenBack


def read_change(record: Record) -> UseChange | None:
    """Return what a record does to the uses of a grant, None for nothing."""
    match record.detail:
        case {
            Fact.GRANT: bytes(grant),
            Fact.USE: int(number),
            Fact.OP: bytes(op),
            Fact.EXPIRES: int(expires),
            Fact.ALLOWED: True,
        } if record.kind is RecordKind.ACCESS and _is_use(number) and expires >= 0:
            return Spent(Use(grant, number, op, expires), _forget_before(record))
        case {
            Fact.GRANT: bytes(grant),
            Fact.USE: int(number),
            Fact.OF: bytes(op),
            Fact.MOVED: False,
        } if record.kind is RecordKind.FAULT and _is_use(number):
            return GivenBack(grant, number, op)
    return None


def _is_use(number: Value) -> bool:
    return type(number) is int and number in USES


def _forget_before(record: Record) -> int | None:
    if Fact.CLOCK in record.detail:
        return None
    return record.at_ms // 1000 - FORGET_SECONDS


class UseTable:
    """The uses that stand: a fold over records, in their order."""

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self._uses: dict[UseKey, Use] = {}
        self._ends: list[tuple[int, UseKey]] = []
        """A heap of when the grants end, also of some uses that were given back."""
        for use in uses:
            self._put(use)

    def take(self, change: UseChange) -> None:
        """Do what the next record says."""
        match change:
            case Spent(use, forget_before):
                if forget_before is not None:
                    self._forget(forget_before)
                self._put(use)
            case GivenBack(grant, number, op):
                standing = self._uses.get((grant, number))
                if standing is not None and standing.op == op:
                    del self._uses[grant, number]

    def standing(self) -> dict[UseKey, Use]:
        """Return the uses that stand, by their keys."""
        return dict(self._uses)

    def __len__(self) -> int:
        return len(self._uses)

    def _put(self, use: Use) -> None:
        self._uses[use.key] = use
        heappush(self._ends, (use.expires, use.key))
        if len(self._ends) > ENDS_A_USE * len(self._uses):
            self._ends = [(one.expires, key) for key, one in self._uses.items()]
            heapify(self._ends)

    @property
    def ends_kept(self) -> int:
        """How many ends of grants are kept for the uses: at most ENDS_A_USE for each."""
        return len(self._ends)

    def _forget(self, before: int) -> None:
        while self._ends and self._ends[0][0] < before:
            expires, key = heappop(self._ends)
            if key in self._uses and self._uses[key].expires == expires:
                del self._uses[key]
