"""The service of PKOC in the table of a hub on the virtual air.

Law: who listens is told as BlueZ tells it: of the first subscriber and of the end of the last.
"""

from __future__ import annotations

from collections.abc import Callable

from bumble import att
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from hubcore.errors import PeerError
from hubcore.phone.gatt import APPLICATION_ERROR
from hubcore.pkoc import gatt
from hubcore.ports.radio import LinkId, PkocListener

_WRITE = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
_NOTIFY = Characteristic.Properties.NOTIFY
LinkOf = Callable[[att.Bearer], LinkId]


def pkoc_uuids() -> tuple[int, bytes]:
    """Return what an advertisement has of it."""
    number = gatt.SERVICE_NUMBER.to_bytes(2, "little")
    return AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, number


class PkocService:
    """Put behind the hub's own service on a device; `link_of` may raise ATT_Error."""

    def __init__(self, device: Device, listener: PkocListener, link_of: LinkOf) -> None:
        self._listener = listener
        self._link_of = link_of
        self._subscribed: set[Connection] = set()
        write: Characteristic[bytes] = Characteristic(
            gatt.WRITE, _WRITE, Characteristic.WRITEABLE, CharacteristicValue(write=self._write)
        )
        self.notify: Characteristic[bytes] = Characteristic(
            gatt.NOTIFY, _NOTIFY, Characteristic.Permissions(0), b""
        )
        self.notify.on("subscription", self._subscription)
        device.add_service(Service(UUID.from_16_bits(gatt.SERVICE_NUMBER), [write, self.notify]))

    def gone(self, connection: Connection) -> None:
        """A phone has gone, and with it what it had subscribed."""
        self._keep(connection, listens=False)

    def _subscription(self, connection: Connection, notify: bool, _indicate: bool) -> None:
        self._keep(connection, listens=notify)

    def _keep(self, connection: Connection, listens: bool) -> None:
        before = bool(self._subscribed)
        if listens:
            self._subscribed.add(connection)
        else:
            self._subscribed.discard(connection)
        after = bool(self._subscribed)
        if after is not before:
            self._listener.listens(after)

    def _write(self, connection: Connection, value: bytes) -> None:
        try:
            self._listener.pkoc_frame(self._link_of(connection), bytes(value))
        except PeerError:
            raise att.ATT_Error(APPLICATION_ERROR) from None
