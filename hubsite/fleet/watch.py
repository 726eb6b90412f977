"""Reads how hubs are, and keeps it: a thread with a loop and a connection of its own.

How it works: on each connection every bucket is read once, then what was written behind that, at
each turn. What changed is judged and kept. Gateways tell beside it which hubs they hear, and what
devices have said.

Laws:
1. Rows are replaced only when all was read: an engine that is away removes no hub.
2. A row is written when it says something else, so no hub sets the pace of the disk: at most once
   a turn.
3. Everything is read again every WHOLE_SECONDS: a bucket that somebody has made again has other
   places. Then devices that have said nothing for DEVICE_DAYS are forgotten, and what found no room
   is counted anew.
4. While the engine is away nobody knows which hubs are connected.
"""

from __future__ import annotations

import time
from functools import partial

from hubcore.backend.present import read_present
from hubcore.errors import FrameError
from hubgateway.rules import names
from hubsite.config import Engine
from hubsite.fleet import kept
from hubsite.fleet.judging import Judge
from hubsite.fleet.presence import Presence
from hubsite.fleet.reading import Reading
from hubsite.fleet.said.values import Devices
from hubsite.fleet.words import PART
from hubsite.hubs.engine import HubsEngine
from hubsite.looping import Looping

PULSE_SECONDS = 2.0
DEVICE_DAYS = 90
WHOLE_SECONDS = 600.0
JUNK_SECONDS = 600.0
"""So long it is told that somebody has said what cannot be read."""


class FleetWatch(Looping):
    """Runs until it is stopped (`hubsite.running.Part`)."""

    def __init__(self, judge: Judge, engine: Engine) -> None:
        super().__init__(PART, "hubsite.fleet")
        self._judge = judge
        self._engine = engine
        self._presence = Presence(time.monotonic())
        self._devices = Devices()
        self._hubs: frozenset[str] = frozenset()
        self._junk_at: float | None = None
        self._problem = "The hubs' engine was not reached yet."

    async def serve(self) -> None:
        """Read on one connection until it is lost, or all is stopped. Raise HubError."""
        engine = HubsEngine(self._engine)
        self._presence = Presence(time.monotonic())
        await self.with_rows(kept.forget_presence)  # law 4
        try:
            await engine.connect()
            self._devices.begin(await self.with_rows(kept.device_values))
            await engine.listen_to(names.PRESENT, self._on_present)
            await engine.listen_to(f"{names.TELEMETRY}.*", self._on_telemetry)
            while engine.is_up and not self.is_stopped:
                await self._from_the_beginning(engine)
        finally:
            await engine.close()

    async def _from_the_beginning(self, engine: HubsEngine) -> None:
        """Read all, then what changes, until all is to be read again (law 3)."""
        reading = Reading(self._judge, is_stopped=lambda: self.is_stopped)
        await self._forget_old_devices()
        until = time.monotonic() + WHOLE_SECONDS
        while engine.is_up and not self.is_stopped and time.monotonic() < until:
            news = await reading.news(engine)
            if news is not None:
                self._hubs = news.hubs
                await self.with_rows(partial(kept.keep, news.healths, news.hubs))
                if news.promises is not None:
                    await self.with_rows(partial(kept.keep_promises, news.promises))
            await self._see_who_is_here()
            await self._keep_devices()
            self.found(self._wrong(reading))
            await self.wait(PULSE_SECONDS)

    async def _see_who_is_here(self) -> None:
        known = await self.with_rows(kept.presence)
        turned = self._presence.turned(known, time.monotonic(), time.time())
        if turned:
            await self.with_rows(partial(kept.keep_presence, turned))

    async def _forget_old_devices(self) -> None:
        before = time.time() - DEVICE_DAYS * 86_400
        self._devices.drop(before)
        await self.with_rows(partial(kept.drop_device_values, before))

    async def _keep_devices(self) -> None:
        values = self._devices.take(self._hubs)
        if values:
            await self.with_rows(partial(kept.keep_device_values, values))

    def _on_telemetry(self, subject: str, data: bytes) -> None:
        self._devices.hear(subject, data, self._hubs, time.time())

    def _on_present(self, _subject: str, data: bytes) -> None:
        try:
            self._presence.hear(read_present(data), time.monotonic())
        except FrameError:
            self._junk_at = time.monotonic()

    def _wrong(self, reading: Reading) -> str:
        """Return what is wrong although the engine answers."""
        now = time.monotonic()
        if self._presence.is_silent(now):
            return (
                "No gateway tells which hubs it hears, so nobody knows which are connected. Look "
                "at hubgateway, and whether it is of this version."
            )
        if self._junk_at is not None and now - self._junk_at < JUNK_SECONDS:
            return (
                "Somebody tells in a gateway's place what cannot be read. Look at who may publish "
                f"{names.PRESENT} at the engine."
            )
        if reading.refused:
            return (
                "What hubs find wrong with themselves is not read: "
                f"{' '.join(reading.refused.values())}. The account there needs "
                f"$JS.API.STREAM.MSG.GET.KV_{names.HEALTH_BUCKET} (docs/site.md)."
            )
        if reading.left_out:
            return (
                "The engine's buckets of hubs have more keys than are read here. Look at who may "
                "write there."
            )
        if self._devices.left_out:
            return (
                "Hubs tell of more devices than are kept here: some values are missing on the page "
                "of devices."
            )
        return ""
