"""The hub's radio on BlueZ: `ports.radio.Radio` over D-Bus, spoken with dbus-fast.

Laws: the adapter lives in generations (`bluez_generation`), each with its own bus connection; a
lost adapter, daemon or bus is never an error of `serve`; dbus-fast is imported by `serve`, so that
a desk without it can import this.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hubcore.errors import LinkError
from hubcore.phone.beacon import Beacon
from hubcore.ports.radio import LinkId, RadioListener
from hubd.adapters.bluez.plan import SYSFS, Patience, RadioNews, RadioPlan
from hubd.adapters.bluez.times import HUB_TIMES, RadioTimes

if TYPE_CHECKING:
    from hubd.adapters.bluez.generation import Generation

BACK_OFF_SECONDS_MIN = 0.5
BACK_OFF_SECONDS_MAX = 3.0
"""Nothing wakes a hub that pauses, and it is to be on air in 5 s once whatever kept it off has
ended.
"""
DOUBLINGS_MAX = 6


class BluezRadio:
    """`adapter` is an adapter's address, or "default" for the first powered one, else the first.

    `bus_address` names a bus that is not the system's; `beacon` is what the site's phones know the
    hub by, None for a hub that looks like every other; `rfkill` is the folder in which the kernel
    shows what holds an adapter.
    """

    def __init__(
        self,
        adapter: str,
        tells: RadioNews | None = None,
        *,
        bus_address: str | None = None,
        beacon: Beacon | None = None,
        times: RadioTimes = HUB_TIMES,
        rfkill: Path = SYSFS,
    ) -> None:
        tells = tells or RadioNews()
        self._patience = Patience(tells.stuck, time.monotonic, times)
        self._bus_address = bus_address
        self._wanted = RadioPlan(
            adapter=adapter,
            beacon=beacon,
            tells=tells,
            patience=self._patience,
            times=times,
            rfkill=rfkill,
        )
        self._epochs = itertools.count(1)
        self._generation: Generation | None = None

    async def serve(self, listener: RadioListener, ready: Callable[[bool], None]) -> None:
        """Advertise and serve until cancelled; begin again when anything below is lost."""
        from hubd.adapters.bluez.generation import live

        failures = 0

        def serving(generation: Generation | None, on_air: bool) -> None:
            nonlocal failures
            self._generation = generation
            if on_air:
                failures = 0
                self._patience.excused()
            if generation is not None:
                ready(on_air)

        while True:
            ready(False)
            try:
                await live(
                    address=self._bus_address,
                    wanted=self._wanted,
                    listener=listener,
                    epochs=self._epochs,
                    serving=serving,
                )
            except* LinkError as group:
                self._wanted.tells.lost(str(group.exceptions[0]))
                self._patience.failed()
            ready(False)
            _end_if_cancelled()
            await asyncio.sleep(back_off_seconds(failures, random.random()))  # noqa: S311 (no secret)
            failures += 1

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber of TX. Raise LinkError when the link is gone."""
        if self._generation is None:
            raise LinkError("radio: the link is gone")
        await self._generation.notify(link, frame)

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer.

        Dropping a link that is gone does nothing. Raise LinkError when BlueZ will not.
        """
        if self._generation is not None:
            await self._generation.drop(link)


def _end_if_cancelled() -> None:
    """End a task that was cancelled while its TaskGroup failed: before Python 3.13 the group's
    errors hide the wish.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def back_off_seconds(failures: int, chance: float) -> float:
    """Return the pause after so many failures in a row; `chance` in [0, 1) spreads it over its
    upper half.
    """
    longest = min(
        BACK_OFF_SECONDS_MAX, BACK_OFF_SECONDS_MIN * float(1 << min(failures, DOUBLINGS_MAX))
    )
    return longest * (0.5 + chance / 2)
