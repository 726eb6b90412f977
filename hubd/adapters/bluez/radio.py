"""The hub's radio on BlueZ: `ports.radio.Radio` over D-Bus, spoken with dbus-fast.

Laws:
1. The adapter lives in sessions (`adapter_session`), each with its own bus connection.
2. A lost adapter, daemon or bus is never an error of `serve`.
3. dbus-fast is imported by `serve`: a desk without it can import this.
4. A connection that was handed over and cannot be taken up is told (`taken`). Then the radio waits
   to be ended: another registration would push out the one of who handed it over.
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
from hubcore.ports.radio import Adapter, LinkId, PkocListener, RadioListener
from hubd.adapters.bluez.plan import (
    HUB_TIMES,
    SYSFS,
    Patience,
    RadioNews,
    RadioPlan,
    RadioTimes,
)
from hubd.adapters.cancelled import end_if_cancelled
from hubd.adapters.dbus.handing import HandedBus, Handing

if TYPE_CHECKING:
    from hubd.adapters.bluez.adapter_session import AdapterSession

BACK_OFF_SECONDS_MIN = 0.5
BACK_OFF_SECONDS_MAX = 3.0
"""Nothing wakes a hub that pauses, and it must be on air 5 s after its hindrance has ended."""
DOUBLINGS_MAX = 6


class BluezRadio:
    """`adapter` is an adapter's address, or "default" for the first powered one, else the first.

    `bus_address` names a bus that is not the system's. `beacon` is what the site's phones know the
    hub by, None for a hub that looks like every other. `shown_name` is what it is called on the
    air, "" for nothing. `rfkill` is the folder in which the kernel shows what holds an adapter.
    """

    def __init__(
        self,
        adapter: str,
        news: RadioNews | None = None,
        *,
        bus_address: str | None = None,
        beacon: Beacon | None = None,
        times: RadioTimes = HUB_TIMES,
        rfkill: Path = SYSFS,
        shown_name: str = "",
    ) -> None:
        news = news or RadioNews()
        self._patience = Patience(news.stuck, time.monotonic, times)
        self._bus_address = bus_address
        self._plan = RadioPlan(
            adapter=adapter,
            beacon=beacon,
            news=news,
            patience=self._patience,
            times=times,
            rfkill=rfkill,
            shown_name=shown_name,
        )
        self._link_numbers = itertools.count(1)
        self._session: AdapterSession | None = None
        self._handing = Handing()

    def take_up(self, handed: HandedBus) -> None:
        """Let `serve` begin with the connection of another process."""
        self._handing.give(handed)

    async def taken(self) -> None:
        """Return once that is on air here; at once without one. Raise LinkError when it cannot."""
        if self._handing.taken is not None:
            await asyncio.shield(self._handing.taken)

    @property
    def half_done(self) -> int:
        """How many messages are not whole, and calls not answered, in either direction."""
        return 0 if self._session is None else self._session.half_done

    def hand_on(self) -> None:
        """Read nothing more, and let the end of `serve` leave what bluetoothd holds for the hub."""
        self._handing.is_handed_on = True
        if self._session is not None:
            self._session.settle()

    def handed_on(self) -> HandedBus | None:
        """Return the connection after that; None when the hub was not on air.

        What was given and is not taken up yet is returned as it came.
        """
        return self._handing.left or self._handing.given

    async def serve(
        self,
        listener: RadioListener,
        ready: Callable[[bool], None],
        pkoc: PkocListener | None = None,
    ) -> None:
        """Advertise and serve until cancelled; begin again when anything below is lost."""
        from hubd.adapters.bluez.adapter_session import live

        failures = 0
        handing = self._handing

        def serving(session: AdapterSession | None, on_air: bool) -> None:
            nonlocal failures
            self._session = session
            if on_air:
                failures = 0
                self._patience.excused()
            if session is not None:
                ready(on_air)

        while True:
            ready(False)
            try:
                await live(
                    address=self._bus_address,
                    plan=self._plan,
                    listener=listener,
                    link_numbers=self._link_numbers,
                    serving=serving,
                    handing=handing,
                    pkoc=pkoc,
                )
            except* LinkError as group:
                self._plan.news.lost(str(group.exceptions[0]))
                if handing.failed(LinkError(str(group.exceptions[0]))):
                    await asyncio.get_running_loop().create_future()  # law 4
                self._patience.failed()
            ready(False)
            end_if_cancelled()
            pause_seconds = back_off_seconds(failures, random.random())  # noqa: S311 (no secret)
            await asyncio.sleep(pause_seconds)
            failures += 1

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Send one frame as a notification of TX. Raise LinkError when the link is gone.

        BlueZ cannot address one phone: every subscriber gets it, and knows its own by the sid.
        """
        if self._session is None:
            raise LinkError("radio: the link is gone")
        await self._session.notify(link, frame)

    async def notify_pkoc(self, message: bytes) -> None:
        """Send one message as a notification of PKOC's NOTIFY. Raise LinkError off air."""
        if self._session is None:
            raise LinkError("radio: not on air")
        await self._session.notify_pkoc(message)

    def adapter(self) -> Adapter | None:
        """Return the adapter of the session, as BlueZ shows it."""
        return None if self._session is None else self._session.adapter()

    def rssi(self, link: LinkId) -> int | None:
        """Return what BlueZ shows of a device; it shows none of one that is connected."""
        return None if self._session is None else self._session.rssi(link)

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer.

        Dropping a link that is gone does nothing. Raise LinkError when BlueZ will not.
        """
        if self._session is not None:
            await self._session.drop(link)


def back_off_seconds(failures: int, chance: float) -> float:
    """Return the pause after so many failures in a row.

    `chance` in [0, 1) spreads it over its upper half.
    """
    doublings = min(failures, DOUBLINGS_MAX)
    grown = BACK_OFF_SECONDS_MIN * 2.0**doublings
    longest = min(BACK_OFF_SECONDS_MAX, grown)
    return longest * (0.5 + chance / 2)
