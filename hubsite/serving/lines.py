"""How much of the journal strangers fill by what is no request.

The web server writes a line for each of them, with a header of theirs in it.

Laws:
1. All together they have LINES; a line has LENGTH characters at most. What is left out is counted,
   and the next line says how many.
2. All other lines go on as they are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from hubcore.timing.pace import Bucket, Rate

LINES = Rate(burst=16, per_second=1 / 30)
LENGTH = 200
_OF_STRANGERS = ("Invalid request from", "Error handling request")


class StrangersLines(logging.Filter):
    """Stands at the web server's log; `monotonic` is the time in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._bucket = Bucket(LINES)
        self._left_out = 0
        self._turn = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written (laws 1 and 2)."""
        said = record.getMessage()
        if not said.startswith(_OF_STRANGERS):
            return True
        with self._turn:
            if not self._bucket.take(self._monotonic()):
                self._left_out += 1
                return False
            left_out = self._left_out
            self._left_out = 0
        more = f" (and {left_out} more since the last one)" if left_out else ""
        record.msg = "%s"
        record.args = (said[:LENGTH] + more,)
        return True
