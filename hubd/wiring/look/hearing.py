"""Whether what this hub advertises is on the air: a second adapter of the machine listens for it.

Laws:
1. The hub's own adapter is left alone. Nobody is connected to, and nothing is paired.
2. What the second adapter heard before does not count: it forgets it first.
3. It ends in time, and the second adapter ends its search, whatever happened.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from dbus_fast import Variant

from hubcore.errors import HardwareError, LinkError
from hubcore.phone import gatt
from hubd.adapters.bluez.bus import Bluez, Method, connected
from hubd.adapters.bluez.choice import choose, missing_adapter
from hubd.adapters.bluez.mirror import ADAPTER, DEVICE

HEAR_SECONDS = 10.0
"""An advertisement comes some twenty times a second."""
SET_FILTER = Method(ADAPTER, "SetDiscoveryFilter", "a{sv}")
START = Method(ADAPTER, "StartDiscovery")
STOP = Method(ADAPTER, "StopDiscovery")
REMOVE = Method(ADAPTER, "RemoveDevice", "o")


async def hear(wanted: str, address: str | None = None, seconds: float = HEAR_SECONDS) -> str:
    """Hear the adapter `wanted` of [radio] by another one; say which.

    `address` is that of a bus which is not the system's. Raise LinkError when nothing comes,
    HardwareError where there is no second adapter.
    """
    async with connected(address) as bluez:
        await bluez.appear()
        own = choose(bluez.objects, wanted)
        if own is None:
            raise LinkError(missing_adapter(bluez.objects, wanted))
        ear = _second(bluez, own)
        name = ear.rpartition("/")[2]
        heard = f"{ear}/dev_{str(bluez.objects[own][ADAPTER]['Address']).replace(':', '_')}"
        if bluez.objects.get(heard, {}).get(DEVICE, {}).get("Connected"):
            raise HardwareError(f"{name} is connected to this hub, so it cannot listen for it")
        if heard in bluez.objects:
            await bluez.call(ear, REMOVE, heard)
        await _search(bluez, ear, heard, seconds)
    return f"{name} heard what this hub advertises"


def _second(bluez: Bluez, own: str) -> str:
    """Return another adapter that is switched on. Raise HardwareError."""
    for path, interfaces in sorted(bluez.objects.items()):
        if path != own and interfaces.get(ADAPTER, {}).get("Powered"):
            return path
    raise HardwareError(
        "it takes a second Bluetooth adapter, switched on, to hear what this hub advertises"
    )


async def _search(bluez: Bluez, ear: str, heard: str, seconds: float) -> None:
    """Search until the hub is heard. Raise LinkError."""
    only = {"Transport": Variant("s", "le"), "UUIDs": Variant("as", [gatt.SERVICE])}
    await bluez.call(ear, SET_FILTER, only)
    await bluez.call(ear, START)
    try:
        async with asyncio.timeout(seconds):
            await bluez.until(lambda: bluez.objects.get(heard, {}).get(DEVICE))
    except TimeoutError:
        name = ear.rpartition("/")[2]
        raise LinkError(f"{name} heard nothing of this hub within {seconds:g} s") from None
    finally:
        with suppress(LinkError):
            await bluez.call(ear, STOP)
