"""How far a long command is, in one line on the terminal of whoever waits.

Laws:
1. It stands on standard error, and only where that is a terminal that can draw over a line. It is
   never there for machines (`--json`).
2. What ends within QUIET_SECONDS shows nothing. After that the line changes PER_SECOND times a
   second at most, whatever the pace of the work.
3. The line is gone when the work has ended, well or not.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TextIO, TypeVar

from hubterm.output import can_draw

QUIET_SECONDS = 0.5
PER_SECOND = 4.0
ITEMS_A_LOOK = 1024
"""Items between two looks at the clock."""
COLUMNS = 80
"""Of a terminal that does not say how wide it is."""
_OVER = "\r\x1b[K"
"""Goes to the line's beginning, and empties it."""

Show = Callable[[int, int], None]
"""Takes how much is done, and how much there is to do; 0: nobody knows."""
_Item = TypeVar("_Item")


def show_nothing(_done: int, _there: int) -> None:
    """Show nothing."""


class Progress:
    """Use it as a context; `show` says how far the work is, `over` counts what passes by.

    `what` names what is counted, such as `records checked`.
    """

    def __init__(
        self,
        what: str,
        *,
        as_json: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_on = not as_json and can_draw(self._stream)
        self._next_at = clock() + QUIET_SECONDS
        self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        if self._is_drawn:
            self._draw(_OVER)

    def show(self, done: int, there: int = 0) -> None:
        """Say how far it is; most calls draw nothing."""
        if not self._is_on:
            return
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + 1 / PER_SECOND
        self._is_drawn = True  # before it is: a Ctrl-C may come in between
        self._draw(_OVER + self._line(done, there)[: self._columns() - 1])

    def over(self, items: Iterable[_Item], there: int = 0) -> Iterator[_Item]:
        """Yield the items, and say how many passed."""
        for done, item in enumerate(items, 1):
            if done % ITEMS_A_LOOK == 0:
                self.show(done, there)
            yield item

    def _line(self, done: int, there: int) -> str:
        if not there:
            return f"{self._what}: {done:,}"
        return f"{self._what}: {done:,} of {there:,} ({min(100, 100 * done // there)} %)"

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except OSError:  # no terminal of the system's
            return COLUMNS

    def _draw(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
