"""The hub's table in the browser's emulation: a service and its four characteristics."""

from __future__ import annotations

from hubcore.phone import gatt
from hubsim.chromium.browser import Browser

CCC = "00002902-0000-1000-8000-00805f9b34fb"
PROPERTIES = {
    gatt.INFO: {"read": True},
    gatt.RX: {"write": True},
    gatt.TX: {"notify": True},
    gatt.TXR: {"read": True},
}


async def add_table(browser: Browser, address: str, notifies: bool) -> dict[str, str]:
    """Put the table at an emulated peripheral; return characteristics' ids with their UUIDs.

    Raise BrowserError.
    """
    uuids = {}
    service = await browser.call(
        "BluetoothEmulation.addService", address=address, serviceUuid=gatt.SERVICE.lower()
    )
    for uuid, properties in PROPERTIES.items():
        added = await browser.call(
            "BluetoothEmulation.addCharacteristic",
            serviceId=service["serviceId"],
            characteristicUuid=uuid.lower(),
            properties=properties,
        )
        uuids[added["characteristicId"]] = uuid
        if uuid == gatt.TX and notifies:
            await browser.call(
                "BluetoothEmulation.addDescriptor",
                characteristicId=added["characteristicId"],
                descriptorUuid=CCC,
            )
    return uuids
