"""The GATT table on D-Bus: what bluetoothd asks of it, and how `RadioListener` answers.

Laws: every read and write is taken for the device that BlueZ names in its options, never for "the"
phone; a value read in parts is one value; nothing but LE is served; every call is answered at once,
for when a phone leaves before its request is answered, BlueZ uses memory that it has freed (its
issue 2447), and 5 s later most often falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbus_fast import Message, Variant

from hubcore.errors import PeerError
from hubcore.phone import gatt
from hubcore.phone.framing import MTU_MIN
from hubcore.ports.radio import RadioListener
from hubd.adapters.bluez.bus import OBJECT_MANAGER, PROPERTIES
from hubd.adapters.bluez.visits import Visit, Visits

ROOT = "/org/hubd/radio"
SERVICE_PATH = f"{ROOT}/service0"
INFO_PATH, RX_PATH, TX_PATH, TXR_PATH = (f"{SERVICE_PATH}/char{number}" for number in range(4))
SERVICE_INTERFACE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

FAILED = "org.bluez.Error.Failed"
INVALID_OFFSET = "org.bluez.Error.InvalidOffset"
NOT_SUPPORTED = "org.bluez.Error.NotSupported"
INVALID_ARGUMENTS = "org.freedesktop.DBus.Error.InvalidArgs"
APPLICATION_ERROR = f"0x{gatt.APPLICATION_ERROR:02x}"

_CHARACTERISTICS = (
    (INFO_PATH, gatt.INFO, "read"),
    (RX_PATH, gatt.RX, "write"),
    (TX_PATH, gatt.TX, "notify"),
    (TXR_PATH, gatt.TXR, "read"),
)


def managed_objects() -> dict[str, dict[str, dict[str, Variant]]]:
    """Return the application as GetManagedObjects tells it, in the order of the table."""
    service = {"UUID": Variant("s", gatt.SERVICE), "Primary": Variant("b", True)}
    objects = {SERVICE_PATH: {SERVICE_INTERFACE: service}}
    for path, uuid, flag in _CHARACTERISTICS:
        properties = {
            "UUID": Variant("s", uuid),
            "Service": Variant("o", SERVICE_PATH),
            "Flags": Variant("as", [flag]),
        }
        objects[path] = {CHARACTERISTIC: properties}
    return objects


class _Refusal(Exception):
    """A call that is answered with a D-Bus error of this name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class GattTable:
    """Answers bluetoothd's calls."""

    def __init__(self, listener: RadioListener, visits: Visits) -> None:
        self._listener = listener
        self._visits = visits

    def called(self, message: Message) -> Message | bool:
        """Answer a call; False when it is none of the table's."""
        try:
            match message.interface, message.member:
                case (str(interface), "GetManagedObjects") if interface == OBJECT_MANAGER:
                    return Message.new_method_return(message, "a{oa{sa{sv}}}", [managed_objects()])
                case (str(interface), "GetAll") if interface == PROPERTIES:
                    return Message.new_method_return(message, "a{sv}", [_properties(message)])
                case (str(interface), "ReadValue") if interface == CHARACTERISTIC:
                    return self._read(message, *_options(message, "a{sv}"))
                case (str(interface), "WriteValue") if interface == CHARACTERISTIC:
                    return self._write(message, *_options(message, "aya{sv}"))
                case (str(interface), "StartNotify" | "StopNotify") if interface == CHARACTERISTIC:
                    # subscribing is no more than a wish to hear
                    return Message.new_method_return(message)
                case _:
                    return False
        except _Refusal as refusal:
            return Message.new_error(message, refusal.name, str(refusal))
        except PeerError:
            return Message.new_error(message, FAILED, APPLICATION_ERROR)

    def _write(self, message: Message, options: Mapping[str, Any], value: bytes) -> Message:
        visit = self._visit(options)
        if message.path != RX_PATH:
            raise _Refusal(NOT_SUPPORTED, "only RX is written")
        if options.get("offset", 0):
            raise _Refusal(INVALID_OFFSET, "a frame is written from its beginning")
        self._listener.frame(visit.link, value, options.get("mtu", MTU_MIN))
        return Message.new_method_return(message)

    def _read(self, message: Message, options: Mapping[str, Any], _: bytes) -> Message:
        visit = self._visit(options)
        offset = options.get("offset", 0)
        path = message.path or ""
        if path not in (INFO_PATH, TXR_PATH):
            raise _Refusal(NOT_SUPPORTED, "only INFO and TXR are read")
        if offset:
            before = visit.served.get(path)
            if before is None or offset > len(before):
                raise _Refusal(INVALID_OFFSET, "nothing was read up to there")
            return _value(message, before[offset:])
        if path == TXR_PATH:
            value = self._listener.next_frame(visit.link, options.get("mtu", MTU_MIN))
        else:
            value = self._listener.info(visit.link)
        visit.served[path] = value
        return _value(message, value)

    def _visit(self, options: Mapping[str, Any]) -> Visit:
        device = options.get("device")
        if not isinstance(device, str):
            raise _Refusal(INVALID_ARGUMENTS, "BlueZ does not say which device this is")
        if options.get("link", "LE") != "LE":
            raise _Refusal(NOT_SUPPORTED, "only LE is served")
        return self._visits.of(device)


def _options(message: Message, signature: str) -> tuple[dict[str, Any], bytes]:
    """Return (options as plain values, the bytes written)."""
    if message.signature != signature:
        raise _Refusal(INVALID_ARGUMENTS, f"the signature is {signature}")
    options = {name: variant.value for name, variant in message.body[-1].items()}
    return options, bytes(message.body[0]) if signature == "aya{sv}" else b""


def _properties(message: Message) -> dict[str, Variant]:
    interface = message.body[0] if message.signature == "s" else ""
    return managed_objects().get(message.path or "", {}).get(interface, {})


def _value(message: Message, value: bytes) -> Message:
    return Message.new_method_return(message, "ay", [value])
