"""Keeps files of people between the page that shows what they would change and the one that does.

Laws:
1. They are in memory alone, at most one an operator and KEPT_MAX together; the oldest one goes.
2. A file counts for its operator, once, and for KEPT_SECONDS.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from hubsite.people.applying import PeopleImport

KEPT_MAX = 8
KEPT_SECONDS = 1800
_ID_BYTES = 12


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    until: float
    wanted: PeopleImport


class ShownImports:
    """The files that were shown; `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: dict[str, _Kept] = {}
        """By operator; the oldest one comes first."""

    def keep(self, by: str, wanted: PeopleImport) -> str:
        """Keep a file of an operator; return the key by which it is asked for."""
        key = secrets.token_urlsafe(_ID_BYTES)
        with self._lock:
            self._kept.pop(by, None)
            self._kept[by] = _Kept(key, self._monotonic() + KEPT_SECONDS, wanted)
            if len(self._kept) > KEPT_MAX:
                del self._kept[next(iter(self._kept))]
        return key

    def take(self, by: str, key: str) -> PeopleImport | None:
        """Return the file and forget it; None where it is not there any more (law 2)."""
        with self._lock:
            kept = self._kept.get(by)
            if kept is None or kept.key != key:
                return None
            del self._kept[by]
        return kept.wanted if self._monotonic() < kept.until else None


SHOWN = ShownImports()
"""Those of this process."""
