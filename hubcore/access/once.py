"""What was asked and answered lately, so that asking again never does it again.

It also bounds how often an asker may try in vain.

Laws:
1. An operation is at work, answered, or not known; asked again with other content it is a conflict.
2. What has moved a door, or may have, is remembered for `seconds`, whatever else is asked
   meanwhile.
3. An operation for which nothing was done is forgotten: asking again asks for the first time.
4. One asker keeps at most `an_asker`, all together OPS_MAX. An answer that moved nothing makes
   room, the oldest first. Where there is none, what is new is refused.
5. In any span of t seconds one asker has at most the burst and the rate times t of tries that are
   granted and come to nothing. A try that moves a door does not count.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, TypeVar

from hubcore.timing.pace import Rate

OP_SECONDS = 120.0
OPS_AN_ASKER = 16
"""More than anybody opens doors in OP_SECONDS: whoever does has to wait."""
OPS_MAX = 4096
TRIES = Rate(burst=8, per_second=1 / 30)
"""Tries of one asker that are granted and come to nothing.

More than the backend has under way at once, and more than a person makes by leaving and coming
back.
"""
TRIERS_MAX = 1000
"""Askers whose tries are counted; beyond that the one that tried longest ago is forgotten."""

Key = tuple[str, bytes]
"""Who asked (a credential, or the backend) and the operation's id."""

Answer = TypeVar("Answer")


class Asked(Enum):
    """Whether an operation is new."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"
    FULL = "full"


@dataclass(slots=True)
class _Op(Generic[Answer]):
    """An operation; `stays` says that it is at work, or has moved a door, or may have."""

    content: tuple[int, int]
    at: float
    answer: Answer | None = None
    stays: bool = True


@dataclass(slots=True)
class _Asker:
    """How many operations one asker has; `removable` are those that make room, oldest first."""

    count: int = 0
    removable: OrderedDict[Key, None] = field(default_factory=OrderedDict)


class _End(NamedTuple, Generic[Answer]):
    """When an operation was answered; `number` orders the ends of one moment."""

    at: float
    number: int
    key: Key
    op: _Op[Answer]


class OpTable(Generic[Answer]):
    """Operations by key; times are seconds of one clock that does not go back.

    No call looks through the operations: those that end and those that make room stand in queues of
    their own.
    """

    def __init__(self, an_asker: int = OPS_AN_ASKER, seconds: float = OP_SECONDS) -> None:
        self._an_asker = an_asker
        self._seconds = seconds
        self._ops: dict[Key, _Op[Answer]] = {}
        self._askers: dict[str, _Asker] = {}
        self._removable: OrderedDict[Key, None] = OrderedDict()
        """Those that make room, of all askers, oldest first."""
        self._ends: list[_End[Answer]] = []
        """A heap of the answered operations, and of some that have left."""
        self._ends_number = 0

    def ask(self, key: Key, content: tuple[int, int], now: float) -> Asked:
        """Enter an operation, unless it was asked before; `content` is (access point, action)."""
        self._expire(now)
        known = self._ops.get(key)
        if known is not None:
            return Asked.SAME if known.content == content else Asked.CONFLICT
        if not self._has_room_for(key[0]):
            return Asked.FULL
        self._enter(key, _Op(content, now))
        return Asked.NEW

    def answered(self, key: Key, answer: Answer, moved: bool) -> None:
        """Keep the answer of an operation at work; `moved`: it moved a door, or may have."""
        op = self._ops.get(key)
        if op is not None:
            self._answer(key, op, answer, moved)

    def forget(self, key: Key) -> None:
        """Nothing was done for this operation."""
        if key in self._ops:
            self._drop(key)

    def answer(self, key: Key) -> Answer | None:
        """Return the answer given; None while at work or unknown."""
        op = self._ops.get(key)
        return op.answer if op else None

    def remember(
        self,
        key: Key,
        content: tuple[int, int],
        at: float,
        answer: Answer,
        moved: bool,
    ) -> None:
        """Enter what was answered before a restart.

        Give the oldest first, and no more than memory may hold. What moved nothing does not take
        the place of what did, and makes room for it.
        """
        self._expire(at)
        before = self._ops.get(key)
        if before is not None and before.stays and not moved:
            return
        self.forget(key)
        is_full = len(self._ops) >= OPS_MAX and not self._make_room(self._removable)
        if is_full and not moved:
            return
        op: _Op[Answer] = _Op(content, at)
        self._enter(key, op)
        self._answer(key, op, answer, moved)

    def _has_room_for(self, asker_id: str) -> bool:
        """Make room for one more operation of an asker; tell whether there is some."""
        asker = self._askers.get(asker_id, _Asker())
        if asker.count >= self._an_asker and not self._make_room(asker.removable):
            return False
        if len(self._ops) >= OPS_MAX:
            return self._make_room(self._removable)
        return True

    def _enter(self, key: Key, op: _Op[Answer]) -> None:
        asker = self._askers.setdefault(key[0], _Asker())
        asker.count += 1
        self._ops[key] = op

    def _answer(self, key: Key, op: _Op[Answer], answer: Answer, moved: bool) -> None:
        """Queue an operation for its end, and for making room unless it stays."""
        op.answer = answer
        op.stays = moved
        if not moved:
            self._removable[key] = None
            self._askers[key[0]].removable[key] = None
        self._ends_number += 1
        heappush(self._ends, _End(op.at, self._ends_number, key, op))
        if len(self._ends) > 2 * max(len(self._ops), self._an_asker):
            self._clear_ends()

    def _clear_ends(self) -> None:
        """Take out the ends of operations that have left: most of them are."""
        self._ends = [end for end in self._ends if self._ops.get(end.key) is end.op]
        heapify(self._ends)

    def _make_room(self, removable: OrderedDict[Key, None]) -> bool:
        """Drop the oldest of these; tell whether there was one."""
        if not removable:
            return False
        oldest = next(iter(removable))
        self._drop(oldest)
        return True

    def _drop(self, key: Key) -> None:
        asker = self._askers[key[0]]
        del self._ops[key]
        self._removable.pop(key, None)
        asker.removable.pop(key, None)
        asker.count -= 1
        if asker.count == 0:
            del self._askers[key[0]]

    def _expire(self, now: float) -> None:
        while self._ends and now - self._ends[0].at > self._seconds:
            end = heappop(self._ends)
            if self._ops.get(end.key) is end.op:
                self._drop(end.key)


class _Level(NamedTuple):
    """How high an asker's level was at `since`."""

    level: float
    since: float


class Tries:
    """The tries of each asker that are under way, or came to nothing.

    They are a level that each try raises and time lowers.
    """

    def __init__(self, rate: Rate = TRIES, triers_max: int = TRIERS_MAX) -> None:
        self._rate = rate
        self._triers_max = triers_max
        self._levels: OrderedDict[str, _Level] = OrderedDict()

    def begin(self, asker: str, now: float) -> bool:
        """Begin a try at monotonic time `now` (seconds); tell whether the asker may."""
        level, since = self._levels.pop(asker, _Level(0.0, now))
        lowered = max(0.0, now - since) * self._rate.per_second
        level = max(0.0, level - lowered)
        may_try = level + 1 <= self._rate.burst
        if may_try:
            level += 1
        self._levels[asker] = _Level(level, now)
        if len(self._levels) > self._triers_max:
            self._levels.popitem(last=False)
        return may_try

    def moved(self, asker: str) -> None:
        """A try that was begun has moved a door, or may have: it was not in vain."""
        if asker in self._levels:
            level, since = self._levels[asker]
            self._levels[asker] = _Level(max(0.0, level - 1), since)

    def __len__(self) -> int:
        return len(self._levels)
