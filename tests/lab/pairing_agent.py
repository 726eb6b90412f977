"""A pairing agent that accepts every phone, run in the guest by test_bonded: it makes the adapter
pairable first.

It stands for an administrator who pairs something on purpose; hubd has no agent.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

BLUEZ = "org.bluez"
AGENTS = "org.bluez.AgentManager1"
PATH = "/lab/agent"


def called(message: Message) -> Message | None:
    """Accept whatever bluetoothd asks."""
    if (
        message.message_type is not MessageType.METHOD_CALL
        or message.interface != "org.bluez.Agent1"
    ):
        return None
    print(message.member, flush=True)
    if message.flags & MessageFlag.NO_REPLY_EXPECTED:
        return None
    return Message.new_method_return(message)


async def main(adapter: str) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    bus.add_message_handler(called)

    async def call(path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        message = Message(BLUEZ, path, interface, member, signature=signature, body=list(body))
        reply = await bus.call(message)
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body

    await call("/org/bluez", AGENTS, "RegisterAgent", "os", PATH, "NoInputNoOutput")
    await call("/org/bluez", AGENTS, "RequestDefaultAgent", "o", PATH)
    wanted = ("org.bluez.Adapter1", "Pairable", Variant("b", True))
    await call(adapter, "org.freedesktop.DBus.Properties", "Set", "ssv", *wanted)
    print("registered", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
