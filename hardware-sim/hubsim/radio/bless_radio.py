"""The hub's radio on a desk's own adapter: `ports.radio.Radio` over bless, for macOS and Windows.

bless does not say which phone reads or writes, when one comes or goes, or what its MTU is, and it
can send none away. So one phone is served at a time:
- Each read of INFO begins a visit and ends the one before. While a request is at work, INFO reads
  as empty instead.
- What another phone writes meanwhile counts as this one's; it can spoil the visit, not prove.
- A visit ends by the protocol's own time limits.
- The MTU is what has been proved: INFO was read in one part, and no write is longer than MTU - 3.

Laws:
1. A lost adapter is never an error of `serve`, which begins again.
2. The listener is called on the event loop alone, whichever thread bless calls from.
3. What bless raises becomes LinkError here.
4. A read is answered at once, since bless cannot wait.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from hubcore.errors import LinkError, PeerError
from hubcore.phone import gatt
from hubcore.ports.radio import Adapter, LinkId, PkocListener, RadioListener

NAME = "hubd"
START_SECONDS = 20.0
STOP_SECONDS = 5.0
CALL_SECONDS = 5.0
BACK_OFF_SECONDS = 2.0
WATCH_SECONDS = 2.0
ANSWER_SECONDS = 5.0
FULL_SECONDS = 0.02
INFO_BYTES = 42
MTU_PROVEN = INFO_BYTES + 2
"""An ATT_MTU at which a phone needs no second part of INFO, which bless could not give it."""
HEADER_BYTES = 3

TellReady = Callable[[bool], None]
Table = dict[str, dict[str, dict[str, Any]]]
"""By service and characteristic: properties, permissions and value."""

_T = TypeVar("_T")


class Characteristic(Protocol):
    """What bless has of a characteristic."""

    uuid: str
    value: bytearray


class Server(Protocol):
    """What is used of bless.BlessServer."""

    read_request_func: Callable[[Characteristic], bytearray]
    write_request_func: Callable[[Characteristic, bytearray], None]

    async def add_gatt(self, tree: Table) -> None: ...
    async def start(self) -> object: ...
    async def stop(self) -> object: ...
    async def is_advertising(self) -> bool: ...
    def get_characteristic(self, uuid: str) -> Characteristic | None: ...
    def update_value(self, service: str, characteristic: str) -> bool: ...


def bless_server() -> Server:
    """Make bless's server for this system."""
    from bless import BlessServer  # type: ignore[attr-defined]

    return cast(Server, BlessServer(name=NAME, loop=asyncio.get_running_loop()))


def table() -> Table:
    """Return the GATT table as bless wants it."""
    from bless import GATTAttributePermissions as Permissions  # type: ignore[attr-defined]
    from bless import GATTCharacteristicProperties as Properties  # type: ignore[attr-defined]

    def row(properties: object, permissions: object) -> dict[str, Any]:
        return {"Properties": properties, "Permissions": permissions, "Value": None}

    return {
        gatt.SERVICE: {
            gatt.INFO: row(Properties.read, Permissions.readable),
            gatt.RX: row(Properties.write, Permissions.writeable),
            gatt.TX: row(Properties.notify, Permissions.readable),
            gatt.TXR: row(Properties.read, Permissions.readable),
        }
    }


class BlessRadio:
    """`make` gives a new server for each time on air; `say` takes a sentence when one ends.

    Every `watch_seconds` it looks whether the hub is on air; after it was lost it pauses for
    `back_off_seconds`.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        make: Callable[[], Server] = bless_server,
        *,
        watch_seconds: float = WATCH_SECONDS,
        back_off_seconds: float = BACK_OFF_SECONDS,
    ) -> None:
        self._say = say
        self._make = make
        self._watch_seconds = watch_seconds
        self._back_off_seconds = back_off_seconds
        self._epochs = itertools.count(1)
        self._on_air: _OnAir | None = None

    async def serve(
        self, listener: RadioListener, ready: TellReady, _pkoc: PkocListener | None = None
    ) -> None:
        """Advertise and serve until cancelled; begin again when anything below is lost.

        It has no second service: a desk with one is refused before (`hubsim.desk`).
        """
        while True:
            ready(False)
            try:
                await self._serve_once(listener, ready)
            except LinkError as error:
                self._say(str(error))
            ready(False)
            await asyncio.sleep(self._back_off_seconds)
            gc.collect()  # dbus_next closes the socket of a server that is over no other way

    def adapter(self) -> Adapter | None:
        """Return what bless knows of the adapter: that it is in use."""
        return None if self._on_air is None else Adapter("bless")

    def rssi(self, _link: LinkId) -> int | None:
        """Not measured: bless does not tell it."""
        return None

    async def _serve_once(self, listener: RadioListener, ready: TellReady) -> None:
        server = await _asked(START_SECONDS, self._made)
        on_air = _OnAir(
            server=server,
            listener=listener,
            epochs=self._epochs,
            watch_seconds=self._watch_seconds,
        )
        self._on_air = on_air
        try:
            await on_air.serve(lambda: ready(True))
        finally:
            self._on_air = None
            on_air.close()
            await _stop(server)

    async def _made(self) -> Server:
        return self._make()

    async def notify(self, link: LinkId, frame: bytes) -> None:
        """Notify whoever has subscribed. Raise LinkError when the visit is over."""
        if self._on_air is None or self._on_air.link != link:
            raise LinkError("radio: the link is gone")
        await self._on_air.notify(frame)

    async def notify_pkoc(self, _message: bytes) -> None:
        """Raise LinkError: there is no second service."""
        raise LinkError("radio: bless serves no second service")

    async def drop(self, link: LinkId) -> None:
        """End a visit. The phone stays connected: bless cannot send it away."""
        if self._on_air is not None and self._on_air.link == link:
            self._on_air.close()


class _OnAir:
    """One time on air, and its visit."""

    def __init__(
        self,
        server: Server,
        listener: RadioListener,
        epochs: itertools.count[int],
        watch_seconds: float,
    ) -> None:
        self._watch_seconds = watch_seconds
        self._server = server
        self._listener = listener
        self._epochs = epochs
        self._loop = asyncio.get_running_loop()
        self._mtu = MTU_PROVEN
        self.link: LinkId | None = None

    async def serve(self, ready: Callable[[], None]) -> None:
        """Put the table on air and watch it; raise LinkError when the system has taken it off."""
        self._server.read_request_func = self._read
        self._server.write_request_func = self._write
        await _asked(START_SECONDS, lambda: self._server.add_gatt(table()))
        await _asked(START_SECONDS, self._server.start)
        ready()
        while await _asked(CALL_SECONDS, self._server.is_advertising):  # noqa: ASYNC110 (bless tells nobody)
            await asyncio.sleep(self._watch_seconds)
        raise LinkError("radio: the system has taken the hub off the air")

    async def notify(self, frame: bytes) -> None:
        """Notify; wait while the system's queue is full. Raise LinkError."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                characteristic = self._server.get_characteristic(gatt.TX)
                assert characteristic is not None
                characteristic.value = bytearray(frame)
                while not self._server.update_value(gatt.SERVICE, gatt.TX):  # noqa: ASYNC110 (bless tells nobody)
                    await asyncio.sleep(FULL_SECONDS)
        except Exception as error:
            raise LinkError(f"radio: the system does not notify: {error!r}") from error

    def close(self) -> None:
        """End the visit, if there is one."""
        link = self.link
        self.link = None
        if link is not None:
            self._listener.closed(link)

    def _read(self, characteristic: Characteristic) -> bytearray:
        uuid = str(characteristic.uuid).lower()
        return self._on_loop(lambda: bytearray(self._value(uuid)))

    def _write(self, characteristic: Characteristic, value: bytearray) -> None:
        uuid = str(characteristic.uuid).lower()
        self._on_loop(lambda: self._frame(uuid, bytes(value)))

    def _value(self, uuid: str) -> bytes:
        match uuid:
            case gatt.INFO:
                return self._challenge()
            case gatt.TXR if self.link is not None:
                return self._listener.next_frame(self.link, self._mtu)
        return b""

    def _challenge(self) -> bytes:
        if self.link is not None:
            if not self._listener.info(self.link):
                return b""  # a request is at work: whoever this is may ask again
            self.close()
        self.link = LinkId(NAME, next(self._epochs))
        self._mtu = MTU_PROVEN
        self._listener.opened(self.link)
        return self._listener.info(self.link)

    def _frame(self, uuid: str, value: bytes) -> None:
        if uuid != gatt.RX or self.link is None:
            _refuse()
            return
        proven = len(value) + HEADER_BYTES
        self._mtu = min(gatt.ATT_MTU_MAX, max(self._mtu, proven))
        try:
            self._listener.frame(self.link, value, self._mtu)
        except PeerError:
            _refuse()

    def _on_loop(self, work: Callable[[], _T]) -> _T:
        """Do work on the event loop: at once when this is its thread, else waiting for it there."""
        with contextlib.suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                return work()
        done: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(work())
            except Exception as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(ANSWER_SECONDS)


def _refuse() -> None:
    """Answer a write with the protocol's ATT error where bless can: on BlueZ.

    Elsewhere it always says yes.
    """
    if sys.platform == "linux":
        from dbus_next.errors import DBusError

        raise DBusError("org.bluez.Error.Failed", f"0x{gatt.APPLICATION_ERROR:02x}")  # type: ignore[no-untyped-call]


async def _asked(seconds: float, ask: Callable[[], Any]) -> Any:
    """Await what bless does, within a time limit. Raise LinkError."""
    try:
        async with asyncio.timeout(seconds):
            return await ask()
    except Exception as error:
        raise LinkError(f"radio: the system's Bluetooth fails: {error!r}") from error


async def _stop(server: Server) -> None:
    """Take it off the air as far as possible; on BlueZ its bus connection has to be closed, too."""
    with contextlib.suppress(LinkError):
        await _asked(STOP_SECONDS, server.stop)
    bus = getattr(server, "bus", None)
    if bus is not None:
        bus.disconnect()
