"""Which hubs are near a browser: what its adapter has heard of them on the virtual air.

Law: a hub counts once it has answered a scan, so that its name is known, or that it has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Device
from bumble.hci import Address

from hubcore.errors import LinkError
from hubcore.phone import gatt

SCAN_SECONDS = 10.0
Near = dict[Address, str]
"""What each hub is called on the air, "" for one without a name."""


async def hubs_near(device: Device, wanted: int) -> Near:
    """Scan until so many hubs have answered; return them. Raise LinkError when they do not."""
    near: Near = {}
    enough = asyncio.Event()

    def seen(advertisement: Advertisement) -> None:
        if not _is_hub(advertisement.data) or not advertisement.is_scannable:
            return
        near[advertisement.address] = _name_in(advertisement.data)
        if len(near) >= wanted:
            enough.set()

    device.on("advertisement", seen)
    await device.start_scanning(filter_duplicates=False)
    try:
        async with asyncio.timeout(SCAN_SECONDS):
            await enough.wait()
    except TimeoutError:
        raise LinkError(f"{len(near)} hubs are in sight, not {wanted}") from None
    finally:
        device.remove_listener("advertisement", seen)
        await device.stop_scanning()
    return near


def _is_hub(data: AdvertisingData) -> bool:
    services: object = data.get(AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
    return isinstance(services, Iterable) and UUID(gatt.SERVICE) in services


def _name_in(data: AdvertisingData) -> str:
    name = data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME)
    return name if isinstance(name, str) else ""
