"""Takes up BlueZ's places for advertisements and leaves: it never frees one whose owner left while
it was registered.

Run in the guest; prints REFUSED when no place is left, and `registered` when it is done.
"""

from __future__ import annotations

import asyncio
import sys

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

BLUEZ = "org.bluez"
MANAGER = "org.bluez.LEAdvertisingManager1"
BATCH = 60
"""Registered by one connection; the bus lets nobody wait for more than 128 answers."""
CONNECTIONS_MAX = 5
ANSWER_SECONDS = 10.0
REFUSED = "no place is left"


async def leak(adapter: str) -> bool:
    """Register BATCH, answer nothing that BlueZ asks of them, and leave; tell whether one was
    refused.
    """
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    heard: asyncio.Queue[MessageType] = asyncio.Queue()

    def taken(message: Message) -> bool | None:
        if message.message_type in (MessageType.METHOD_CALL, MessageType.ERROR):
            heard.put_nowait(message.message_type)
        return message.message_type is MessageType.METHOD_CALL or None

    bus.add_message_handler(taken)
    for number in range(BATCH):
        path = f"/leak{number}"
        call = Message(
            BLUEZ, adapter, MANAGER, "RegisterAdvertisement", signature="oa{sv}", body=[path, {}]
        )
        await bus.send(call)
    async with asyncio.timeout(ANSWER_SECONDS):
        answers = [await heard.get() for _ in range(BATCH)]
    bus.disconnect()
    return MessageType.ERROR in answers


async def main(adapter: str) -> None:
    """Take all, and stay."""
    for _ in range(CONNECTIONS_MAX):
        if await leak(adapter):
            print(REFUSED, flush=True)
            break
    print("registered", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
