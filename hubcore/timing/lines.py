"""How many lines for people somebody may cause.

Laws:
1. One source causes at most its burst of lines and its rate, all together the whole's. What is
   beyond is left out.
2. The next line of a source says how many of its own were left out.
3. Memory is bounded, as in `hubcore.timing.pace`.
"""

from __future__ import annotations

from collections.abc import Hashable

from hubcore.timing.pace import Paces, Rate

LINES_A_SOURCE = Rate(burst=5, per_second=1 / 60)
LINES = Rate(burst=100, per_second=1.0)
SOURCES_MAX = 10_000


class LinePace:
    """The pace of lines, by source. Times are monotonic seconds."""

    def __init__(
        self, each: Rate = LINES_A_SOURCE, whole: Rate = LINES, sources_max: int = SOURCES_MAX
    ) -> None:
        self._paces = Paces(each=each, whole=whole, sources_max=sources_max)
        self._sources_max = sources_max
        self._left_out: dict[Hashable, int] = {}

    def line(self, source: Hashable, text: str, now: float) -> str | None:
        """Return the line as it is told, None for one that is left out."""
        if not self._paces.take(source, now):
            if source in self._left_out or len(self._left_out) < self._sources_max:
                self._left_out[source] = self._left_out.get(source, 0) + 1
            return None
        left_out = self._left_out.pop(source, 0)
        return f"{text} ({left_out} lines before it were left out)" if left_out else text

    def __len__(self) -> int:
        """How many sources are remembered."""
        return len(self._paces) + len(self._left_out)
