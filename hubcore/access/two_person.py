"""The two-person rule: two holders, each with a right of their own, one after the other.

Laws:
1. The second person is another credential than the first.
2. Both claims were granted but for the missing person, at the same access point.
3. The second comes within `within_seconds` of the first; else the second is the first again.
4. What was completed is over: a third person is a first one. So is one who comes while the second
   one's door is being opened.
5. One first person waits at an access point, the one who came last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

WITHIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits at an access point for a second person, since a monotonic second.

    `taken_by`: the operation of a second person whose door is being opened.
    """

    credential: str
    since: float
    taken_by: bytes | None = None


class TwoPersons:
    """Who waits where. It holds one entry an access point at most."""

    def __init__(self, within_seconds: float = WITHIN_SECONDS) -> None:
        self._within_seconds = within_seconds
        self._waiting: dict[int, _Waiting] = {}

    def partner(self, access_point: int, credential: str, now: float, op: bytes = b"") -> bool:
        """Tell whether somebody else waits at an access point for this credential's operation."""
        first = self._waiting.get(access_point)
        if first is None or first.credential == credential:
            return False
        if first.taken_by not in (None, op):
            return False
        return now - first.since <= self._within_seconds

    def waiting(self, access_point: int) -> str | None:
        """Return the credential that came first and alone, however long ago."""
        first = self._waiting.get(access_point)
        return None if first is None else first.credential

    def wait(self, access_point: int, credential: str, now: float) -> None:
        """A first person waits from now on."""
        self._waiting[access_point] = _Waiting(credential, now)

    def take(self, access_point: int, op: bytes | None) -> None:
        """Who waits is there for this operation alone; None: for nobody in particular again."""
        first = self._waiting.get(access_point)
        if first is not None:
            self._waiting[access_point] = replace(first, taken_by=op)

    def completed(self, access_point: int) -> None:
        """Both have come."""
        self._waiting.pop(access_point, None)
