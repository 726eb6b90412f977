"""The desk's radio on bless, on a whole fake of its server: visits, the MTU, threads, and an
adapter that is lost.

bless is left out where its dbus_next cannot be imported, from Python 3.15 on
(hardware-sim/setup.cfg).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

if sys.version_info >= (3, 15):
    pytest.skip("this machine has a Python that bless cannot be had for", allow_module_level=True)
from dbus_next.errors import DBusError

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubcore.ports.radio import LinkId
from hubsim.radio.bless_radio import INFO_BYTES, MTU_PROVEN, BlessRadio, table
from tests.fakes.radio import Closed, FakeRadioListener, Opened, Wrote

PATIENCE_SECONDS = 5.0


class Characteristic:
    def __init__(self, uuid: str) -> None:
        self.uuid = uuid.upper()
        self.value = bytearray()  # macOS writes them so


class Server:
    """bless's server.

    `starts` and `advertises` may be made to fail; `full` says how often notifying must wait.
    """

    def __init__(self, starts: bool) -> None:
        self.starts = starts
        self.read_request_func: Callable[[Any], bytearray] = lambda _: bytearray()
        self.write_request_func: Callable[[Any, bytearray], None] = lambda _, __: None
        self.advertises = True
        self.full = 0
        self.stopped = False
        self.tree: dict[str, dict[str, dict[str, Any]]] = {}
        self.notified: asyncio.Queue[bytes] = asyncio.Queue()
        self._tx = Characteristic(gatt.TX)

    async def add_gatt(self, tree: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.tree = tree

    async def start(self) -> None:
        if not self.starts:
            raise OSError("no adapter")

    async def stop(self) -> None:
        self.stopped = True
        raise OSError("what was lost cannot be stopped")

    async def is_advertising(self) -> bool:
        return self.advertises

    def get_characteristic(self, uuid: str) -> Characteristic | None:
        return self._tx if uuid == gatt.TX else None

    def update_value(self, service: str, characteristic: str) -> bool:
        self.full -= 1
        if self.full >= 0:
            return False
        self.notified.put_nowait(bytes(self._tx.value))
        return True

    def read(self, uuid: str) -> bytes:
        return bytes(self.read_request_func(Characteristic(uuid)))

    def write(self, data: bytes, uuid: str = gatt.RX) -> None:
        self.write_request_func(Characteristic(uuid), bytearray(data))


ONE = LinkId("hubd", 1)
TWO = LinkId("hubd", 2)


class Rig:
    """A radio that serves, the servers it has made, and what it said."""

    def __init__(self) -> None:
        self.listener = FakeRadioListener()
        self.servers = list[Server]()
        self.said: list[str] = []
        self.ups: asyncio.Queue[bool] = asyncio.Queue()
        self.radio = BlessRadio(
            self.said.append,
            self._make,
            watch_seconds=0.01,
            back_off_seconds=0.01,
        )
        self.starts = True

    def _make(self) -> Server:
        self.servers.append(Server(self.starts))
        return self.servers[-1]

    async def up(self) -> Server:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.ups.get():
                pass
        return self.servers[-1]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(made.radio.serve(made.listener, made.ups.put_nowait))
        yield made
        serving.cancel()
    assert made.servers[-1].stopped


def test_the_table_is_the_protocols_in_its_order() -> None:
    rows = table()[gatt.SERVICE]
    names = {uuid: row["Properties"].name for uuid, row in rows.items()}
    assert list(names.items()) == [
        (gatt.INFO, "read"),
        (gatt.RX, "write"),
        (gatt.TX, "notify"),
        (gatt.TXR, "read"),
    ]


async def test_each_read_of_info_is_a_visit_and_ends_the_one_before(rig: Rig) -> None:
    server = await rig.up()
    read = [server.read(gatt.INFO), server.read(gatt.INFO)]
    assert {(ONE, read[0]), (TWO, read[1])} <= set(rig.listener.minted)
    assert rig.listener.visits == [Opened(ONE), Closed(ONE), Opened(TWO)]


async def test_a_request_at_work_is_not_disturbed(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    rig.listener.busy = True
    assert server.read(gatt.INFO) == b""
    assert rig.listener.visits == [Opened(ONE)]


async def test_the_mtu_is_what_has_been_proved(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    for size in (5, 182, 20, 512):
        server.write(bytes(size))
    assert [wrote.mtu for wrote in rig.listener.frames] == [MTU_PROVEN, 185, 185, 515]
    server.read(gatt.INFO)
    server.write(b"another phone's")
    assert rig.listener.frames[-1] == Wrote(TWO, b"another phone's", MTU_PROVEN)


async def test_what_breaks_a_rule_is_refused(rig: Rig) -> None:
    server = await rig.up()
    with pytest.raises(DBusError, match="0x80"):
        server.write(b"before a challenge")
    server.read(gatt.INFO)
    with pytest.raises(DBusError, match="0x80"):
        server.write(b"to INFO", gatt.INFO)
    rig.listener.refuses = True
    with pytest.raises(DBusError, match="0x80"):
        server.write(b"broken")
    assert rig.listener.frames == []


async def test_a_call_from_another_thread_is_answered_from_the_loop(rig: Rig) -> None:
    server = await rig.up()
    assert await asyncio.to_thread(server.read, gatt.INFO) == b"\1" * INFO_BYTES
    await asyncio.to_thread(server.write, b"frame")
    assert rig.listener.frames == [Wrote(ONE, b"frame", MTU_PROVEN)]
    rig.listener.refuses = True
    with pytest.raises(DBusError):
        await asyncio.to_thread(server.write, b"broken")


async def test_a_read_of_txr_is_answered_at_once_and_a_later_one_has_the_frame(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    assert server.read(gatt.TXR) == b""
    rig.listener.due["hubd"] = b"frame"
    assert [server.read(gatt.TXR), server.read(gatt.TXR)] == [b"frame", b""]


async def test_it_notifies_and_waits_while_the_systems_queue_is_full(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    server.full = 3
    await rig.radio.notify(ONE, b"frame")
    assert server.notified.get_nowait() == b"frame"
    with pytest.raises(LinkError, match="the link is gone"):
        await rig.radio.notify(LinkId("hubd", 9), b"frame")


async def test_a_dropped_visit_is_over(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    await rig.radio.drop(LinkId("hubd", 9))
    await rig.radio.drop(ONE)
    assert rig.listener.visits == [Opened(ONE), Closed(ONE)]
    with pytest.raises(LinkError):
        await rig.radio.notify(ONE, b"frame")


async def test_a_lost_adapter_ends_the_visit_and_it_begins_again(rig: Rig) -> None:
    server = await rig.up()
    server.read(gatt.INFO)
    rig.starts = False
    server.advertises = False
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(rig.said) < 2:  # noqa: ASYNC110 -- it is said by a callback
            await asyncio.sleep(0)
    rig.starts = True
    again = await rig.up()
    assert (TWO, again.read(gatt.INFO)) in rig.listener.minted
    assert rig.listener.visits == [Opened(ONE), Closed(ONE), Opened(TWO)]
    assert server.stopped
    assert rig.said[0] == "radio: the system has taken the hub off the air"
    assert rig.said[1].startswith("radio: the system's Bluetooth fails: OSError")
