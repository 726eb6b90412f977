"""A D-Bus connection that changes hands, on a real bus and between real processes, under load."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import FrameError, LinkError
from hubd.adapters.dbus.openbus import MESSAGE_BYTES_MAX, OpenBus, message_bytes
from tests.unit.test_bluez_radio import a_bus

PATIENCE_SECONDS = 30.0
HAND_OVERS = 4
NAME = "org.example.Hub"
PATH = "/org/example/hub"

# Each process answers with its own number. Told "go" by its stdin, it hands the connection over.
SERVER = """
import asyncio, json, os, socket, sys
from dbus_fast import Message, MessageType
from hubd.adapters.dbus.openbus import OpenBus

async def main(address, descriptor, number):
    bus = OpenBus(address)

    def answer(message):
        if message.member == "Ask":
            return Message.new_method_return(message, "sux", [message.body[0], number, 0])
        return None

    beside = socket.socket(fileno=descriptor)
    print("warm", flush=True)
    if number == 0:
        await bus.open()
        await bus.request_name("org.example.Hub")
    else:
        said, sockets, _, _ = socket.recv_fds(beside, 32768, 1)
        name, serial, unread = json.loads(said)
        bus.adopt(sockets[0], name, serial, bytes.fromhex(unread))
    bus.add_message_handler(answer)
    bus.listen()
    print("serves", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    bus.settle()
    await bus.drain()
    told = json.dumps([bus.unique_name, bus.serial, bus.unread.hex()]).encode()
    descriptor = bus.let_go()
    socket.send_fds(beside, [told], [descriptor])

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon: apt-get install dbus-daemon")
    async with a_bus(tmp_path) as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0)


class Server:
    """One process after another that serves on one connection."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._numbers = itertools.count()
        self._processes: list[asyncio.subprocess.Process] = []
        self._givers, self._takers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    async def start(self) -> asyncio.subprocess.Process:
        """Start the next process, which waits for the connection, unless it is the first."""
        number = next(self._numbers)
        end = self._givers if number % 2 == 0 else self._takers
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SERVER,
            self._address,
            str(end.fileno()),
            str(number),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(end.fileno(),),
        )
        self._processes.append(process)
        await self.says(process, b"warm")
        return process

    async def says(self, process: asyncio.subprocess.Process, word: bytes) -> None:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.stdout.readline() == word + b"\n"

    async def hand_over(self) -> None:
        """Let the next process take the connection over from the one at work."""
        former = self._processes[-1]
        latter = await self.start()
        assert former.stdin is not None
        former.stdin.write(b"go\n")
        await self.says(latter, b"serves")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await former.wait() == 0

    async def close(self) -> None:
        self._givers.close()
        self._takers.close()
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_no_call_fails_while_the_connection_goes_from_process_to_process(
    address: str,
) -> None:
    server = Server(address)
    client = await MessageBus(bus_address=address).connect()
    answered: list[int] = []
    spans: list[float] = []
    stop = asyncio.Event()

    async def ask() -> None:
        """Ask as often as answers come, with questions of all lengths."""
        for number in itertools.count():
            if stop.is_set():
                return
            text = f"{number} " + "x" * (number * 37 % 3000)
            began = time.monotonic()
            question = Message(
                destination=NAME, path=PATH, interface=NAME, member="Ask", signature="s"
            )
            question.body = [text]
            reply = await client.call(question)
            spans.append(time.monotonic() - began)
            assert reply.message_type is MessageType.METHOD_RETURN, reply.body
            assert reply.body[0] == text
            answered.append(reply.body[1])

    try:
        await server.says(await server.start(), b"serves")
        owner = await _owner(client)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(ask())
            for number in range(HAND_OVERS):
                await server.hand_over()
                before = answered.count(number + 1)
                await until(lambda n=number, b=before: answered.count(n + 1) >= b + 200)
            stop.set()
        assert await _owner(client) == owner
        assert answered == sorted(answered), "a process answered after it had handed over"
        assert set(answered) == set(range(HAND_OVERS + 1))
        print(
            f"{len(spans)} calls over {HAND_OVERS} hand-overs, longest {max(spans) * 1000:.1f} ms"
        )
    finally:
        client.disconnect()
        await server.close()


async def _owner(client: MessageBus) -> str:
    question = Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="GetNameOwner",
        signature="s",
        body=[NAME],
    )
    return str((await client.call(question)).body[0])


def _served(bus: OpenBus, got: list[str]) -> None:
    def take(message: Message) -> Message | None:
        if message.member != "Ask":
            return None
        got.append(message.body[0])
        return Message.new_method_return(message)

    bus.add_message_handler(take)


@pytest.mark.parametrize("cut", [1, 15, 16, 40, -1])
async def test_the_beginning_of_a_message_goes_along(cut: int) -> None:
    """Wherever the stream is cut, the next process reads the message whole, and once."""
    ours, theirs = socket.socketpair()
    whole = _question("first") + _question("second")
    with theirs:
        former = OpenBus("unix:path=/nowhere")
        former.adopt(ours.detach(), ":1.1", 1, b"")
        before: list[str] = []
        _served(former, before)
        former.listen()
        theirs.sendall(_question("zeroth") + whole[:cut])
        await until(lambda: before and former.unread)
        former.settle()
        theirs.sendall(whole[cut:])
        await former.drain()
        unread = bytes(former.unread)
        serial = former.serial
        latter = OpenBus("unix:path=/nowhere")
        latter.adopt(former.let_go(), ":1.1", serial, unread)
        after: list[str] = []
        _served(latter, after)
        latter.listen()
        await until(lambda: [*before, *after] == ["zeroth", "first", "second"])
        assert latter.serial > serial
        latter.disconnect()
        await latter.wait_for_disconnect()  # type: ignore[no-untyped-call]


def _question(text: str) -> bytes:
    message = Message(
        destination=":1.1", path=PATH, interface=NAME, member="Ask", signature="s", body=[text]
    )
    message.serial = 7
    message.sender = ":1.2"
    return bytes(message._marshall(False))


# law 1
async def test_nothing_is_read_before_listen_and_after_settle() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(_question("early"))
        bus = OpenBus("unix:path=/nowhere")
        bus.adopt(ours.detach(), ":1.1", 1, b"")
        got: list[str] = []
        _served(bus, got)
        for _ in range(20):
            await asyncio.sleep(0)
        assert got == []
        bus.listen()
        await until(lambda: got)
        bus.settle()
        theirs.sendall(_question("late"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert got == ["early"]
        with socket.socket(fileno=bus.let_go()) as left:
            assert left.recv(1 << 16) == _question("late")


# law 2
async def test_what_was_let_go_ends_for_nobody_else() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        bus = OpenBus("unix:path=/nowhere")
        bus.adopt(ours.detach(), ":1.1", 1, b"")
        bus.listen()
        bus.settle()
        left = bus.let_go()
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        os.write(left, b"still here")
        assert theirs.recv(100) == b"still here"
        os.close(left)
        with pytest.raises(LinkError):
            await bus.drain()


# law 3
async def test_what_is_to_be_sent_is_sent_before() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        bus = OpenBus("unix:path=/nowhere")
        bus.adopt(ours.detach(), ":1.1", 1, b"")
        bus.listen()
        text = "x" * 100_000
        signal = Message.new_signal(PATH, NAME, "Told", "s", [text])
        sent = bus.send(signal)
        bus.settle()
        assert not sent.done()
        draining = asyncio.create_task(bus.drain())
        loop = asyncio.get_running_loop()
        theirs.setblocking(False)
        had = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(had) < len(text):
                had += await loop.sock_recv(theirs, 1 << 16)
            await draining
        assert len(had) == message_bytes(had)
        os.close(bus.let_go())


# law 4
@pytest.mark.parametrize(
    "data",
    [
        b"x" * 16,
        b"l\x01\0\x01" + struct.pack("<3I", MESSAGE_BYTES_MAX, 1, 0),
        b"B\x01\0\x01" + struct.pack(">3I", 0, 1, MESSAGE_BYTES_MAX),
        b"l\x01\0\x01" + struct.pack("<3I", 8, 1, 0) + b"8 bytes.",
    ],
)
async def test_what_is_no_message_ends_the_connection(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        bus = OpenBus("unix:path=/nowhere")
        bus.adopt(ours.detach(), ":1.1", 1, b"")
        bus.listen()
        theirs.sendall(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(Exception, match=r"."):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        assert theirs.recv(1) == b""


@given(st.binary(min_size=16, max_size=16))
def test_any_head_is_refused_or_has_a_length(head: bytes) -> None:
    try:
        length = message_bytes(head)
    except FrameError:
        return
    assert 16 <= length <= MESSAGE_BYTES_MAX


@given(st.text(max_size=500).filter(lambda text: "\0" not in text))
def test_a_message_has_the_length_that_its_head_says(text: str) -> None:
    whole = _question(text)
    assert message_bytes(whole) == len(whole)
