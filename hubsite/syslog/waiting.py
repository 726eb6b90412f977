"""Log lines that wait to be sent.

Laws:
1. Whoever logs never waits, and never fails by this.
2. At most LINES_MAX wait. What comes above that is left out, counted, and said (`left_out`).
3. A traceback stays here: it may hold names of people. The kind of the error goes along.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock

from hubsite.syslog.lines import SEQUENCE_MAX, Facility, Message, Severity

LINES_MAX = 1000
KIND = "log"
_SEVERITIES = (
    (logging.CRITICAL, Severity.CRITICAL),
    (logging.ERROR, Severity.ERROR),
    (logging.WARNING, Severity.WARNING),
    (logging.INFO, Severity.INFO),
)


class Waiting(logging.Handler):
    """Takes what is logged, and gives it to who sends; `came` is called for each line.

    `came` returns at once.
    """

    def __init__(self, came: Callable[[], None], lines_max: int = LINES_MAX) -> None:
        super().__init__()
        self._came = came
        self._lines_max = lines_max
        self._guard = Lock()
        self._lines: deque[Message] = deque()
        self._sequence = 0
        self._left_out = 0
        self._left_out_since = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line (laws 1 and 2)."""
        try:
            text = _text(record)
        except Exception:  # whatever is wrong with it: whoever logs goes on
            text = f"{record.name}: a line that cannot be written"
        with self._guard:
            if len(self._lines) >= self._lines_max:
                self._left_out += 1
                self._left_out_since = self._left_out_since or record.created
                return
            self._lines.append(self._message(text, record.levelno, record.created))
        self._came()

    def _message(self, text: str, level: int, at: float) -> Message:
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        severity = next((mine for least, mine in _SEVERITIES if level >= least), Severity.DEBUG)
        return Message(Facility.DAEMON, severity, KIND, at, text, self._sequence)

    @property
    def left_out(self) -> int:
        """How many lines were left out, and not said yet."""
        return self._left_out

    def first(self) -> Message | None:
        """Return the line that waits longest, None for none. It stays until `sent`."""
        with self._guard:
            return self._lines[0] if self._lines else None

    def sent(self) -> None:
        """The first line was sent; those that were left out are said with the next one."""
        with self._guard:
            self._lines.popleft()
            if self._left_out and len(self._lines) < self._lines_max:
                text = f"hubsite.syslog: {self._left_out} lines were left out"
                said = self._message(text, logging.WARNING, self._left_out_since)
                self._lines.append(said)
                self._left_out = 0
                self._left_out_since = 0.0


def _text(record: logging.LogRecord) -> str:
    text = f"{record.name}: {record.getMessage()}"
    if record.exc_info and record.exc_info[0] is not None:
        text += f" ({record.exc_info[0].__name__})"
    return text
