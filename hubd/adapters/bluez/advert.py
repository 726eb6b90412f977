"""The hub's advertisement as BlueZ takes it, kept on air through connections with hardly a gap.

Laws:
1. A connection takes the hub off the air. A changed property brings it back at once: BlueZ has the
   kernel advertise the instance again, without taking it off first (src/advertising.c
   `properties_changed`).
2. BlueZ does not answer for that. So now and then the advertisement is registered again, on the
   other of two paths. The former is taken back only when its successor is on air.
3. BlueZ never holds more than these two.
4. A registration that is given up before it was answered is taken back. BlueZ (5.66 to 5.87) never
   frees the instance of an owner that left meanwhile, and a controller has as few as five.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from contextlib import suppress
from typing import Any, Protocol

from dbus_fast import Message, Variant

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.beacon import Beacon
from hubcore.pkoc import gatt as pkoc_gatt
from hubd.adapters.bluez.bus import PROPERTIES, BluezError, Method
from hubd.adapters.bluez.mirror import ADVERTISING_MANAGER

ADVERTISEMENT = "org.bluez.LEAdvertisement1"
PATHS = ("/org/hubd/advertisement0", "/org/hubd/advertisement1")

REGISTER = Method(ADVERTISING_MANAGER, "RegisterAdvertisement", "oa{sv}")
UNREGISTER = Method(ADVERTISING_MANAGER, "UnregisterAdvertisement", "o")

GONE = frozenset(
    {
        "org.bluez.Error.NotConnected",
        "org.bluez.Error.DoesNotExist",
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownMethod",
    }
)
"""What BlueZ says of what it does not know, or no longer."""


class BusCaller(Protocol):
    """The part of `bus.Bluez` that an advertisement needs."""

    async def call(self, path: str, method: Method, *body: Any) -> list[Any]:
        """Call bluetoothd. Raise BluezError when it refuses, LinkError when it does not answer."""

    async def call_unanswered(self, path: str, method: Method, *body: Any) -> None:
        """Call bluetoothd without waiting for what it says. Raise LinkError when there is none."""

    async def emit(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Tell bluetoothd that a property of ours has changed. Raise LinkError."""


class Advert:
    """The advertisement of one session; with a tag when there is a beacon.

    `adapter` is the adapter's path.
    """

    def __init__(
        self,
        bluez: BusCaller,
        adapter: str,
        beacon: Beacon | None = None,
        on_air: int = 0,
        with_pkoc: bool = False,
        shown_name: str = "",
    ) -> None:
        """`on_air`: the number of the path that is on air already, or is to be first.

        `with_pkoc`: the service of PKOC is named, too. `shown_name`: what the hub is called.
        """
        self._shown_name = shown_name
        self._services = [gatt.SERVICE]
        if with_pkoc:
            self._services.append(pkoc_gatt.SERVICE)
        self._bluez = bluez
        self.adapter = adapter
        self._beacon = beacon
        self._tag = b""
        self.rotate_seconds = math.inf
        if beacon is not None:
            self._tag = beacon.tag(secrets.token_bytes)
            self.rotate_seconds = beacon.rotate_seconds
        self._path = PATHS[on_air]
        self._spare_path = PATHS[1 - on_air]

    @property
    def path(self) -> str:
        """The path of the advertisement that is on air."""
        return self._path

    @property
    def on_air(self) -> int:
        """The number of the path that is on air."""
        return PATHS.index(self._path)

    async def begin(self) -> None:
        """Go on air for the first time. Raise BluezError when BlueZ will not have it."""
        await self._register(self._path)

    async def renew(self) -> None:
        """Be on air again after a phone has come or gone."""
        await self._emit("ServiceUUIDs")

    async def rotate(self) -> None:
        """Advertise with a new tag from now on, without leaving the air."""
        if self._beacon is None:
            return
        self._tag = self._beacon.tag(secrets.token_bytes)
        await self._emit("ManufacturerData")

    async def _emit(self, name: str) -> None:
        value = self.properties()[name]
        await self._bluez.emit(
            path=self._path,
            interface=ADVERTISEMENT,
            name=name,
            value=value,
        )

    async def replace(self) -> None:
        """Register again, on the other path.

        Raise BluezError when BlueZ will not have it: the hub is then off the air.
        """
        former = self._path
        successor = self._spare_path
        try:
            await self._register(successor)
        except BluezError:  # an adapter that holds but one, or one that is ill
            await self._unregister(former)
            await self._register(successor)
        else:
            await self._unregister(former)
        self._path = successor
        self._spare_path = former

    def called(self, message: Message) -> Message | None:
        """Answer what BlueZ asks of an advertisement; None when it asks of something else."""
        asks_for_all = message.interface == PROPERTIES and message.member == "GetAll"
        if message.path not in PATHS or not asks_for_all:
            return None
        properties = self.properties()
        return Message.new_method_return(message, "a{sv}", [properties])

    def is_released(self, message: Message) -> bool:
        """Tell whether BlueZ says by this call that it has dropped what is on air."""
        if message.interface != ADVERTISEMENT or message.member != "Release":
            return False
        return message.path == self._path

    def properties(self) -> dict[str, Variant]:
        """Return the properties: the services' UUIDs, connectable, in general discovery.

        With a tag they fill the 31 bytes of legacy advertising: 3 + 18 + 4 + 6. PKOC's UUID takes
        4 bytes, so that there is no room for both. BlueZ (5.66 to 5.87) puts a name into the scan
        response, and so it takes no room here (src/advertising.c `generate_scan_rsp`).
        """
        interval_ms = int(gatt.ADVERTISING_INTERVAL_SECONDS * 1000)
        properties = {
            "Type": Variant("s", "peripheral"),
            "ServiceUUIDs": Variant("as", self._services),
            "Discoverable": Variant("b", True),
            "MinInterval": Variant("u", interval_ms),
            "MaxInterval": Variant("u", interval_ms),
        }
        if self._beacon is not None:
            tag = Variant("ay", self._tag)
            properties["ManufacturerData"] = Variant("a{qv}", {self._beacon.company: tag})
        if self._shown_name:
            properties["LocalName"] = Variant("s", self._shown_name)
        return properties

    async def _register(self, path: str) -> None:
        try:
            await self._bluez.call(self.adapter, REGISTER, path, {})
        except BluezError:
            raise  # refused: BlueZ keeps nothing of it
        except (LinkError, asyncio.CancelledError):
            with suppress(LinkError):
                await self._bluez.call_unanswered(self.adapter, UNREGISTER, path)
            raise

    async def _unregister(self, path: str) -> None:
        try:
            await self._bluez.call(self.adapter, UNREGISTER, path)
        except BluezError as error:
            if error.name not in GONE:
                raise
