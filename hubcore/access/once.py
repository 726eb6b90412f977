"""What was lately asked and answered, so that asking again never does it again; and how often it
may be in vain.

Laws:
1. An operation is at work, answered, or not known; asked again with other content it is a conflict.
2. What has moved a door, or may have, is remembered for `seconds`, whatever else is asked
   meanwhile.
3. An operation for which nothing was done is forgotten: asking again asks for the first time.
4. One asker keeps at most `an_asker`, all together OPS_MAX. An answer that moved nothing makes
   room, the oldest first; where there is none, what is new is refused.
5. In any span of t seconds one asker has at most the burst and the rate times t of tries that are
   granted and come to nothing; a try that moves a door does not count.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from hubcore.timing.pace import Rate

OP_SECONDS = 120.0
OPS_AN_ASKER = 16
"""More than anybody opens doors in OP_SECONDS: who does is told to wait."""
OPS_MAX = 4096
TRIES = Rate(burst=8, per_second=1 / 30)
"""Tries of one asker that are granted and come to nothing: more than the backend has under way at
once, and more than a person makes who walks off and comes back.
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
    """`stays`: it is at work, or has moved a door, or may have."""

    content: tuple[int, int]
    at: float
    answer: Answer | None
    stays: bool


@dataclass(slots=True)
class _Asker:
    """How many operations one asker has, and those of them that make room, the oldest
    answer first.
    """

    count: int = 0
    yielding: OrderedDict[Key, None] = field(default_factory=OrderedDict)


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
        self._yielding: OrderedDict[Key, None] = OrderedDict()
        self._ends: list[
            tuple[float, int, Key, _Op[Answer]]
        ] = []  # a heap of the answered ones, and of some that left
        self._number = 0  # of its newest entry

    def ask(self, key: Key, content: tuple[int, int], now: float) -> Asked:
        """Enter an operation, unless it was asked before; `content` is (access point, action)."""
        self._expire(now)
        known = self._ops.get(key)
        if known is not None:
            return Asked.SAME if known.content == content else Asked.CONFLICT
        asker = self._askers.get(key[0])
        if (
            asker is not None
            and asker.count >= self._an_asker
            and not self._make_room(asker.yielding)
        ):
            return Asked.FULL
        if len(self._ops) >= OPS_MAX and not self._make_room(self._yielding):
            return Asked.FULL
        self._enter(
            key,
            _Op(
                content=content,
                at=now,
                answer=None,
                stays=True,
            ),
        )
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
        self, key: Key, content: tuple[int, int], at: float, answer: Answer, moved: bool
    ) -> None:
        """Enter what was answered before a restart; give the oldest first, and no more than memory
        may hold.

        What moved nothing does not take the place of what did, and makes room for it.
        """
        self._expire(at)
        before = self._ops.get(key)
        if before is not None and before.stays and not moved:
            return
        self.forget(key)
        if len(self._ops) >= OPS_MAX and not self._make_room(self._yielding) and not moved:
            return
        op: _Op[Answer] = _Op(
            content=content,
            at=at,
            answer=None,
            stays=True,
        )
        self._enter(key, op)
        self._answer(key, op, answer, moved)

    def _enter(self, key: Key, op: _Op[Answer]) -> None:
        self._ops[key] = op
        self._askers.setdefault(key[0], _Asker()).count += 1

    def _answer(self, key: Key, op: _Op[Answer], answer: Answer, moved: bool) -> None:
        """Queue an operation for its end, and for making room unless it stays."""
        op.answer = answer
        op.stays = moved
        if not moved:
            self._yielding[key] = None
            self._askers[key[0]].yielding[key] = None
        self._number += 1
        heappush(self._ends, (op.at, self._number, key, op))
        if len(self._ends) > 2 * max(
            len(self._ops), self._an_asker
        ):  # most are of operations that have left
            self._ends = [end for end in self._ends if self._ops.get(end[2]) is end[3]]
            heapify(self._ends)

    def _make_room(self, yielding: OrderedDict[Key, None]) -> bool:
        """Drop one of these; tell whether there was one."""
        if not yielding:
            return False
        self._drop(next(iter(yielding)))
        return True

    def _drop(self, key: Key) -> None:
        asker = self._askers[key[0]]
        del self._ops[key]
        self._yielding.pop(key, None)
        asker.yielding.pop(key, None)
        asker.count -= 1
        if not asker.count:
            del self._askers[key[0]]

    def _expire(self, now: float) -> None:
        while self._ends and now - self._ends[0][0] > self._seconds:
            _, _, key, op = heappop(self._ends)
            if self._ops.get(key) is op:
                self._drop(key)


class Tries:
    """The tries of each asker that are under way, or came to nothing: a level that each try raises
    and time lowers.
    """

    def __init__(self, rate: Rate = TRIES, triers_max: int = TRIERS_MAX) -> None:
        self._rate = rate
        self._triers_max = triers_max
        # level, and when it was that
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def begin(self, asker: str, now: float) -> bool:
        """Begin a try at monotonic time `now` (seconds); tell whether the asker may."""
        level, since = self._levels.pop(asker, (0.0, now))
        level = max(0.0, level - max(0.0, now - since) * self._rate.per_second)
        may = level + 1 <= self._rate.burst
        self._levels[asker] = (level + 1 if may else level), now
        if len(self._levels) > self._triers_max:
            self._levels.popitem(last=False)
        return may

    def moved(self, asker: str) -> None:
        """A try that was begun has moved a door, or may have: it was not in vain."""
        if asker in self._levels:
            level, since = self._levels[asker]
            self._levels[asker] = max(0.0, level - 1), since

    def __len__(self) -> int:
        return len(self._levels)
