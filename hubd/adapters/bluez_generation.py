"""One life of the adapter: from finding it to losing it, on one bus connection.

Laws: a generation ends by LinkError and by nothing else of its own; whatever BlueZ held for it goes with its bus
connection, because BlueZ removes what belongs to an owner that has left; nothing of it reaches the listener afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from dbus_fast import Message, Variant

from hubd.adapters.bluez_advert import ADVERTISEMENT, GONE, Advert
from hubd.adapters.bluez_bus import (
    ADAPTER,
    ADVERTISING_MANAGER,
    DEVICE,
    GATT_MANAGER,
    Bluez,
    BluezError,
    connected,
)
from hubd.adapters.bluez_radio import Wanted
from hubd.adapters.bluez_settings import complaint
from hubd.adapters.bluez_table import CHARACTERISTIC, ROOT, TX_PATH, Table
from hubd.adapters.bluez_visits import Visits
from hubd.errors import LinkError
from hubd.ports import LinkId, RadioListener

POWER_RETRY_SECONDS = 2.0
REPLACE_SECONDS, RETRY_SECONDS = 60.0, 5.0
NEW_SECONDS = 2.0
"""A bluetoothd that has just started may clear the controller after it has taken our advertisement: replace it once."""
SETTINGS_SECONDS = 60.0
PACE_SECONDS = 0.05
"""However many phones come and go, the advertisement is renewed no more often; the last of them is never left out."""


class Generation:
    """The adapter in use. Implements `bluez_bus.Heard`."""

    def __init__(
        self,
        bluez: Bluez,
        advert: Advert,
        listener: RadioListener,
        epochs: itertools.count[int],
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._bluez, self._advert, self._adapter = bluez, advert, advert.adapter
        self._visits = Visits(listener, epochs)
        self._table = Table(listener, self._visits, later, bluez.send)
        self._over = ""
        self._moved = asyncio.Event()
        self._serving = False
        self._on_air = True

    async def serve(self, on_air: Callable[[], None]) -> None:
        """Power up, register and stay on air; call `on_air` when it is. Raise LinkError at the end."""
        self._bluez.heard = self
        try:
            await self._power_up()
            await self._send_away()
            self._serving = True
            await self._bluez.call(self._adapter, GATT_MANAGER, "RegisterApplication", "oa{sv}", ROOT, {})
            await self._advert.begin()
            on_air()
            await self._stay_on_air()
        finally:
            self._bluez.heard = None
            self._visits.end()

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber of TX. Raise LinkError when the link is gone."""
        if self._visits.device(link) is None:
            raise LinkError("radio: the link is gone")
        await self._bluez.emit(TX_PATH, CHARACTERISTIC, "Value", Variant("ay", frame))

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer of a link; BlueZ takes up to 2 s. Raise LinkError when it will not."""
        device = self._visits.device(link)
        if device is not None:
            await self._disconnect(device)

    def called(self, message: Message) -> Message | bool:
        """Answer bluetoothd."""
        if message.interface == ADVERTISEMENT and message.member == "Release":
            if self._advert.is_released(message):
                self._end("BlueZ has released the advertisement")
            return Message.new_method_return(message)
        return self._advert.called(message) or self._table.called(message)

    def changed(self, path: str, interface: str, properties: Mapping[str, Any]) -> None:
        """Begin and end visits; an adapter switched off ends the generation."""
        if interface == DEVICE and "Connected" in properties and self._is_ours(path):
            if properties["Connected"]:
                self._visits.connected(path)
            else:
                self._visits.gone(path)
            self._moved.set()
        elif path == self._adapter and "Powered" in properties:
            if self._serving and not properties["Powered"]:
                self._end("the adapter was switched off")
            self._moved.set()

    def removed(self, path: str, interface: str) -> None:
        """End the visit of a device that is gone, or the generation with its adapter."""
        if interface == DEVICE:
            self._visits.gone(path)
            self._moved.set()
        elif path == self._adapter:
            self._end("the adapter or bluetoothd is gone")

    async def _power_up(self) -> None:
        """Switch the adapter on; one that is blocked (rfkill) is tried again."""
        while True:
            self._moved.clear()
            try:
                await self._bluez.set(self._adapter, ADAPTER, "Powered", Variant("b", True))
                await self._bluez.set(self._adapter, ADAPTER, "Pairable", Variant("b", False))
                return
            except BluezError:
                await self._wait(POWER_RETRY_SECONDS)

    async def _send_away(self) -> None:
        """Disconnect the phones of an earlier hub, which know a table that is gone; what is paired is not ours."""
        for path, interfaces in list(self._bluez.objects.items()):
            device = interfaces.get(DEVICE, {})
            if self._is_ours(path) and device.get("Connected") and not device.get("Paired"):
                await self._disconnect(path)

    async def _disconnect(self, device: str) -> None:
        try:
            await self._bluez.call(device, DEVICE, "Disconnect")
        except BluezError as error:
            if error.name not in GONE:
                raise

    async def _stay_on_air(self) -> None:
        """Renew the advertisement at each coming and going, replace it from time to time, and change its tag."""
        loop = asyncio.get_running_loop()
        due, turn = loop.time() + NEW_SECONDS, loop.time() + self._advert.rotate_seconds
        while True:
            await self._wait(min(due, turn) - loop.time())
            self._moved.clear()
            if loop.time() >= turn:
                turn = loop.time() + self._advert.rotate_seconds
                await self._advert.rotate()
            elif loop.time() < due and self._on_air:
                await self._advert.renew()
            else:
                due = loop.time() + await self._replace()
            await asyncio.sleep(PACE_SECONDS)

    async def _replace(self) -> float:
        """Replace the advertisement. Return the seconds until it is to be done again.

        A controller that cannot advertise while phones are connected keeps its phones, and is asked again when one of
        them leaves. Raise LinkError when it cannot without any.
        """
        try:
            await self._advert.replace()
        except BluezError:
            if not len(self._visits):
                raise
            self._on_air = False
            return RETRY_SECONDS
        self._on_air = True
        return REPLACE_SECONDS

    async def _wait(self, seconds: float) -> None:
        """Wait until a phone has come or gone, at most so long. Raise LinkError at the generation's end."""
        try:
            async with asyncio.timeout(0 if self._over else max(0.0, seconds)):
                await self._moved.wait()
        except TimeoutError:
            pass
        if self._over:
            raise LinkError(f"radio: {self._over}")

    def _is_ours(self, device: str) -> bool:
        return device.startswith(f"{self._adapter}/")

    def _end(self, why: str) -> None:
        self._over = self._over or why
        self._moved.set()


async def live(
    address: str | None,
    wanted: Wanted,
    listener: RadioListener,
    epochs: itertools.count[int],
    serving: Callable[[Generation | None], None],
) -> None:
    """Live one generation; `serving` is told it when it is on air, and None when it is not. Raise LinkError in a group.

    While there is no bluetoothd or no such adapter it waits for it on the bus, which tells at once when it comes.
    """
    async with connected(address) as bluez, asyncio.TaskGroup() as tasks:
        tasks.create_task(bluez.lost())
        await bluez.appear()
        adapter = await bluez.until(lambda: choose(bluez.objects, wanted.adapter))

        tasks.create_task(_look_at_settings(bluez, adapter, wanted.complain))
        advert = Advert(bluez, adapter, wanted.beacon)
        generation = Generation(bluez, advert, listener, epochs, tasks.create_task)
        try:
            await generation.serve(lambda: serving(generation))
        finally:
            serving(None)


async def _look_at_settings(bluez: Bluez, adapter: str, complain: Callable[[str], None]) -> None:
    """Look now and every SETTINGS_SECONDS: an answer that did not come, or a file that was changed, is seen then."""
    while True:
        complain(await complaint(bluez, adapter))
        await asyncio.sleep(SETTINGS_SECONDS)


def choose(objects: Mapping[str, Mapping[str, Mapping[str, Any]]], wanted: str) -> str | None:
    """Return the path of the adapter with the address `wanted`, for "default" the first powered one, else the first.

    An adapter that can serve no table or advertise nothing is none.
    """
    able = [path for path in sorted(objects) if {ADAPTER, GATT_MANAGER, ADVERTISING_MANAGER} <= objects[path].keys()]
    if wanted == "default":
        return next((path for path in able if objects[path][ADAPTER].get("Powered")), able[0] if able else None)
    return next((path for path in able if objects[path][ADAPTER].get("Address") == wanted), None)
