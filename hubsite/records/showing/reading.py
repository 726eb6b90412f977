"""Whether the engine's records are being read now, and since when not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from hubsite.records.follower import Follower

FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class EngineRead:
    """`is_now`: to its end, a moment ago. `at`: when it was last, in Unix seconds; 0 for never."""

    is_now: bool
    at: float


def the_follower() -> Follower | None:
    """Return the part that reads records, None without one."""
    for part in settings.HUBSITE_RUNNING.parts:
        if isinstance(part, Follower):
            return part
    return None


def engine_read() -> EngineRead | None:
    """Return how the engine is read, None where no part of this server reads one."""
    follower = the_follower()
    if follower is None:
        return None
    age = time.monotonic() - follower.read_at
    is_ever = follower.read_at > 0
    return EngineRead(is_ever and age <= FRESH_SECONDS, time.time() - age if is_ever else 0.0)
