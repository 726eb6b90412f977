"""The hub on air: its advertisement as BlueZ takes it, kept there through visits with hardly a gap.

Laws: a connection takes the hub off the air, and to tell BlueZ of a property is what brings it back
at once: BlueZ then has the kernel advertise the instance anew, without taking it off first
(src/advertising.c `properties_changed`); what BlueZ does so it does not answer for, so now and then
the advertisement is registered anew, on the other of two paths, and the former is taken back only
when its successor is on air; BlueZ never holds more than these two. A registration that is given up
before it was answered is taken back: BlueZ (5.66 to 5.87) never frees the instance of one whose
owner left while it was under way, and a controller has as few as five.
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
from hubd.adapters.bluez.bus import ADVERTISING_MANAGER, PROPERTIES, BluezError

ADVERTISEMENT = "org.bluez.LEAdvertisement1"
PATHS = ("/org/hubd/advertisement0", "/org/hubd/advertisement1")

GONE = frozenset(
    {
        "org.bluez.Error.NotConnected",
        "org.bluez.Error.DoesNotExist",
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.DBus.Error.UnknownMethod",
    }
)
"""What BlueZ says of a thing that it does not know, or no longer."""


class BusCaller(Protocol):
    """What of `bluez_bus.Bluez` an advertisement needs."""

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> list[Any]:
        """Call bluetoothd. Raise BluezError when it refuses, LinkError when it does not answer."""

    async def cast(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> None:
        """Call bluetoothd without waiting for what it says. Raise LinkError when there is none."""

    async def emit(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Tell bluetoothd that a property of ours has changed. Raise LinkError."""


class Advert:
    """The advertisement of one generation, on the adapter at path `adapter`; with a tag when there
    is a beacon.
    """

    def __init__(self, bluez: BusCaller, adapter: str, beacon: Beacon | None = None) -> None:
        self._bluez = bluez
        self.adapter = adapter
        self._beacon = beacon
        self._tag = beacon.tag(secrets.token_bytes) if beacon else b""
        self.rotate_seconds = beacon.rotate_seconds if beacon else math.inf
        self._path, self._spare = PATHS

    @property
    def path(self) -> str:
        """The path of the advertisement that is on air."""
        return self._path

    async def begin(self) -> None:
        """Go on air for the first time. Raise BluezError when BlueZ will not have it."""
        await self._register(self._path)

    async def renew(self) -> None:
        """Be on air again after a phone has come or gone."""
        await self._bluez.emit(
            self._path, ADVERTISEMENT, "ServiceUUIDs", self.properties()["ServiceUUIDs"]
        )

    async def rotate(self) -> None:
        """Advertise with a new tag from now on, without leaving the air."""
        if self._beacon is not None:
            self._tag = self._beacon.tag(secrets.token_bytes)
            await self._bluez.emit(
                self._path, ADVERTISEMENT, "ManufacturerData", self.properties()["ManufacturerData"]
            )

    async def replace(self) -> None:
        """Register anew.

        Raise BluezError when BlueZ will not have it: the hub is then off the air.
        """
        try:
            await self._register(self._spare)
        except BluezError:  # an adapter that holds but one, or one that is ill
            await self._unregister(self._path)
            await self._register(self._spare)
        else:
            await self._unregister(self._path)
        self._path, self._spare = self._spare, self._path

    def called(self, message: Message) -> Message | None:
        """Answer what BlueZ asks of an advertisement; None when it asks of something else."""
        if message.path in PATHS and message.interface == PROPERTIES and message.member == "GetAll":
            return Message.new_method_return(message, "a{sv}", [self.properties()])
        return None

    def is_released(self, message: Message) -> bool:
        """Tell whether BlueZ says by this call that it has dropped the advertisement which is on
        air.
        """
        return (message.path, message.interface, message.member) == (
            self._path,
            ADVERTISEMENT,
            "Release",
        )

    def properties(self) -> dict[str, Variant]:
        """Return the properties of the advertisement: the service's UUID, connectable, in general
        discovery.

        With a tag it fills the 31 bytes of legacy advertising: 3 + 18 + 4 + 6.
        """
        interval_ms = Variant("u", int(gatt.ADVERTISING_INTERVAL_SECONDS * 1000))
        tag = {}
        if self._beacon is not None:
            tag["ManufacturerData"] = Variant(
                "a{qv}", {self._beacon.company: Variant("ay", self._tag)}
            )
        return {
            **tag,
            "Type": Variant("s", "peripheral"),
            "ServiceUUIDs": Variant("as", [gatt.SERVICE]),
            "Discoverable": Variant("b", True),
            "MinInterval": interval_ms,
            "MaxInterval": interval_ms,
        }

    async def _register(self, path: str) -> None:
        try:
            await self._bluez.call(
                self.adapter, ADVERTISING_MANAGER, "RegisterAdvertisement", "oa{sv}", path, {}
            )
        except BluezError:
            raise  # refused: BlueZ keeps nothing of it
        except (LinkError, asyncio.CancelledError):
            with suppress(LinkError):
                await self._bluez.cast(
                    self.adapter, ADVERTISING_MANAGER, "UnregisterAdvertisement", "o", path
                )
            raise

    async def _unregister(self, path: str) -> None:
        try:
            await self._bluez.call(
                self.adapter, ADVERTISING_MANAGER, "UnregisterAdvertisement", "o", path
            )
        except BluezError as error:
            if error.name not in GONE:
                raise
