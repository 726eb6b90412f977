"""What TLS is spoken by: read from its files once, and again when they have changed.

Laws:
1. A certificate that was renewed counts for the next connection.
2. One that is wrong is said once, and the last good one counts.
3. Files that changed within the last SETTLED_SECONDS are read each time: two changes may be at one
   moment of the disk's clock.
4. What one context knows of its peers (sessions, the key of tickets) is for CONNECTIONS_A_CONTEXT
   of them at most. Then another one is made.
"""

from __future__ import annotations

import os
import ssl
import time
from typing import Any, NamedTuple

from gunicorn.sock import ssl_context

from hubcore.errors import HubError

SETTLED_SECONDS = 2.0
CONNECTIONS_A_CONTEXT = 1000


class _Seen(NamedTuple):
    """A file as it was seen; times in nanoseconds."""

    number: int
    size: int
    written_ns: int
    changed_ns: int
    mode: int

    @classmethod
    def of(cls, path: str) -> _Seen:
        """Look at a file. Raise OSError."""
        found = os.stat(path)
        return cls(
            number=found.st_ino,
            size=found.st_size,
            written_ns=found.st_mtime_ns,
            changed_ns=found.st_ctime_ns,
            mode=found.st_mode,
        )


class NewestTls:
    """The context for the next connection. `cfg` and `log` are gunicorn's."""

    def __init__(self, cfg: Any, log: Any, settled_seconds: float = SETTLED_SECONDS) -> None:
        self._cfg = cfg
        self._log = log
        self._settled_seconds = settled_seconds
        self._context: Any = None
        self._seen: tuple[_Seen, ...] = ()
        self._left = 0
        self._wrong = ""

    def read(self) -> None:
        """Read the files. Raise HubError, OSError for what is no certificate and its key."""
        seen = self._look()
        self._context = ssl_context(self._cfg)
        self._seen = seen if self._are_settled(seen) else ()
        self._left = CONNECTIONS_A_CONTEXT

    def context(self) -> ssl.SSLContext:
        """Return what the next connection speaks by (laws 1 to 4). Raise OSError for nothing."""
        try:
            if self._left <= 0 or not self._seen or self._look() != self._seen:
                self.read()
            self._wrong = ""
        except (HubError, OSError) as error:
            self._say(str(error))
        if self._context is None:
            raise OSError("there is no certificate")
        self._left -= 1
        return self._context

    def _look(self) -> tuple[_Seen, ...]:
        return tuple(_Seen.of(path) for path in (self._cfg.certfile, self._cfg.keyfile))

    def _say(self, wrong: str) -> None:
        if wrong != self._wrong:
            self._log.warning("the last good certificate is used: %s", wrong)
        self._wrong = wrong

    def _are_settled(self, seen: tuple[_Seen, ...]) -> bool:
        newest_ns = max(max(one.written_ns, one.changed_ns) for one in seen)
        return newest_ns / 1e9 < time.time() - self._settled_seconds
