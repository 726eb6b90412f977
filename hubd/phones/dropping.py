"""Ending a link at the radio: asked again until the peer has gone.

Laws:
1. A peer that should be gone and is not is dropped again, DROP_TRIES times at most.
2. Each failure is reported.
"""

from __future__ import annotations

import asyncio

from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.ports.radio import LinkId, Radio

DROP_SECONDS = 5.0
DROP_TRIES = 5
DROP_PAUSE_SECONDS = 2.0
"""The first pause before the next try; each further pause is twice as long."""


class Dropper:
    """Disconnects the peers of one radio."""

    def __init__(self, radio: Radio, tell: Tell, pause_seconds: float = DROP_PAUSE_SECONDS) -> None:
        self._radio = radio
        self._tell = tell
        self._pause_seconds = pause_seconds

    async def drop(self, link_id: LinkId, gone: asyncio.Event) -> None:
        """Disconnect a peer; return when `gone` is set, or after the last try."""
        pause_seconds = self._pause_seconds
        for attempt in range(1, DROP_TRIES + 1):
            why = await self._why_not_dropped(link_id)
            if why:
                self._tell_failed(why, attempt)
            if await _happens_within(pause_seconds, gone):
                return
            if not why:
                self._tell_failed("the peer is still there", attempt)
            pause_seconds *= 2

    async def _why_not_dropped(self, link_id: LinkId) -> str:
        """Ask the radio once to disconnect a peer; say what went wrong, or ""."""
        try:
            async with asyncio.timeout(DROP_SECONDS):
                await self._radio.drop(link_id)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _tell_failed(self, why: str, attempt: int) -> None:
        facts: Detail = {
            Fact.WHY: why,
            Fact.ATTEMPT: attempt,
        }
        self._tell(EventName.DROP_FAILED, facts)


async def _happens_within(seconds: float, event: asyncio.Event) -> bool:
    """Tell whether an event happens within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
