"""What was lately asked and answered, so that asking again never does it again.

Laws:
1. An operation is at work, answered, or not known; asked again with other content it is a conflict.
2. What has moved a door, or may have, is remembered for `seconds`, whatever else is asked meanwhile.
3. An operation for which nothing was done is forgotten: asking again asks for the first time.
4. One asker keeps at most `an_asker`, all together OPS_MAX. An answer that moved nothing makes room, the oldest first;
   where there is none, what is new is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

OP_SECONDS = 120.0
OPS_AN_ASKER = 16
"""More than anybody opens doors in OP_SECONDS: who does is told to wait."""
OPS_MAX = 4096

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
