"""One life of the adapter: from finding it to losing it, on one bus connection.

Laws: a generation ends by LinkError and by nothing else of its own; whatever BlueZ held for it goes
with its bus connection, because BlueZ removes what belongs to an owner that has left; nothing of it
reaches the listener afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from dbus_fast import Message, Variant

from hubcore.errors import LinkError
from hubcore.ports.radio import LinkId, RadioListener
from hubd.adapters.bluez.advert import ADVERTISEMENT, GONE, Advert
from hubd.adapters.bluez.bus import (
    ADAPTER,
    DEVICE,
    GATT_MANAGER,
    Bluez,
    BluezError,
    connected,
)
from hubd.adapters.bluez.choice import choose, lacking
from hubd.adapters.bluez.plan import RadioPlan
from hubd.adapters.bluez.table import CHARACTERISTIC, ROOT, TX_PATH, GattTable
from hubd.adapters.bluez.visits import Visits
from hubd.adapters.bluez.watch import answers, is_blocked, pairings, settings

BLOCKED = "org.bluez.Error.Blocked"
"""What BlueZ says of an adapter that rfkill holds."""
AWAY_TRIES = 5
"""How often a phone of an earlier hub is sent away, `retry_seconds` apart; BlueZ may refuse, or not
answer.
"""
PACE_SECONDS = 0.05
"""However many phones come and go, the advertisement is renewed no more often; the last of them is
never left out.
"""


class Generation:
    """The adapter in use. Implements `bluez_bus.Heard`."""

    def __init__(
        self,
        bluez: Bluez,
        advert: Advert,
        listener: RadioListener,
        epochs: itertools.count[int],
        later: Callable[[Coroutine[Any, Any, None]], object],
        wanted: RadioPlan,
    ) -> None:
        self._bluez = bluez
        self._advert = advert
        self._adapter = advert.adapter
        self._wanted = wanted
        self._times = wanted.times
        self._visits = Visits(listener, epochs)
        self._table = GattTable(listener, self._visits)
        self._later = later
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._moved = asyncio.Event()
        self._serving = self._unanswered = False
        self._came_by: dict[str, str] = {}
        self._gone = 0
        self._stray = False
        self._on_air = True

    async def ended(self) -> None:
        """Wait for BlueZ to end it; raise LinkError then."""
        raise LinkError(f"radio: {await self._over}")

    async def serve(self, told: Callable[[bool, str], None]) -> None:
        """Power up, register and stay on air; tell whether it is, with a sentence when not, each
        time that changes.

        The plan's patience hears of a bluetoothd that does not power up. Raise LinkError when BlueZ
        will not have it, or does not answer.
        """
        self._bluez.heard = self
        try:
            await self._power_up(told)
            self._serving = True
            self._send_away()
            await self._bluez.call(
                self._adapter, GATT_MANAGER, "RegisterApplication", "oa{sv}", ROOT, {}
            )
            await self._advert.begin()
            told(True, "")
            await self._stay_on_air(told)
        finally:
            self._bluez.heard = None
            self._visits.end()

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber of TX. Raise LinkError when the link is gone."""
        if self._visits.device(link) is None:
            raise LinkError("radio: the link is gone")
        await self._bluez.emit(TX_PATH, CHARACTERISTIC, "Value", Variant("ay", frame))

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer of a link; BlueZ takes up to 2 s.

        Raise LinkError when it will not.
        """
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
                self._came_by[path] = self._advert.path
            else:
                self._left(path)
            self._moved.set()
        elif path == self._adapter and "Powered" in properties:
            if self._serving and not properties["Powered"]:
                self._end("the adapter was switched off")
            self._moved.set()

    def removed(self, path: str, interface: str) -> None:
        """End the visit of a device that is gone, or the generation with its adapter."""
        if interface == DEVICE:
            self._left(path)
            self._moved.set()
        elif path == self._adapter:
            self._end("the adapter or bluetoothd is gone")

    def _left(self, device: str) -> None:
        """End a visit.

        The kernel goes on with the instance by which that phone had come (6.12,
        hci_disconn_complete_evt); where it has been replaced meanwhile, it advertises what nobody
        can connect to, until it is replaced again.
        """
        self._visits.gone(device)
        self._gone += 1
        self._stray |= self._came_by.pop(device, self._advert.path) != self._advert.path

    async def _power_up(self, told: Callable[[bool, str], None]) -> None:
        """Switch the adapter on and see that it is; one that is blocked (rfkill) is tried again."""
        patience = self._wanted.patience
        while True:
            self._moved.clear()
            try:
                await self._bluez.set(self._adapter, ADAPTER, "Powered", Variant("b", True))
                await self._bluez.set(self._adapter, ADAPTER, "Pairable", Variant("b", False))
                if self._bluez.objects.get(self._adapter, {}).get(ADAPTER, {}).get("Powered"):
                    return
            except BluezError as error:
                blocked = error.name == BLOCKED or is_blocked(self._adapter, self._wanted.rfkill)
                # BlueZ 5.66 may say `Failed` of what rfkill blocks
                if blocked:
                    patience.excused()
                else:
                    patience.failed()
                told(
                    False,
                    "radio: the adapter does not go "
                    f"on{', rfkill blocks it' if blocked else ''}: {error}",
                )
            await self._wait(self._times.power_retry_seconds)

    def _send_away(self) -> None:
        """Disconnect the phones of an earlier hub, which know a table that is gone; what is paired
        is not ours.

        BlueZ takes 2 s for it, and may never answer for one that is gone already: the hub is on air
        meanwhile.
        """
        for path, interfaces in list(self._bluez.objects.items()):
            device = interfaces.get(DEVICE, {})
            if self._is_ours(path) and device.get("Connected") and not device.get("Bonded"):
                self._later(self._send_one_away(path))

    async def _send_one_away(self, device: str) -> None:
        """Disconnect a phone of an earlier hub; again while it is there, unless it has come to this
        one meanwhile.
        """
        for _ in range(AWAY_TRIES):
            with suppress(LinkError):
                await self._disconnect(device)
            await asyncio.sleep(self._times.retry_seconds)
            known = self._bluez.objects.get(device, {}).get(DEVICE, {})
            if not known.get("Connected") or self._visits.has(device):
                return

    async def _disconnect(self, device: str) -> None:
        try:
            await self._bluez.call(device, DEVICE, "Disconnect")
        except BluezError as error:
            if error.name not in GONE:
                raise

    async def _stay_on_air(self, told: Callable[[bool, str], None]) -> None:
        """Renew the advertisement at each coming and going, replace it from time to time, and
        change its tag.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + self._times.new_seconds
        turn = loop.time() + self._advert.rotate_seconds
        while True:
            await self._wait(min(due, turn) - loop.time())
            if (
                self._over.done()
            ):  # BlueZ 5.66 crashes when it is told of a property of what it cannot advertise
                raise LinkError(f"radio: {self._over.result()}")
            self._moved.clear()
            if loop.time() >= turn:
                turn = loop.time() + self._advert.rotate_seconds
                await self._advert.rotate()
            elif loop.time() < due and self._on_air and not self._stray:
                await self._advert.renew()
            else:
                gone = self._gone
                due = loop.time() + await self._replace(told)
                self._stray = self._gone != gone
            await asyncio.sleep(PACE_SECONDS)

    async def _replace(self, told: Callable[[bool, str], None]) -> float:
        """Replace the advertisement. Return the seconds until it is to be done again.

        A controller that cannot advertise while phones are connected keeps its phones, and is asked
        again when one of them leaves; a bluetoothd that did not answer once keeps them too. Raise
        LinkError when there are none to keep, or no answer comes again.
        """
        unanswered = False
        try:
            await self._advert.replace()
        except BluezError as error:
            if not len(self._visits):
                raise
            self._on_air = False
            told(False, str(error))
            return self._times.retry_seconds
        except LinkError:
            if self._unanswered or not len(self._visits):
                raise
            unanswered = True
            return self._times.retry_seconds
        finally:
            self._unanswered = unanswered
        if not self._on_air:
            self._on_air = True
            told(True, "")
        return self._times.replace_seconds

    async def _wait(self, seconds: float) -> None:
        """Wait until a phone has come or gone, or the adapter's power has changed, at most
        so long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._moved.wait()

    def _is_ours(self, device: str) -> bool:
        return device.startswith(f"{self._adapter}/")

    def _end(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(why)


async def live(
    address: str | None,
    wanted: RadioPlan,
    listener: RadioListener,
    epochs: itertools.count[int],
    serving: Callable[[Generation | None, bool], None],
) -> None:
    """Live one generation; `serving` is told it and whether it is on air, and None at its end.
    Raise LinkError in a group.

    While there is no bluetoothd or no such adapter it waits for it on the bus, which tells at once
    when it comes. The group's body ends by an error only: before Python 3.13 one that is over when
    a task of it fails leaves the task around it marked as cancelled.
    """
    times = wanted.times
    async with connected(address, times) as bluez, asyncio.TaskGroup() as tasks:
        tasks.create_task(bluez.lost())
        timer = asyncio.get_running_loop().call_later(
            times.tell_seconds, _say_what_lacks, bluez, wanted
        )
        try:
            await bluez.appear()
            adapter = await bluez.until(lambda: choose(bluez.objects, wanted.adapter))
        finally:
            timer.cancel()
        tasks.create_task(answers(bluez, times.ping_seconds))
        tasks.create_task(settings(bluez, adapter, wanted.tells.settings, times.settings_seconds))
        tasks.create_task(pairings(bluez, adapter, wanted.tells.pairing))
        advert = Advert(bluez, adapter, wanted.beacon)
        generation = Generation(
            bluez=bluez,
            advert=advert,
            listener=listener,
            epochs=epochs,
            later=tasks.create_task,
            wanted=wanted,
        )
        tasks.create_task(generation.ended())

        def told(on_air: bool, why: str) -> None:
            if why:
                wanted.tells.lost(why)
            serving(generation, on_air)

        try:
            await generation.serve(told)
        finally:
            serving(None, False)


def _say_what_lacks(bluez: Bluez, wanted: RadioPlan) -> None:
    """Say what is not there; of a bluetoothd that is there and does not answer, the time limit of
    each call says it.
    """
    if bluez.owner and not bluez.mirrored:
        return
    wanted.patience.excused()
    wanted.tells.lost(
        lacking(bluez.objects, wanted.adapter) if bluez.owner else "radio: bluetoothd does not run"
    )
