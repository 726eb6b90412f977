"""Keeps the hub on air while phones come and go.

How it works: each coming and going renews the advertisement, and it is replaced from time to time
(`advert` says why). The kernel goes on with the instance by which a phone had come when that phone
leaves (6.12, hci_disconn_complete_evt). Where that instance has been replaced meanwhile, the hub
advertises what nobody can connect to, so it is replaced once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hubcore.errors import LinkError
from hubd.adapters.bluez.advert import Advert
from hubd.adapters.bluez.bus import BluezError
from hubd.adapters.bluez.plan import RadioTimes

PACE_SECONDS = 0.05
"""Between two renewals, however many phones come and go; the last of them is never left out."""

AirReport = Callable[[bool, str], None]
"""Takes whether the hub is on air, and a sentence when it is not."""


class OnAir:
    """The advertisement of one session, on air.

    `changed` is set when a phone has come or left. `ended` has a result once BlueZ has ended the
    session.
    """

    def __init__(
        self,
        advert: Advert,
        times: RadioTimes,
        has_connections: Callable[[], bool],
        changed: asyncio.Event,
        ended: asyncio.Future[str],
    ) -> None:
        self._advert = advert
        self._times = times
        self._has_connections = has_connections
        self._changed = changed
        self._ended = ended
        self._came_by: dict[str, str] = {}
        """Of each phone that is here, the path of the advertisement that it came by."""
        self._departures = 0
        self._is_stray = False
        """The kernel advertises an instance that has been replaced."""
        self._is_on_air = True
        self._was_unanswered = False

    def phone_came(self, device: str) -> None:
        """Note by which advertisement a phone has come."""
        self._came_by[device] = self._advert.path

    def phone_left(self, device: str) -> None:
        """Note that a phone has left."""
        self._departures += 1
        came_by = self._came_by.pop(device, self._advert.path)
        if came_by != self._advert.path:
            self._is_stray = True

    async def stay(self, report: AirReport) -> None:
        """Renew the advertisement, replace it and change its tag. Raise LinkError."""
        now = asyncio.get_running_loop().time
        replace_at = now() + self._times.new_seconds
        rotate_at = now() + self._advert.rotate_seconds
        while True:
            await wait_for(self._changed, min(replace_at, rotate_at) - now())
            # BlueZ 5.66 crashes when a property changes of what it cannot advertise
            if self._ended.done():
                raise LinkError(f"radio: {self._ended.result()}")
            self._changed.clear()
            if now() >= rotate_at:
                rotate_at = now() + self._advert.rotate_seconds
                await self._advert.rotate()
            elif now() < replace_at and self._is_on_air and not self._is_stray:
                await self._advert.renew()
            else:
                replace_at = now() + await self._replace_again(report)
            await asyncio.sleep(PACE_SECONDS)

    async def _replace_again(self, report: AirReport) -> float:
        """Replace the advertisement; return the seconds until the next time.

        A phone that left meanwhile may have come by the one that was replaced.
        """
        departures = self._departures
        seconds = await self._replace(report)
        self._is_stray = self._departures != departures
        return seconds

    async def _replace(self, report: AirReport) -> float:
        """Replace the advertisement; return the seconds until it is to be done again.

        A controller that cannot advertise while phones are connected keeps its phones, and is asked
        again when one of them leaves. A bluetoothd that did not answer once keeps them too. Raise
        LinkError when there are none to keep, or when again no answer comes.
        """
        was_unanswered = self._was_unanswered
        self._was_unanswered = False
        try:
            await self._advert.replace()
        except BluezError as error:
            if not self._has_connections():
                raise
            self._is_on_air = False
            report(False, str(error))
            return self._times.retry_seconds
        except LinkError:
            if was_unanswered or not self._has_connections():
                raise
            self._was_unanswered = True
            return self._times.retry_seconds
        if not self._is_on_air:
            self._is_on_air = True
            report(True, "")
        return self._times.replace_seconds


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
