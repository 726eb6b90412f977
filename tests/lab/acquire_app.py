"""A GATT service that notifies through AcquireNotify, run in the guest by test_subscriptions: hubd
does not notify so.

Every TICK_SECONDS it writes one byte to each socket that BlueZ has asked for, the oldest first; a
line on stdout says what happens to them: `acquired N`, `ended N`, where N counts the sockets.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

SERVICE = "5d1b0001-8c5c-4a0e-9d7e-0c6a3f1e2b10"
TICKS = "5d1b0002-8c5c-4a0e-9d7e-0c6a3f1e2b10"
ROOT = "/lab/acquire"
TICK_SECONDS = 0.1
MTU = 64

OBJECTS = {
    f"{ROOT}/service": {
        "org.bluez.GattService1": {"UUID": Variant("s", SERVICE), "Primary": Variant("b", True)}
    },
    f"{ROOT}/service/ticks": {
        "org.bluez.GattCharacteristic1": {
            "UUID": Variant("s", TICKS),
            "Service": Variant("o", f"{ROOT}/service"),
            "Flags": Variant("as", ["notify"]),
            "NotifyAcquired": Variant("b", False),
        }
    },
}


class App:
    """Answers bluetoothd; `sockets` holds our end of each socket by its number, until BlueZ closes
    its own.
    """

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._count = 0
        self._given: list[socket.socket] = []
        self.sockets: dict[int, socket.socket] = {}

    def called(self, message: Message) -> Message | None:
        """Answer a call."""
        if (
            message.message_type is not MessageType.METHOD_CALL
            or message.flags & MessageFlag.NO_REPLY_EXPECTED
        ):
            return None
        match message.member:
            case "GetManagedObjects":
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [OBJECTS])
            case "AcquireNotify":
                return self._acquire(message)
            case _:
                return None

    def _acquire(self, message: Message) -> Message:
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self._count += 1
        self.sockets[self._count] = ours
        self._given.append(theirs)  # closed with the next tick, when the answer is out
        print(f"acquired {self._count}", flush=True)
        return Message.new_method_return(message, "hq", [0, MTU], [theirs.fileno()])

    def tick(self) -> None:
        """Write to each socket; say which have ended."""
        for number, ours in list(self.sockets.items()):
            with suppress(BlockingIOError):
                if ours.recv(1) == b"":
                    del self.sockets[number]
                    ours.close()
                    print(f"ended {number}", flush=True)
                    continue
            with suppress(OSError):
                ours.send(bytes([number]))
        while len(self._given) > 1:
            self._given.pop(0).close()


async def main(adapter: str) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    app = App(bus)
    bus.add_message_handler(app.called)
    reply = await bus.call(
        Message(
            destination="org.bluez",
            path=adapter,
            interface="org.bluez.GattManager1",
            member="RegisterApplication",
            signature="oa{sv}",
            body=[ROOT, {}],
        )
    )
    assert reply is not None
    assert reply.message_type is MessageType.METHOD_RETURN, reply.body
    print("registered", flush=True)
    while True:
        app.tick()
        await asyncio.sleep(TICK_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
