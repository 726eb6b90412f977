"""The events of one tail, with beats among them that its client must answer.

Law: a client that has answered none of BEATS_MISSED_MAX beats has no reader, and its tail ends.
Beats are counted as they are sent, so that a daemon that stood still blames no client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from hubd.adapters.local.event_tail import Subscription

BEATS_MISSED_MAX = 3


class SilentError(Exception):
    """The client answers no beat."""


@dataclass(slots=True)
class Beats:
    """The beats of one tail; whoever hears the client sets `unanswered` to 0."""

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
    """Write events, what was lost, and a beat every `beat_seconds`, until `write` raises or the
    client is silent.
    """
    now = asyncio.get_running_loop().time
    next_beat = now() + beat_seconds
    while True:
        try:
            async with asyncio.timeout(next_beat - now()):
                lost, events = await subscription.next()
        except TimeoutError:
            lost = 0
            events = []
        for event in events:
            await write(b'{"id":%d,"event":' % call_id + event + b"}\n")
        if lost:
            await write(msgspec.json.encode({"id": call_id, "lost": lost}) + b"\n")
        if now() >= next_beat:
            next_beat = now() + beat_seconds
            await write(msgspec.json.encode({"id": call_id, "beat": beats.another()}) + b"\n")
