"""What was lately asked and answered, so that asking again never does it again.

Laws: the same operation with the same content gets the same answer for `seconds`; with other content it is a conflict;
one asker keeps at most `an_asker`, all together OPS_MAX: the oldest goes, and never one still at work.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

OP_SECONDS = 120.0
OPS_AN_ASKER = 4
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
    content: tuple[int, int]
    at: float
    answer: Answer | None


class OpTable(Generic[Answer]):
    """Operations by key; times are seconds of one clock that does not go back."""

    def __init__(self, an_asker: int = OPS_AN_ASKER, seconds: float = OP_SECONDS) -> None:
        self._an_asker, self._seconds = an_asker, seconds
        self._ops: OrderedDict[Key, _Op[Answer]] = OrderedDict()

    def ask(self, key: Key, content: tuple[int, int], now: float) -> Asked:
        """Enter an operation, unless it was asked before; `content` is (access point, action)."""
        self._expire(now)
        known = self._ops.get(key)
        if known is not None:
            return Asked.SAME if known.content == content else Asked.CONFLICT
        own = [k for k in self._ops if k[0] == key[0]]
        crowd = own if len(own) >= self._an_asker else list(self._ops) if len(self._ops) >= OPS_MAX else []
        if crowd:
            done = next((k for k in crowd if self._ops[k].answer is not None), None)
            if done is None:
                return Asked.FULL
            del self._ops[done]
        self._ops[key] = _Op(content, now, None)
        return Asked.NEW

    def answered(self, key: Key, answer: Answer) -> None:
        """Keep the answer of an operation at work."""
        if key in self._ops:
            self._ops[key].answer = answer

    def answer(self, key: Key) -> Answer | None:
        """Return the answer given; None while at work or unknown."""
        op = self._ops.get(key)
        return op.answer if op else None

    def remember(self, key: Key, content: tuple[int, int], at: float, answer: Answer) -> None:
        """Enter what was answered before a restart; give the oldest first."""
        self._ops[key] = _Op(content, at, answer)
        if len(self._ops) > OPS_MAX:
            self._ops.popitem(last=False)

    def _expire(self, now: float) -> None:
        while self._ops:
            key, op = next(iter(self._ops.items()))
            if op.answer is None or now - op.at <= self._seconds:
                return
            del self._ops[key]
