"""One life of the adapter: from finding it to losing it, on one bus connection.

Laws:
1. A session ends by LinkError and by nothing else of its own.
2. What BlueZ held for it goes with its bus connection: BlueZ removes what belongs to an owner that
   has left.
3. Nothing of it reaches the listener afterwards.
4. One that goes on where another process stood registers nothing and sends no phone away. Phones
   that are there are links that have just begun.
5. One that is handed on leaves to bluetoothd what it holds.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from dbus_fast import Message, Variant

from hubcore.errors import LinkError
from hubcore.ports.radio import Adapter, LinkId, PkocListener, RadioListener
from hubd.adapters.bluez.advert import ADVERTISEMENT, GONE, Advert
from hubd.adapters.bluez.bus import Bluez, BluezError, Method, connected, gone_on
from hubd.adapters.bluez.choice import choose, missing_adapter, seen
from hubd.adapters.bluez.connections import Connections
from hubd.adapters.bluez.gatt_server import (
    CHARACTERISTIC,
    PKOC_NOTIFY_PATH,
    ROOT,
    TX_PATH,
    GattServer,
)
from hubd.adapters.bluez.mirror import ADAPTER, DEVICE, GATT_MANAGER
from hubd.adapters.bluez.on_air import AirReport, OnAir, wait_for
from hubd.adapters.bluez.plan import RadioPlan
from hubd.adapters.bluez.watch import is_blocked, watch_answers, watch_pairings, watch_settings
from hubd.adapters.dbus.handing import HandedBus, Handing

DISCONNECT = Method(DEVICE, "Disconnect")
REGISTER_APPLICATION = Method(GATT_MANAGER, "RegisterApplication", "oa{sv}")

BLOCKED = "org.bluez.Error.Blocked"
"""What BlueZ says of an adapter that rfkill holds."""
AWAY_TRIES = 5
"""How often a phone of an earlier hub is sent away, `retry_seconds` apart.

BlueZ may refuse, or not answer.
"""

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Begins a task that ends with the session."""


class AdapterSession:
    """The adapter in use. Implements `mirror.BusListener`."""

    def __init__(
        self,
        bluez: Bluez,
        advert: Advert,
        listener: RadioListener,
        link_numbers: itertools.count[int],
        spawn: Spawn,
        plan: RadioPlan,
        pkoc: PkocListener | None = None,
    ) -> None:
        self._pkoc = pkoc
        self._bluez = bluez
        self._advert = advert
        self._adapter = advert.adapter
        self._plan = plan
        self._times = plan.times
        self._connections = Connections(listener, link_numbers)
        self._table = GattServer(listener, self._connections, pkoc)
        self._spawn = spawn
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()
        self._is_serving = False
        self._on_air = OnAir(
            advert=advert,
            times=plan.times,
            has_connections=lambda: len(self._connections) > 0,
            changed=self._changed,
            ended=self._ended,
        )

    async def ended(self) -> None:
        """Wait for BlueZ to end it; raise LinkError then."""
        why = await self._ended
        raise LinkError(f"radio: {why}")

    @property
    def half_done(self) -> int:
        """See `Bluez.half_done`."""
        return self._bluez.half_done

    def settle(self) -> None:
        """See `Bluez.settle`."""
        self._bluez.settle()

    async def let_go(self) -> HandedBus | None:
        """Let the connection go to another process; None when nothing is on air by it.

        Raise LinkError.
        """
        if not self._is_serving:
            return None
        return await self._bluez.let_go(self._adapter, self._advert.on_air)

    async def serve(self, report: AirReport, goes_on: bool = False) -> None:
        """Power up, register and stay on air; report whether it is, each time that changes.

        `goes_on`: another process has done so, on this connection. The plan's patience hears of a
        bluetoothd that does not power up. Raise LinkError when BlueZ will not have it, or does not
        answer.
        """
        self._bluez.listen(self)
        try:
            if goes_on:
                self._take_up()
            else:
                await self._register(report)
            report(True, "")
            await self._on_air.stay(report)
        finally:
            self._bluez.listen(None)
            self._connections.end()

    async def _register(self, report: AirReport) -> None:
        await self._power_up(report)
        self._is_serving = True
        self._send_away()
        await self._bluez.call(self._adapter, REGISTER_APPLICATION, ROOT, {})
        await self._advert.begin()

    def _take_up(self) -> None:
        """Begin with the phones that are there, and answer what they have asked meanwhile."""
        if not self._properties(self._adapter, ADAPTER).get("Powered"):
            raise LinkError("radio: the adapter was switched off meanwhile")
        self._is_serving = True
        if self._pkoc is not None:
            self._pkoc.listens(True)  # bluetoothd does not say again who has subscribed
        for path in list(self._bluez.objects):
            if self._is_ours(path) and self._properties(path, DEVICE).get("Connected"):
                self._connections.connected(path)
                self._on_air.phone_came(path)
        self._bluez.answer_deferred()

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify every subscriber of TX. Raise LinkError when the link is gone."""
        if self._connections.device(link) is None:
            raise LinkError("radio: the link is gone")
        await self._send(TX_PATH, frame)

    async def notify_pkoc(self, message: bytes) -> None:
        """Notify every subscriber of PKOC's NOTIFY. Raise LinkError."""
        await self._send(PKOC_NOTIFY_PATH, message)

    async def _send(self, path: str, value: bytes) -> None:
        await self._bluez.emit(
            path=path,
            interface=CHARACTERISTIC,
            name="Value",
            value=Variant("ay", value),
        )

    async def drop(self, link: LinkId) -> None:
        """Disconnect the peer of a link; BlueZ takes up to 2 s.

        Raise LinkError when it will not.
        """
        device = self._connections.device(link)
        if device is not None:
            await self._disconnect(device)

    def adapter(self) -> Adapter:
        """Return the adapter as BlueZ shows it."""
        return seen(self._adapter, self._properties(self._adapter, ADAPTER))

    def rssi(self, link: LinkId) -> int | None:
        """Return how strongly a peer was heard, where BlueZ shows it."""
        device = self._connections.device(link)
        if device is None:
            return None
        heard = self._properties(device, DEVICE).get("RSSI")
        return heard if isinstance(heard, int) else None

    def called(self, message: Message) -> Message | bool:
        """Answer bluetoothd."""
        if message.interface == ADVERTISEMENT and message.member == "Release":
            if self._advert.is_released(message):
                self._end("BlueZ has released the advertisement")
            return Message.new_method_return(message)
        return self._advert.called(message) or self._table.called(message)

    def changed(self, path: str, interface: str, properties: Mapping[str, Any]) -> None:
        """Begin and end connections; an adapter switched off ends the session."""
        if interface == DEVICE and self._is_ours(path):
            self._device_changed(path, properties)
        elif path == self._adapter and "Powered" in properties:
            if self._is_serving and not properties["Powered"]:
                self._end("the adapter was switched off")
            self._changed.set()

    def _device_changed(self, device: str, properties: Mapping[str, Any]) -> None:
        is_connected = properties.get("Connected")
        if is_connected is None:
            return
        if is_connected:
            self._connections.connected(device)
            self._on_air.phone_came(device)
        else:
            self._left(device)
        self._changed.set()

    def removed(self, path: str, interface: str) -> None:
        """End the connection of a device that is gone, or the session with its adapter."""
        if interface == DEVICE:
            self._left(path)
            self._changed.set()
        elif path == self._adapter:
            self._end("the adapter or bluetoothd is gone")

    def _left(self, device: str) -> None:
        self._connections.gone(device)
        self._on_air.phone_left(device)

    async def _power_up(self, report: AirReport) -> None:
        """Switch the adapter on and see that it is; one that is blocked (rfkill) is tried again."""
        while True:
            self._changed.clear()
            try:
                await self._switch("Powered", True)
                await self._switch("Pairable", False)
                adapter = self._properties(self._adapter, ADAPTER)
                if adapter.get("Powered"):
                    return
            except BluezError as error:
                self._report_no_power(error, report)
            await wait_for(self._changed, self._times.power_retry_seconds)

    async def _switch(self, name: str, on: bool) -> None:
        value = Variant("b", on)
        await self._bluez.set(
            path=self._adapter,
            interface=ADAPTER,
            name=name,
            value=value,
        )

    def _report_no_power(self, error: BluezError, report: AirReport) -> None:
        # BlueZ 5.66 may say `Failed` of what rfkill blocks
        says_so = error.name == BLOCKED
        if says_so or is_blocked(self._adapter, self._plan.rfkill):
            self._plan.patience.excused()
            why = f"radio: the adapter does not go on, rfkill blocks it: {error}"
        else:
            self._plan.patience.failed()
            why = f"radio: the adapter does not go on: {error}"
        report(False, why)

    def _send_away(self) -> None:
        """Disconnect the phones of an earlier hub, which know a table that is gone.

        What is paired is not ours. BlueZ takes 2 s for it, and may never answer for a phone that is
        gone already: the hub is on air meanwhile.
        """
        for path in list(self._bluez.objects):
            device = self._properties(path, DEVICE)
            is_phone = bool(device.get("Connected")) and not device.get("Bonded")
            if is_phone and self._is_ours(path):
                self._spawn(self._send_one_away(path))

    async def _send_one_away(self, device: str) -> None:
        """Disconnect a phone of an earlier hub; again while it is there.

        It ends when the phone has come to this hub meanwhile.
        """
        for _ in range(AWAY_TRIES):
            with suppress(LinkError):
                await self._disconnect(device)
            await asyncio.sleep(self._times.retry_seconds)
            is_connected = bool(self._properties(device, DEVICE).get("Connected"))
            if not is_connected or self._connections.has(device):
                return

    async def _disconnect(self, device: str) -> None:
        try:
            await self._bluez.call(device, DISCONNECT)
        except BluezError as error:
            if error.name not in GONE:
                raise

    def _properties(self, path: str, interface: str) -> Mapping[str, Any]:
        """Return what the mirror holds of an interface, {} when it is not there."""
        interfaces = self._bluez.objects.get(path, {})
        return interfaces.get(interface, {})

    def _is_ours(self, device: str) -> bool:
        return device.startswith(f"{self._adapter}/")

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)


async def live(
    address: str | None,
    plan: RadioPlan,
    listener: RadioListener,
    link_numbers: itertools.count[int],
    serving: Callable[[AdapterSession | None, bool], None],
    handing: Handing,
    pkoc: PkocListener | None = None,
) -> None:
    """Live one session. Raise LinkError in a group.

    `serving` takes it and whether it is on air, and None at its end. While there is no bluetoothd
    or no such adapter it waits for it on the bus, which tells at once when it comes. The group's
    body ends by an error only: before Python 3.13 one that is over when a task of it fails leaves
    the task around it marked as cancelled.
    """
    given = handing.given
    handing.given = None
    bus = connected(address, plan.times) if given is None else gone_on(given, plan.times)
    async with bus as bluez, asyncio.TaskGroup() as tasks:
        tasks.create_task(bluez.lost())
        if given is None:
            adapter = await _find_adapter(bluez, plan)
        else:
            adapter = given.talk.adapter
            await bluez.resume(given.talk.service)
        on_air = 0 if given is None else given.talk.advertisement
        session = AdapterSession(
            bluez=bluez,
            advert=Advert(
                bluez,
                adapter,
                plan.beacon,
                on_air,
                with_pkoc=pkoc is not None,
                shown_name=plan.shown_name,
            ),
            listener=listener,
            link_numbers=link_numbers,
            spawn=tasks.create_task,
            plan=plan,
            pkoc=pkoc,
        )
        tasks.create_task(session.ended())

        def report(on_air: bool, why: str) -> None:
            if why:
                plan.news.lost(why)
            if on_air:
                handing.went_on()
            serving(session, on_air)

        try:
            for watch in _watches(bluez, adapter, plan):
                tasks.create_task(watch)
            await session.serve(report, goes_on=given is not None)
        finally:
            serving(None, False)
            if handing.is_handed_on:
                with suppress(LinkError):  # then the next hub registers anew
                    handing.left = await session.let_go()


def _watches(bluez: Bluez, adapter: str, plan: RadioPlan) -> list[Coroutine[Any, Any, None]]:
    """Return what is watched as long as the session lasts."""
    return [
        watch_answers(bluez, plan.times.ping_seconds),
        watch_settings(
            bluez,
            adapter,
            complain=plan.news.settings,
            look_seconds=plan.times.settings_seconds,
        ),
        watch_pairings(bluez, adapter, plan.news.pairing),
    ]


async def _find_adapter(bluez: Bluez, plan: RadioPlan) -> str:
    """Wait for bluetoothd and the adapter; after a while say which of them is missing."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(plan.times.tell_seconds, _say_what_is_missing, bluez, plan)
    try:
        await bluez.appear()
        return await bluez.until(lambda: choose(bluez.objects, plan.adapter))
    finally:
        timer.cancel()


def _say_what_is_missing(bluez: Bluez, plan: RadioPlan) -> None:
    """Say what is not there.

    Of a bluetoothd that is there and does not answer, the time limit of each call says it.
    """
    if bluez.owner and not bluez.mirrored:
        return
    plan.patience.excused()
    if bluez.owner:
        plan.news.lost(missing_adapter(bluez.objects, plan.adapter))
    else:
        plan.news.lost("radio: bluetoothd does not run")
