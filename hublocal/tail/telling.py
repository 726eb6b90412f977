"""The events of one tail, with beats among them that its client must answer.

Laws:
1. A client that has answered none of BEATS_MISSED_MAX beats has no reader, and its tail ends.
2. What is remembered goes out in one piece, before what happens from now on.

Beats are counted as they are sent: a daemon that stood still blames no client.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hublocal.messages import Plain, beat_line, begins_line, event_line, lost_line
from hublocal.tail.events import LEVELS, NOTHING, Filter, Subscription

BEATS_MISSED_MAX = 3


class SilentError(Exception):
    """The client answers no beat."""


@dataclass(slots=True)
class Beats:
    """The beats of one tail; `unanswered` is set to 0 by whatever the client says."""

    sent: int = 0
    unanswered: int = 0

    def another(self) -> int:
        """Return the number of the next beat.

        Raise SilentError when too many have had no answer.
        """
        if self.unanswered >= BEATS_MISSED_MAX:
            raise SilentError
        self.sent += 1
        self.unanswered += 1
        return self.sent


def filter_of(arguments: Mapping[str, Plain]) -> Filter:
    """Return what a tail asks for. Raise ValueError with the sentence of what is wrong."""
    match arguments.get("door"):
        case (None | str()) as door:
            pass
        case _:
            raise ValueError("`door` is the id of a door")
    level = arguments.get("level", LEVELS[0])
    if level not in LEVELS:
        raise ValueError(f"`level` is one of {', '.join(LEVELS)}")
    match arguments.get("since"):
        case None:
            since = None
        case int() | float() as moment if not isinstance(moment, bool) and math.isfinite(moment):
            since = float(moment)
        case _:
            raise ValueError("`since` is a moment in Unix seconds")
    return Filter(door, str(level), since)


def past_lines(call_id: int, subscription: Subscription) -> bytes:
    """Return what is remembered, and from when on, as lines."""
    begins = subscription.begins
    head = b"" if begins is None else begins_line(call_id, begins)
    return head + b"".join(event_line(call_id, event) for event in subscription.past)


async def tell_events(
    call_id: int,
    subscription: Subscription,
    beats: Beats,
    beat_seconds: float,
    write: Callable[[bytes], Awaitable[None]],
) -> None:
    """Write events, what was lost, and a beat every `beat_seconds`.

    Raise what `write` raises, and SilentError.
    """
    now = asyncio.get_running_loop().time
    next_beat = now() + beat_seconds
    while True:
        try:
            async with asyncio.timeout(next_beat - now()):
                batch = await subscription.next()
        except TimeoutError:
            batch = NOTHING
        for event in batch.events:
            await write(event_line(call_id, event))
        if batch.lost:
            await write(lost_line(call_id, batch.lost))
        if now() >= next_beat:
            next_beat = now() + beat_seconds
            number = beats.another()
            await write(beat_line(call_id, number))
