"""A mirror of bluetoothd's adapters and devices, fed by what bluetoothd says on the bus.

Law: the mirror holds no more than bluetoothd itself does, and of it only what is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dbus_fast import Message, Variant

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
GATT_MANAGER = "org.bluez.GattManager1"
ADVERTISING_MANAGER = "org.bluez.LEAdvertisingManager1"

_READ: Mapping[str, tuple[str, ...]] = {
    ADAPTER: ("Address", "Powered", "UUIDs"),
    DEVICE: ("Connected", "Bonded", "Adapter"),
    GATT_MANAGER: (),
    ADVERTISING_MANAGER: (),
}
"""The interfaces that are read, and of each the properties."""

Properties = dict[str, Any]
"""Property to plain value."""
Objects = dict[str, dict[str, Properties]]
"""Path to interface to properties."""
Interfaces = Mapping[str, Mapping[str, Variant]]
"""Interface to property to value, as the bus brings them."""


class BusListener(Protocol):
    """Hears what bluetoothd does, on the event loop, in the order it did it."""

    def called(self, message: Message) -> Message | bool:
        """Answer bluetoothd's call; True: the answer is sent later, False: no such method."""

    def changed(self, path: str, interface: str, properties: Mapping[str, Any]) -> None:
        """Properties of an object are these now; they are in the mirror already."""

    def removed(self, path: str, interface: str) -> None:
        """An object has lost an interface; it is out of the mirror already."""


class Mirror:
    """`objects` maps path to interface to property to plain value."""

    def __init__(self) -> None:
        self.objects: Objects = {}
        self.listener: BusListener | None = None

    def holds(self, path: str, interface: str) -> bool:
        """Tell whether an object has the interface."""
        return interface in self.objects.get(path, {})

    def update(self, path: str, interfaces: Interfaces) -> None:
        """Take in properties of an object, and tell the listener."""
        for interface, properties in interfaces.items():
            if interface in _READ:
                self._update_interface(path, interface, properties)

    def _update_interface(
        self,
        path: str,
        interface: str,
        properties: Mapping[str, Variant],
    ) -> None:
        values: Properties = {}
        for name in _READ[interface]:
            if name in properties:
                values[name] = properties[name].value
        known = self.objects.setdefault(path, {})
        known.setdefault(interface, {}).update(values)
        if self.listener is not None:
            self.listener.changed(path, interface, values)

    def remove(self, path: str, interfaces: Sequence[str]) -> None:
        """Take interfaces of an object out, and tell the listener."""
        known = self.objects.get(path)
        if known is None:
            return
        for interface in interfaces:
            was_known = known.pop(interface, None) is not None
            if was_known and self.listener is not None:
                self.listener.removed(path, interface)
        if not known:
            self.objects.pop(path, None)

    def remove_all(self) -> None:
        """Take everything out, and tell the listener."""
        for path, interfaces in list(self.objects.items()):
            self.remove(path, list(interfaces))
