"""Rings when an order has moved: given, or answered. Who waits for that waits here."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from hubsite.acts.bell import Bell

MOVED = Bell()


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until an order has moved as it should, at most so long; tell whether it has."""
    moved = Event()
    ends = time.monotonic() + seconds
    MOVED.listen(moved.set)
    try:
        while not true():
            left = ends - time.monotonic()
            if left <= 0 or not moved.wait(left):
                return true()
            moved.clear()
    finally:
        MOVED.leave(moved.set)
    return True
