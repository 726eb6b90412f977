"""The events of one tail, with beats among them that its client must answer.

Law: a client that has answered none of BEATS_MISSED_MAX beats has no reader, and its tail ends.

Beats are counted as they are sent: a daemon that stood still blames no client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hubd.adapters.local.event_tail import NOTHING, Subscription
from hubd.adapters.local.messages import beat_line, event_line, lost_line

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
