"""How long a word to BlueZ and back takes, on the system's D-Bus.

Laws:
1. Nothing is changed at the adapter, and nothing goes on air. What a phone would see is not
   measured.
2. What is not there is a Figure that says why. Each wait has an end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from hubctl.bench.timing import COUNT_MAX, PAUSE_SECONDS, SECONDS, Figure
from hubterm.text import clean

ANSWER_SECONDS = 3.0
OBJECTS = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
ADAPTER = "org.bluez.Adapter1"
ID = "bluez"
WHAT = "BlueZ: a word and back over D-Bus"


def radio_steps(address: str | None = None) -> Iterator[Figure]:
    """Measure it on the system's bus, or on the bus of an address."""
    try:
        yield asyncio.run(_measure(address))
    except (OSError, DBusError, TimeoutError, EOFError) as error:
        yield _unmeasured(f"BlueZ does not answer: {clean(str(error)) or type(error).__name__}")


async def _measure(address: str | None) -> Figure:
    """Raise OSError, DBusError, TimeoutError, EOFError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
    try:
        objects = (
            await _call(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        )[0]
        adapters = [path for path, faces in objects.items() if ADAPTER in faces]
        if not adapters:
            return _unmeasured("BlueZ has no adapter")
        took: list[float] = []
        ends = time.perf_counter() + SECONDS
        while len(took) < COUNT_MAX and time.perf_counter() < ends:
            began = time.perf_counter()
            await _call(bus, adapters[0], PEER, "Ping")
            took.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(PAUSE_SECONDS)
        return Figure(ID, WHAT, 2, took)
    finally:
        bus.disconnect()


async def _call(bus: MessageBus, path: str, interface: str, member: str) -> list[Any]:
    asked = Message(destination="org.bluez", path=path, interface=interface, member=member)
    async with asyncio.timeout(ANSWER_SECONDS):
        answer = await bus.call(asked)
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        raise OSError("it refuses")
    return list(answer.body)


def _unmeasured(why: str) -> Figure:
    return Figure(ID, WHAT, 0, why=why)
