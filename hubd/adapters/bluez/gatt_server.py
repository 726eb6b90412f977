"""The GATT table on D-Bus: what bluetoothd asks of it, and how `RadioListener` answers.

Laws:
1. Every read and write is taken for the device that BlueZ names in its options, never for "the"
   phone.
2. A value read in parts is one value.
3. Nothing but LE is served.
4. The service of PKOC stands behind the hub's own, where it is on; without it the table is the
   hub's own alone.
5. Every call is answered at once. When a phone leaves before its request is answered, BlueZ uses
   memory that it has freed (its issue 2447), and most often crashes 5 s later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbus_fast import Message, Variant

from hubcore.errors import PeerError
from hubcore.phone import gatt
from hubcore.phone.framing import MTU_MIN
from hubcore.pkoc import gatt as pkoc_gatt
from hubcore.ports.radio import PkocListener, RadioListener
from hubd.adapters.bluez.bus import OBJECT_MANAGER, PROPERTIES
from hubd.adapters.bluez.connections import Connection, Connections

ROOT = "/org/hubd/radio"
SERVICE_PATH = f"{ROOT}/service0"
INFO_PATH = f"{SERVICE_PATH}/char0"
RX_PATH = f"{SERVICE_PATH}/char1"
TX_PATH = f"{SERVICE_PATH}/char2"
TXR_PATH = f"{SERVICE_PATH}/char3"
PKOC_PATH = f"{ROOT}/service1"
PKOC_WRITE_PATH = f"{PKOC_PATH}/char0"
PKOC_NOTIFY_PATH = f"{PKOC_PATH}/char1"
SERVICE_INTERFACE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

FAILED = "org.bluez.Error.Failed"
INVALID_OFFSET = "org.bluez.Error.InvalidOffset"
NOT_SUPPORTED = "org.bluez.Error.NotSupported"
INVALID_ARGUMENTS = "org.freedesktop.DBus.Error.InvalidArgs"
APPLICATION_ERROR = f"0x{gatt.APPLICATION_ERROR:02x}"


@dataclass(frozen=True, slots=True)
class _Service:
    """A service and its characteristics, each with its path, UUID and flags."""

    path: str
    uuid: str
    characteristics: tuple[tuple[str, str, tuple[str, ...]], ...]


_OWN = _Service(
    SERVICE_PATH,
    gatt.SERVICE,
    (
        (INFO_PATH, gatt.INFO, ("read",)),
        (RX_PATH, gatt.RX, ("write",)),
        (TX_PATH, gatt.TX, ("notify",)),
        (TXR_PATH, gatt.TXR, ("read",)),
    ),
)
_PKOC = _Service(
    PKOC_PATH,
    pkoc_gatt.SERVICE,
    (
        (PKOC_WRITE_PATH, pkoc_gatt.WRITE, ("write", "write-without-response")),
        (PKOC_NOTIFY_PATH, pkoc_gatt.NOTIFY, ("notify",)),
    ),
)

_Objects = dict[str, dict[str, dict[str, Variant]]]


def managed_objects(with_pkoc: bool = False) -> _Objects:
    """Return the application as GetManagedObjects tells it, in the order of the table."""
    objects: _Objects = {}
    for service in (_OWN, _PKOC) if with_pkoc else (_OWN,):
        objects |= _objects_of(service)
    return objects


def _objects_of(service: _Service) -> _Objects:
    about = {
        "UUID": Variant("s", service.uuid),
        "Primary": Variant("b", True),
    }
    objects = {service.path: {SERVICE_INTERFACE: about}}
    for path, uuid, flags in service.characteristics:
        properties = {
            "UUID": Variant("s", uuid),
            "Service": Variant("o", service.path),
            "Flags": Variant("as", list(flags)),
        }
        objects[path] = {CHARACTERISTIC: properties}
    return objects


class _Refusal(Exception):
    """A call that is answered with a D-Bus error of this name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


_Call = tuple[str | None, str | None]
"""Interface and member of a call."""
_Answer = Callable[[Message], Message]


@dataclass(frozen=True, slots=True)
class _Access:
    """Who reads or writes, from which offset, and with which MTU."""

    connection: Connection
    offset: int
    mtu: int


class GattServer:
    """Answers bluetoothd's calls."""

    def __init__(
        self,
        listener: RadioListener,
        connections: Connections,
        pkoc: PkocListener | None = None,
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._pkoc = pkoc
        self._objects = managed_objects(with_pkoc=pkoc is not None)
        self._answers: Mapping[_Call, _Answer] = {
            (OBJECT_MANAGER, "GetManagedObjects"): self._answer_objects,
            (PROPERTIES, "GetAll"): self._answer_properties,
            (CHARACTERISTIC, "ReadValue"): self._read,
            (CHARACTERISTIC, "WriteValue"): self._write,
            (CHARACTERISTIC, "StartNotify"): self._subscribed,
            (CHARACTERISTIC, "StopNotify"): self._subscribed,
        }

    def called(self, message: Message) -> Message | bool:
        """Answer a call; False when it is none of the table's."""
        answer = self._answers.get((message.interface, message.member))
        if answer is None:
            return False
        try:
            return answer(message)
        except _Refusal as refusal:
            return Message.new_error(message, refusal.name, str(refusal))
        except PeerError:
            return Message.new_error(message, FAILED, APPLICATION_ERROR)

    def _write(self, message: Message) -> Message:
        _check_signature(message, "aya{sv}")
        value, options = message.body
        access = self._access(options)
        is_pkoc = self._pkoc is not None and message.path == PKOC_WRITE_PATH
        if message.path != RX_PATH and not is_pkoc:
            raise _Refusal(NOT_SUPPORTED, "only RX is written")
        if access.offset:
            raise _Refusal(INVALID_OFFSET, "a frame is written from its beginning")
        link = access.connection.link
        if self._pkoc is not None and is_pkoc:
            self._pkoc.pkoc_frame(link, bytes(value))
        else:
            self._listener.frame(link, bytes(value), access.mtu)
        return Message.new_method_return(message)

    def _subscribed(self, message: Message) -> Message:
        """Take that somebody subscribes, or nobody any more.

        Of the hub's own TX that is no more than a wish to hear. BlueZ tells of the first subscriber
        and of the end of the last, and names nobody.
        """
        if self._pkoc is not None and message.path == PKOC_NOTIFY_PATH:
            self._pkoc.listens(message.member == "StartNotify")
        return Message.new_method_return(message)

    def _answer_objects(self, message: Message) -> Message:
        return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects])

    def _answer_properties(self, message: Message) -> Message:
        interface = message.body[0] if message.signature == "s" else ""
        interfaces = self._objects.get(message.path or "", {})
        properties = interfaces.get(interface, {})
        return Message.new_method_return(message, "a{sv}", [properties])

    def _read(self, message: Message) -> Message:
        _check_signature(message, "a{sv}")
        (options,) = message.body
        access = self._access(options)
        path = message.path or ""
        if path not in (INFO_PATH, TXR_PATH):
            raise _Refusal(NOT_SUPPORTED, "only INFO and TXR are read")
        served = access.connection.served
        if access.offset:
            value = served.get(path)
            if value is None or access.offset > len(value):
                raise _Refusal(INVALID_OFFSET, "nothing was read up to there")
            return _answer_value(message, value[access.offset :])
        link = access.connection.link
        if path == TXR_PATH:
            value = self._listener.next_frame(link, access.mtu)
        else:
            value = self._listener.info(link)
        served[path] = value
        return _answer_value(message, value)

    def _access(self, options: Mapping[str, Variant]) -> _Access:
        """Read the options of a call. Raise _Refusal."""
        plain = {name: variant.value for name, variant in options.items()}
        device = plain.get("device")
        if not isinstance(device, str):
            raise _Refusal(INVALID_ARGUMENTS, "BlueZ does not say which device this is")
        if plain.get("link", "LE") != "LE":
            raise _Refusal(NOT_SUPPORTED, "only LE is served")
        return _Access(
            connection=self._connections.of(device),
            offset=plain.get("offset", 0),
            mtu=plain.get("mtu", MTU_MIN),
        )


def _check_signature(message: Message, signature: str) -> None:
    if message.signature != signature:
        raise _Refusal(INVALID_ARGUMENTS, f"the signature is {signature}")


def _answer_value(message: Message, value: bytes) -> Message:
    return Message.new_method_return(message, "ay", [value])
