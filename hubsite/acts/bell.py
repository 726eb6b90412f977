"""Rings when an act is on the disk: who waits for changes need not ask again and again."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

Heard = Callable[[], None]


class Bell:
    """Calls who listens, in the thread that rings. A listener returns at once, and never raises."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listeners: list[Heard] = []

    def listen(self, heard: Heard) -> None:
        """Call this at each change from now on."""
        with self._lock:
            self._listeners.append(heard)

    def leave(self, heard: Heard) -> None:
        """Call this no more."""
        with self._lock:
            self._listeners.remove(heard)

    def ring(self) -> None:
        """Tell all."""
        with self._lock:
            listeners = tuple(self._listeners)
        for heard in listeners:
            heard()


BELL = Bell()
"""The bell of this process."""
