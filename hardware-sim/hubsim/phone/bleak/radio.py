"""A phone's radio on this machine's own Bluetooth adapter: `radio.PhoneLink` over bleak.

Laws:
1. A hub's own adapter is never used: on Linux `adapters` looks for it, elsewhere no hub can run.
2. Every wait for the hub has an end.
3. What bleak raises becomes LinkError here.
4. A notification beyond the queue's ceiling is lost, as on the simulated radio.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.phone.framing import MTU_MIN
from hubsim.phone.radio import NOTIFICATIONS_MAX
from hubsim.phone.sighting import HubChoice

SCAN_SECONDS = 10.0
CONNECT_SECONDS = 15.0
ATT_SECONDS = 6.0
DISCONNECT_SECONDS = 5.0
WRITE_HEADER_BYTES = 3

_T = TypeVar("_T")
_WHY = BleakBluetoothNotAvailableReason
_DENIED = "this program may not use Bluetooth: allow it in the system's privacy settings"
_SENTENCES = {
    _WHY.NO_BLUETOOTH: "this machine has no Bluetooth adapter",
    _WHY.NO_BLE_CENTRAL_ROLE: (
        "this machine's Bluetooth adapter cannot act as a phone (no LE central role)"
    ),
    _WHY.POWERED_OFF: "the Bluetooth adapter is switched off: switch it on",
    _WHY.DENIED_BY_USER: _DENIED,
    _WHY.DENIED_BY_SYSTEM: _DENIED,
    _WHY.DENIED_BY_UNKNOWN: _DENIED,
}
_DBUS_SENTENCES = {
    "org.bluez.Error.NotReady": (
        "the Bluetooth adapter is switched off: try `bluetoothctl power on`"
    ),
    "org.bluez.Error.NotAuthorized": _DENIED,
    "org.freedesktop.DBus.Error.AccessDenied": _DENIED,
}


class BleakLink:
    """One connection to a hub.

    Implements FoundLink. `mtu_max` caps the frames; the system chooses the link's MTU.
    """

    def __init__(self, client: BleakClient, mtu_max: int, att_seconds: float = ATT_SECONDS) -> None:
        self._client = client
        self._mtu_max = mtu_max
        self._att_seconds = att_seconds
        self.mtu = MTU_MIN
        self.address = client.address
        self.notifications: asyncio.Queue[bytes] = asyncio.Queue(NOTIFICATIONS_MAX)

    async def prepare(self) -> None:
        """Subscribe to TX and learn the MTU."""
        tx = self._of(gatt.TX)
        await self._att(self._client.start_notify(tx, self._take))
        link_mtu = self._of(gatt.RX).max_write_without_response_size + WRITE_HEADER_BYTES
        self.mtu = max(MTU_MIN, min(link_mtu, self._mtu_max))

    async def read_info(self) -> bytes:
        """Read INFO whole; the system reads on where the MTU is small."""
        return await self._read(gatt.INFO)

    async def write(self, frame: bytes) -> None:
        """Write one frame to RX."""
        rx = self._of(gatt.RX)
        await self._att(self._client.write_gatt_char(rx, frame, response=True))

    async def pull(self) -> bytes:
        """Read TXR."""
        return await self._read(gatt.TXR)

    async def _read(self, uuid: str) -> bytes:
        characteristic = self._of(uuid)
        value = await self._att(self._client.read_gatt_char(characteristic))
        return bytes(value)

    async def _att(self, operation: Awaitable[_T]) -> _T:
        return await _within(self._att_seconds, operation)

    def _of(self, uuid: str) -> BleakGATTCharacteristic:
        try:
            found = self._client.services.get_characteristic(uuid)
        except BleakError as error:
            raise LinkError("phone: the hub has left") from error
        if found is None:
            raise LinkError("phone: the hub's table has not all characteristics")
        return found

    def _take(self, _: BleakGATTCharacteristic, value: bytearray) -> None:
        if not self.notifications.full():
            self.notifications.put_nowait(bytes(value))


@asynccontextmanager
async def connect(
    adapter: str = "",
    mtu: int = 247,
    beacon_key: bytes | None = None,
    passed_by: frozenset[str] = frozenset(),
) -> AsyncIterator[BleakLink]:
    """Find a hub by its service and its tag, connect and prepare; disconnect at the end.

    `adapter` is an adapter's name or address, on Linux only; "" for any that no hub has. Raise
    LinkError.
    """
    if sys.platform == "linux":
        from hubsim.phone.bleak.adapters import choose

        adapter = await choose(adapter)
    elif adapter:
        raise LinkError("phone: only Linux lets an adapter be chosen; leave --adapter away")
    found = await _find(adapter, beacon_key, passed_by=passed_by)
    client = BleakClient(found, timeout=CONNECT_SECONDS)
    try:
        await _within(CONNECT_SECONDS, client.connect())
        link = BleakLink(client, mtu)
        await link.prepare()
        yield link
    finally:
        with contextlib.suppress(LinkError):  # it has gone by itself
            await _within(DISCONNECT_SECONDS, client.disconnect())


async def _find(
    adapter: str,
    beacon_key: bytes | None,
    make_scanner: Callable[..., BleakScanner] = BleakScanner,
    passed_by: frozenset[str] = frozenset(),
    scan_seconds: float = SCAN_SECONDS,
) -> BLEDevice:
    choice: HubChoice[BLEDevice] = HubChoice(beacon_key, passed_by)

    def seen(device: BLEDevice, shown: AdvertisementData) -> None:
        if gatt.SERVICE in shown.service_uuids:
            choice.seen(device, shown.manufacturer_data.values(), device.address)

    options = {"bluez": {"adapter": adapter}} if adapter else {}
    scanner = make_scanner(seen, service_uuids=[gatt.SERVICE], **options)
    await _within(ATT_SECONDS, scanner.start())
    try:
        return await choice.made(scan_seconds)
    finally:
        with contextlib.suppress(LinkError):  # the adapter has gone
            await _within(ATT_SECONDS, scanner.stop())


async def _within(seconds: float, operation: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await operation
    except (TimeoutError, BleakError, OSError, EOFError) as error:
        raise LinkError(f"phone: {explain(error)}") from error


def explain(error: Exception) -> str:
    """Return what a person reads about what bleak raised."""
    match error:
        case BleakBluetoothNotAvailableError() if error.reason in _SENTENCES:
            return _SENTENCES[error.reason]
        case BleakDBusError() if error.dbus_error in _DBUS_SENTENCES:
            return _DBUS_SENTENCES[error.dbus_error]
        case TimeoutError():
            return "the hub does not answer"
    return f"the hub refused or left: {error!r}"
