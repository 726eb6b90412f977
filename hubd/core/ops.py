"""What was lately asked and answered, so that asking again never does it again; and how often it may be in vain.

Laws:
1. An operation is at work, answered, or not known; asked again with other content it is a conflict.
2. What has moved a door, or may have, is remembered for `seconds`, whatever else is asked meanwhile.
3. An operation for which nothing was done is forgotten: asking again asks for the first time.
4. One asker keeps at most `an_asker`, all together OPS_MAX. An answer that moved nothing makes room, the oldest first;
   where there is none, what is new is refused.
5. In any span of t seconds one asker has at most the burst and the rate times t of tries that are granted and come to
   nothing; a try that moves a door does not count.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from hubd.core.pace import Rate

OP_SECONDS = 120.0
OPS_AN_ASKER = 16
"""More than anybody opens doors in OP_SECONDS: who does is told to wait."""
OPS_MAX = 4096
TRIES = Rate(burst=8, per_second=1 / 30)
"""Tries of one asker that are granted and come to nothing: more than the backend has under way at once, and more than a
person makes who walks off and comes back."""
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


class OpTable(Generic[Answer]):
    """Operations by key; times are seconds of one clock that does not go back."""

    def __init__(self, an_asker: int = OPS_AN_ASKER, seconds: float = OP_SECONDS) -> None:
        self._an_asker = an_asker
        self._seconds = seconds
        self._ops: OrderedDict[Key, _Op[Answer]] = OrderedDict()

    def ask(self, key: Key, content: tuple[int, int], now: float) -> Asked:
        """Enter an operation, unless it was asked before; `content` is (access point, action)."""
        self._expire(now)
        known = self._ops.get(key)
        if known is not None and not self._is_over(known, now):
            return Asked.SAME if known.content == content else Asked.CONFLICT
        self._ops.pop(key, None)
        own = [other for other in self._ops if other[0] == key[0]]
        if len(own) >= self._an_asker and not self._make_room(own, now):
            return Asked.FULL
        if len(self._ops) >= OPS_MAX and not self._make_room(list(self._ops), now):
            return Asked.FULL
        self._ops[key] = _Op(content, now, None, stays=True)
        return Asked.NEW

    def answered(self, key: Key, answer: Answer, moved: bool) -> None:
        """Keep the answer of an operation at work; `moved`: it moved a door, or may have."""
        op = self._ops.get(key)
        if op is not None:
            op.answer = answer
            op.stays = moved

    def forget(self, key: Key) -> None:
        """Nothing was done for this operation."""
        self._ops.pop(key, None)

    def answer(self, key: Key) -> Answer | None:
        """Return the answer given; None while at work or unknown."""
        op = self._ops.get(key)
        return op.answer if op else None

    def remember(self, key: Key, content: tuple[int, int], at: float, answer: Answer, moved: bool) -> None:
        """Enter what was answered before a restart; give the oldest first, and no more than memory may hold.

        What moved nothing does not take the place of what did, and makes room for it.
        """
        before = self._ops.get(key)
        if before is not None and before.stays and not moved:
            return
        self._ops.pop(key, None)
        if len(self._ops) >= OPS_MAX and not self._make_room(list(self._ops), at) and not moved:
            return
        self._ops[key] = _Op(content, at, answer, moved)

    def _make_room(self, crowd: Sequence[Key], now: float) -> bool:
        """Drop one of these that need not stay; tell whether there was one."""
        for key in crowd:
            op = self._ops[key]
            if not op.stays or self._is_over(op, now):
                del self._ops[key]
                return True
        return False

    def _is_over(self, op: _Op[Answer], now: float) -> bool:
        return op.answer is not None and now - op.at > self._seconds

    def _expire(self, now: float) -> None:
        while self._ops:
            key, op = next(iter(self._ops.items()))
            if not self._is_over(op, now):
                return
            del self._ops[key]


class Tries:
    """The tries of each asker that are under way, or came to nothing: a level that each try raises and time lowers."""

    def __init__(self, rate: Rate = TRIES, triers_max: int = TRIERS_MAX) -> None:
        self._rate = rate
        self._triers_max = triers_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level, and when it was that

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
