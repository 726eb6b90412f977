"""bluetoothd seen over one bus connection: calls with a time limit, and a mirror of its objects.

Laws:
1. Only the present owner of org.bluez is believed and answered.
2. Every call ends within `call_seconds`.
3. What dbus-fast raises becomes LinkError here.
4. A connection that was handed over is asked first who bluetoothd is and what there is. Calls that
   come before the answer wait for it: no phone is refused because its hub has changed hands.
5. After `settle` nothing is read, and nobody begins to say anything. Whoever tries waits until he
   is ended.
6. A connection that could not be taken up is closed here, and goes on for who handed it over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dbus_fast import Message, MessageFlag, MessageType, Variant

from hubcore.errors import LinkError
from hubcore.update.packets import UNREAD_BYTES_MAX, Connection
from hubd.adapters.bluez.mirror import BusListener, Interfaces, Mirror
from hubd.adapters.bluez.plan import HUB_TIMES, RadioTimes
from hubd.adapters.dbus.handing import HandedBus
from hubd.adapters.dbus.openbus import OpenBus

BLUEZ = "org.bluez"
BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
DEFERRED_MAX = 256
"""Calls that wait; bluetoothd has one of each phone under way."""
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"

_MATCHES = (
    f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',member='PropertiesChanged'",
    f"type='signal',sender='{BLUEZ}',interface='{OBJECT_MANAGER}'",
)

_T = TypeVar("_T")

OnReply = Callable[[Message], None]
"""Takes a good reply before any later message is seen, which awaiting it does not promise."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an interface, with the D-Bus signature of what it takes."""

    interface: str
    name: str
    signature: str = ""


ADD_MATCH = Method(BUS, "AddMatch", "s")
GET_NAME_OWNER = Method(BUS, "GetNameOwner", "s")
START_SERVICE = Method(BUS, "StartServiceByName", "su")
GET_MANAGED_OBJECTS = Method(OBJECT_MANAGER, "GetManagedObjects")
GET_ALL = Method(PROPERTIES, "GetAll", "s")
SET = Method(PROPERTIES, "Set", "ssv")


class BluezError(LinkError):
    """bluetoothd refused a call; `name` is the D-Bus error's name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class Bluez:
    """One connection. `objects` is the mirror: path to interface to property to plain value.

    `owner` is the unique name of bluetoothd, "" while there is none. `mirrored` tells whether its
    objects are in the mirror.
    """

    def __init__(self, bus: OpenBus, times: RadioTimes = HUB_TIMES) -> None:
        self._bus = bus
        self._times = times
        self._changed = asyncio.Event()
        self._on_reply: dict[int, OnReply] = {}
        self._mirror = Mirror()
        self._first_owner = ""
        self._deferred: list[Message] | None = None
        """Calls that wait until it is known what there is."""
        self._replies = 0
        self._is_settled = False
        self.owner = ""
        self.mirrored = False
        self.objects = self._mirror.objects
        bus.add_message_handler(self._message)

    def listen(self, listener: BusListener | None) -> None:
        """Have the listener hear what bluetoothd does; None: nobody hears it."""
        self._mirror.listener = listener

    @property
    def half_done(self) -> int:
        """How many calls and messages are not whole, in either direction.

        More unread bytes than may be handed over count as one: the rest of them is on its way.
        """
        return self._replies + (len(self._bus.unread) > UNREAD_BYTES_MAX)

    def settle(self) -> None:
        """Read nothing more, and have nobody say anything more."""
        self._is_settled = True
        self._bus.settle()

    async def let_go(self, adapter: str, advertisement: int) -> HandedBus:
        """Write what is to be sent, and let the connection go. Raise LinkError.

        `adapter` and `advertisement` say what is on air.
        """
        self.settle()
        try:
            async with asyncio.timeout(self._times.call_seconds):
                await self._bus.drain()
        except TimeoutError as error:
            raise LinkError("radio: the system bus does not take what is to be sent") from error
        talk = Connection(
            unique_name=self._bus.unique_name or "",
            serial=self._bus.serial,
            unread=bytes(self._bus.unread),
            service=self.owner,
            adapter=adapter,
            advertisement=advertisement,
        )
        return HandedBus(self._bus.let_go(), talk)

    async def resume(self, service: str) -> None:
        """Go on where another process stood, and mirror what there is.

        Raise LinkError when bluetoothd is another by now.
        """
        self._deferred = []
        self._bus.listen()
        self._first_owner = service

        def found_objects(reply: Message) -> None:
            if self.owner == service:
                self._found_objects(reply)

        # both at once, for phones wait: the bus answers the first before it passes the second on
        answers: Sequence[list[Any] | BaseException] = await asyncio.gather(
            self._call(BUS, BUS_PATH, GET_NAME_OWNER, body=[BLUEZ], on_reply=self._found_owner),
            self._call(service, "/", GET_MANAGED_OBJECTS, body=(), on_reply=found_objects),
            return_exceptions=True,
        )
        owner, objects = answers
        if isinstance(owner, BaseException):
            raise owner
        if self.owner != service:
            raise LinkError("radio: bluetoothd is another than the one with the hub's table")
        if isinstance(objects, BaseException):
            raise objects

    def answer_deferred(self) -> None:
        """Answer the calls that came before it was known what there is."""
        deferred = self._deferred or []
        self._deferred = None
        for message in deferred:
            answer = self._answer(message)
            if answer is False:
                answer = Message.new_error(message, UNKNOWN_METHOD, "the radio has no such method")
            if isinstance(answer, Message) and not message.flags & MessageFlag.NO_REPLY_EXPECTED:
                self._bus.send(answer)

    async def lost(self) -> None:
        """Wait until the connection is lost; raise LinkError then."""
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise LinkError(f"radio: the system bus is lost: {error}") from error
        raise LinkError("radio: the system bus is lost")

    async def appear(self) -> None:
        """Wait for bluetoothd and mirror its objects."""
        for rule in _MATCHES:
            await self.ask_bus(ADD_MATCH, rule)
        try:
            await self._call(
                BUS,
                BUS_PATH,
                GET_NAME_OWNER,
                body=[BLUEZ],
                on_reply=self._found_owner,
            )
        except BluezError as error:
            if error.name != NO_OWNER:
                raise
            await self._revive()
        self._first_owner = self._present()
        await self._call(
            self._first_owner,
            "/",
            GET_MANAGED_OBJECTS,
            body=(),
            on_reply=self._found_objects,
        )

    async def until(self, found: Callable[[], _T | None]) -> _T:
        """Wait until something in the mirror is as wanted, and return it.

        Raise LinkError when bluetoothd has gone.
        """
        while self.owner == self._first_owner:
            value = found()
            if value is not None:
                return value
            self._changed.clear()
            await self._changed.wait()
        raise LinkError("radio: bluetoothd is gone")

    async def call(self, path: str, method: Method, *body: Any) -> list[Any]:
        """Call bluetoothd. Raise BluezError when it refuses, LinkError when it does not answer."""
        owner = self._present()
        return await self._call(owner, path, method, body)

    async def call_unanswered(self, path: str, method: Method, *body: Any) -> None:
        """Call bluetoothd without waiting for what it says. Raise LinkError when there is none."""
        message = _message_to(self._present(), path, method, body)
        message.flags = MessageFlag.NO_REPLY_EXPECTED
        await self.send(message)

    async def ask(self, to: str, path: str, method: Method, *body: Any) -> list[Any]:
        """Call somebody else on the bus.

        Raise BluezError when it refuses, LinkError when it does not answer.
        """
        return await self._call(to, path, method, body)

    async def ask_bus(self, method: Method, *body: Any) -> list[Any]:
        """Call the bus itself. Raise as `ask`."""
        return await self._call(BUS, BUS_PATH, method, body)

    async def set(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Set a property."""
        await self.call(path, SET, interface, name, value)

    async def emit(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Tell bluetoothd that a property of ours has changed.

        Return when it is written to the bus.
        """
        body = [interface, {name: value}, []]
        message = Message.new_signal(
            path=path,
            interface=PROPERTIES,
            member="PropertiesChanged",
            signature="sa{sv}as",
            body=body,
        )
        message.destination = self._present()
        await self.send(message)

    async def send(self, message: Message) -> None:
        """Write one message. Raise LinkError when the bus does not take it."""
        await self._may_speak()
        try:
            async with asyncio.timeout(self._times.call_seconds):
                await self._bus.send(message)
        except Exception as error:
            raise LinkError(f"radio: cannot send on the system bus: {error!r}") from error

    async def _revive(self) -> None:
        """Wait for bluetoothd, and have the bus start it.

        Debian's unit does not come back after a crash by itself. A bluetoothd that is being
        restarted gets `grace_seconds` first: a request that comes before systemd has noticed its
        end starts nothing, and blocks the next request for as long as the bus waits for it (25 s).
        The bus's answer is of no use: it comes only then, and whoever mends a masked or broken unit
        may also start it.
        """
        wait_seconds = self._times.grace_seconds
        while not self.owner:
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._changed.wait()
            except TimeoutError:
                request = _message_to(BUS, BUS_PATH, START_SERVICE, (BLUEZ, 0))
                request.flags = MessageFlag.NO_REPLY_EXPECTED
                await self.send(request)
                wait_seconds = self._times.revive_seconds
            self._changed.clear()

    def _present(self) -> str:
        """Return the name of the bluetoothd that is there. Raise LinkError when there is none.

        To call the well-known name would start another.
        """
        if not self.owner:
            raise LinkError("radio: bluetoothd is gone")
        return self.owner

    async def _may_speak(self) -> None:
        if self._is_settled:
            await asyncio.get_running_loop().create_future()

    async def _call(
        self,
        to: str,
        path: str,
        method: Method,
        body: Sequence[Any],
        on_reply: OnReply | None = None,
    ) -> list[Any]:
        await self._may_speak()
        message = _message_to(to, path, method, body)
        message.serial = self._bus.next_serial()
        if on_reply is not None:
            self._on_reply[message.serial] = on_reply
        self._replies += 1
        try:
            async with asyncio.timeout(self._times.call_seconds):
                reply = await self._bus.call(message)
        except Exception as error:
            raise LinkError(f"radio: {to} does not answer {method.name}: {error!r}") from error
        finally:
            self._replies -= 1
            self._on_reply.pop(message.serial, None)
        if reply is None:
            raise BluezError("", f"radio: {to} gives no reply to {method.name}")
        if reply.message_type is MessageType.ERROR:
            name = reply.error_name or ""
            text = " ".join(str(part) for part in reply.body)
            raise BluezError(name, f"radio: {to} refuses {method.name}: {name}: {text}")
        return list(reply.body)

    def _message(self, message: Message) -> Message | bool | None:
        """Sort what the bus brings; what is not ours to answer is left to dbus-fast."""
        match message.message_type:
            case MessageType.METHOD_CALL if self._deferred is not None:
                return self._defer(message)
            case MessageType.METHOD_CALL:
                answer = self._answer(message)
                if answer and message.flags & MessageFlag.NO_REPLY_EXPECTED:
                    return True
                return answer or None
            case MessageType.METHOD_RETURN:
                on_reply = self._on_reply.pop(message.reply_serial, None)
                if on_reply is not None:
                    on_reply(message)
            case MessageType.SIGNAL if message.sender == BUS:
                if message.member == "NameOwnerChanged" and message.body[0] == BLUEZ:
                    self._owner_changed(message.body[2])
            case MessageType.SIGNAL if self.owner and message.sender == self.owner:
                self._signal(message)
        return None

    def _defer(self, message: Message) -> Message | bool:
        deferred = self._deferred or []
        if len(deferred) >= DEFERRED_MAX:
            return Message.new_error(message, ACCESS_DENIED, "too many calls wait for the radio")
        self._deferred = [*deferred, message]
        return True

    def _answer(self, message: Message) -> Message | bool:
        listener = self._mirror.listener
        is_bluetoothd = bool(self.owner) and message.sender == self.owner
        if listener is None or not is_bluetoothd:
            return Message.new_error(message, ACCESS_DENIED, "only bluetoothd may call the radio")
        return listener.called(message)

    def _found_owner(self, reply: Message) -> None:
        self.owner = reply.body[0]

    def _found_objects(self, reply: Message) -> None:
        self.objects.clear()
        self.mirrored = True
        for path, interfaces in reply.body[0].items():
            self._update(path, interfaces)

    def _signal(self, message: Message) -> None:
        """Take in what bluetoothd says of its objects."""
        path = message.path or ""
        match message.member:
            case "PropertiesChanged" if message.interface == PROPERTIES:
                interface, properties, _ = message.body
                if self._mirror.holds(path, interface):
                    self._update(path, {interface: properties})
            case "InterfacesAdded" if message.interface == OBJECT_MANAGER:
                added, interfaces = message.body
                self._update(added, interfaces)
            case "InterfacesRemoved" if message.interface == OBJECT_MANAGER:
                removed, names = message.body
                self._mirror.remove(removed, names)
                self._changed.set()

    def _update(self, path: str, interfaces: Interfaces) -> None:
        self._mirror.update(path, interfaces)
        self._changed.set()

    def _owner_changed(self, owner: str) -> None:
        self.owner = owner
        self._mirror.remove_all()
        self._changed.set()


def _message_to(to: str, path: str, method: Method, body: Sequence[Any]) -> Message:
    return Message(
        destination=to,
        path=path,
        interface=method.interface,
        member=method.name,
        signature=method.signature,
        body=list(body),
    )


@asynccontextmanager
async def connected(address: str | None, times: RadioTimes = HUB_TIMES) -> AsyncIterator[Bluez]:
    """Yield a new connection to the system bus, or to the one at `address`; close it at the end.

    Raise LinkError.
    """
    try:
        async with asyncio.timeout(times.call_seconds):
            bus = OpenBus(address)
            await bus.open()
    except Exception as error:
        raise LinkError(
            f"radio: the system D-Bus does not answer ({error}); "
            "does dbus run, and is bluez installed?"
        ) from error
    try:
        yield Bluez(bus, times)
    finally:
        bus.disconnect()


@asynccontextmanager
async def gone_on(handed: HandedBus, times: RadioTimes = HUB_TIMES) -> AsyncIterator[Bluez]:
    """Yield a connection that was handed over. Once `resume` has ended well, close it at the end.

    Raise LinkError.
    """
    talk = handed.talk
    bus = OpenBus(None)
    bus.adopt(handed.descriptor, talk.unique_name, talk.serial, talk.unread)
    bluez = Bluez(bus, times)
    try:
        yield bluez
    finally:
        if bluez.mirrored or not bus.connected:
            bus.disconnect()
        else:
            os.close(bus.let_go())
