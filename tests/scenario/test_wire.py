"""What the wire to the backend bounds, and how it finds the backend, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from hubcore.backend.uplink import codec, from_hub
from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES
from hubcore.errors import LinkError
from hubd.adapters.curve.names import ADDRESSES_MAX, Address, Names
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.curve.wire import FOLDER_PREFIX, Wire, WireLimits, folder_of_sockets
from hubd.adapters.curve.zmtp import FRAMES_A_TURN
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from tests.fakes.uplink import FakeUplinkListener
from tests.scenario.test_uplink import FAST, Keys, Raw, running, until
from tests.scenario.uplink_faults.relay import Relay, Way
from tests.threads import Scarce
from tests.unit.test_zmtp import GREETING

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
QUICK = WireLimits(stuck_seconds=0.3)


@contextlib.asynccontextmanager
async def linked(
    endpoint: str, backend_public: bytes, **how: Any
) -> AsyncIterator[tuple[CurveUplink, FakeUplinkListener]]:
    """A link that tries to come up."""
    ours = Keys()
    how = {"timings": FAST, "limits": QUICK, **how}
    link = CurveUplink(endpoint, UplinkKeys(ours.secret, ours.public, backend_public), **how)
    heard = FakeUplinkListener()
    async with running(link.serve(heard)):
        yield link, heard


async def route_of(raw: Raw, link: CurveUplink, heard: FakeUplinkListener) -> bytes:
    """Return how the backend reaches this link, once it has spoken."""
    hello = codec.encode(from_hub.Ping(bytes(8)))
    await until(lambda: heard.ups > 0)
    await until(lambda: link.send(hello))
    async with asyncio.timeout(5):
        return (await raw.heard.get())[0]


@pytest.fixture
def raw() -> Raw:
    return Raw(Keys())


async def test_one_message_of_many_parts_ends_the_link_at_a_named_ceiling(raw: Raw) -> None:
    async with raw.open(), linked(raw.endpoint, raw.keys.public) as (link, heard):
        route = await route_of(raw, link, heard)
        await raw.say(route, *[bytes(100_000)] * 400)
        await until(lambda: bool(heard.whys))
        assert "frames without completing a message" in heard.why
        carried = int(heard.why.split("sent ")[1].split()[0])
        assert carried <= QUICK.unread_bytes + 200_000
        await until(lambda: heard.ups > 1)


async def test_many_parts_of_nothing_end_the_link_too(raw: Raw) -> None:
    limits = replace(QUICK, unread_frames=1000)
    async with raw.open(), linked(raw.endpoint, raw.keys.public, limits=limits) as (link, heard):
        route = await route_of(raw, link, heard)
        await raw.say(route, *[b""] * 10_000)
        await until(lambda: bool(heard.whys))
        assert "frames without completing a message" in heard.why


async def test_a_few_parts_are_dropped_and_the_link_stays(raw: Raw) -> None:
    async with raw.open(), linked(raw.endpoint, raw.keys.public) as (link, heard):
        route = await route_of(raw, link, heard)
        await raw.say(route, b"two", b"parts")
        await raw.say(route, b"one")
        await until(lambda: heard.messages == [b"one"])
        assert (link.multipart_dropped, heard.ups, heard.whys) == (1, 1, [])


async def test_many_messages_all_come_however_many_bytes_they_are_together(raw: Raw) -> None:
    async with raw.open(), linked(raw.endpoint, raw.keys.public) as (link, heard):
        route = await route_of(raw, link, heard)
        sent = [number.to_bytes(4, "big") + bytes(60_000) for number in range(120)]
        for message in sent:
            await raw.say(route, message)
        await until(lambda: len(heard.messages) == len(sent), 10)
        assert heard.messages == sent
        assert heard.whys == []


async def test_the_largest_message_passes_and_one_byte_more_ends_the_link(raw: Raw) -> None:
    async with raw.open(), linked(raw.endpoint, raw.keys.public) as (link, heard):
        route = await route_of(raw, link, heard)
        await raw.say(route, bytes(MAX_MESSAGE_BYTES))
        await until(lambda: bool(heard.messages), 10)
        assert len(heard.messages[0]) == MAX_MESSAGE_BYTES
        await raw.say(route, bytes(MAX_MESSAGE_BYTES + 1))
        await until(lambda: bool(heard.whys), 10)
        assert f"sent a frame of {MAX_MESSAGE_BYTES + 34} bytes" in heard.why


async def test_heartbeats_alone_never_fill_the_count(raw: Raw) -> None:
    """A message handed over accounts for all that came before it."""
    limits = replace(QUICK, unread_frames=3)
    async with raw.open(), linked(raw.endpoint, raw.keys.public, limits=limits) as (link, heard):
        route = await route_of(raw, link, heard)
        for number in range(20):
            await raw.say(route, bytes([number]))
            await until(lambda: len(heard.messages) == number + 1)  # noqa: B023
            await asyncio.sleep(FAST.heartbeat_seconds / 3)
        assert heard.whys == []


async def test_a_backend_that_sends_faster_than_the_pace_waits(raw: Raw) -> None:
    limits = replace(QUICK, frames_a_second=100.0, frames_at_once=10.0)
    timings = replace(FAST, heartbeat_timeout_seconds=10.0)
    async with (
        raw.open(),
        linked(raw.endpoint, raw.keys.public, limits=limits, timings=timings) as (link, heard),
    ):
        route = await route_of(raw, link, heard)
        began = time.monotonic()
        for _ in range(200):
            await raw.say(route, b"x")
        await until(lambda: len(heard.messages) == 200, 10)
        free = limits.frames_at_once + FRAMES_A_TURN
        assert time.monotonic() - began >= (200 - free) / limits.frames_a_second
        assert heard.whys == []


@pytest.mark.parametrize("shaken", [False, True])
async def test_a_server_without_keys_that_sends_frames_of_next_to_nothing_holds_nobody_up(
    shaken: bool,
) -> None:
    """It greets, says an unsealed READY, and sends what is no message: the loop goes on, and the
    visit ends.
    """
    word = b"\x04\x08\x07WELCOME" + b"\x04\x06\x05READY"
    for smallest in (b"\x00\x00", b"\x00\x21" + bytes(33) if shaken else b"\x00\x01x"):
        answer = GREETING + (word if shaken else b"") + smallest * (262_144 // len(smallest))
        async with (
            server(answer, close=False) as endpoint,
            linked(endpoint, Keys().public) as (_link, heard),
        ):
            longest = 0.0
            async with asyncio.timeout(10):
                while not heard.whys:
                    before = time.thread_time()
                    await asyncio.sleep(0)
                    longest = max(longest, time.thread_time() - before)
            assert longest < 0.2
            assert heard.ups == 0


CHILD = """
import asyncio, sys
from hubd.adapters.curve.uplink import CurveUplink, UplinkKeys
from hubcore.backend.uplink import codec, from_hub
from tests.scenario.test_uplink import Keys
class Tells:
    def connected(self):
        link.send(codec.encode(from_hub.Ping(bytes(8))))
    def disconnected(self, why):
        print(why, flush=True)
    def received(self, message):
        pass
ours = Keys()
link = CurveUplink(sys.argv[1], UplinkKeys(ours.secret, ours.public, bytes.fromhex(sys.argv[2])))
asyncio.run(link.serve(Tells()))
"""


@contextlib.asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def peak_mib(pid: int) -> float:
    """Return the most memory that the process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


async def test_six_hundred_megabytes_in_parts_cost_the_hub_a_few(raw: Raw) -> None:
    async with raw.open(), child("-c", CHILD, raw.endpoint, raw.keys.public.hex()) as process:
        async with asyncio.timeout(15):
            route, _ = await raw.heard.get()
        before = peak_mib(process.pid)
        part = bytes(MIB)
        await raw.router.send_multipart([route, *[part] * 600], copy=False)
        assert process.stdout is not None
        async with asyncio.timeout(30):
            why = (await process.stdout.readline()).decode()
        assert "without completing a message" in why
        assert peak_mib(process.pid) - before < 32


# The end of a connection.


@contextlib.asynccontextmanager
async def tcp_pair() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection, the hub's first."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        ours.setblocking(False)
        theirs.settimeout(5)
        try:
            yield ours, theirs
        finally:
            ours.close()
            theirs.close()


async def test_a_process_that_dies_leaves_nothing_to_arrive_later() -> None:  # wire, law 5
    async with tcp_pair() as (ours, theirs), Wire(ours, QUICK):
        ours.close()  # as the kernel does it
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)


@pytest.mark.parametrize("lost", [True, False])
async def test_only_of_a_lost_connection_nothing_arrives_any_more(lost: bool) -> None:  # law 5
    async with tcp_pair() as (ours, theirs):
        async with Wire(ours, QUICK) as wire:
            carrying = asyncio.create_task(wire.carry())
            near = socket.socket(socket.AF_UNIX)
            near.setblocking(False)
            name = wire.address.removeprefix("ipc://")
            await asyncio.get_running_loop().sock_connect(near, name)
            near.send(b"x")
            assert await asyncio.to_thread(theirs.recv, 1) == b"x"
            if lost:
                near.close()  # libzmq gives up, as when heartbeats are missing
            else:
                carrying.cancel()
            await asyncio.wait([carrying])
            await asyncio.sleep(0)
            near.close()
        if lost:
            with pytest.raises(ConnectionResetError):
                theirs.recv(1)
        else:
            assert theirs.recv(1) == b""


async def test_what_piled_up_before_libzmq_lost_the_connection_never_arrives(raw: Raw) -> None:
    """The wire still waits for room when libzmq ends it, so its end here is not seen."""  # law 5
    once = replace(FAST, backoff_first_seconds=60.0, backoff_cap_seconds=60.0)
    piece = bytes(MIB // 4)
    raw.welcomes = False
    async with raw.open(), Relay(raw.endpoint).open() as relay:
        async with linked(relay.endpoint, raw.keys.public, timings=once) as (link, heard):
            await route_of(raw, link, heard)
            relay.lose(Way.DOWN)
            carried = relay.carried[Way.UP]
            await until(lambda: relay.carried[Way.UP] > carried)  # a heartbeat without an answer
            relay.reads.clear()
            async with asyncio.timeout(10.0):
                while "was silent" not in heard.why:  # more than the machine's buffers take
                    if not link.send(piece):
                        await asyncio.sleep(0.005)
        relay.lose(Way.UP)
        relay.reads.set()
        await until(lambda: bool(relay.broken))
        assert isinstance(relay.broken[0], ConnectionResetError)


# Finding the backend.


def found(*addresses: str, port: int) -> Sequence[tuple[Any, ...]]:
    """What a resolver answers."""
    return [
        (
            socket.AF_INET6 if ":" in a else socket.AF_INET,
            socket.SOCK_STREAM,
            6,
            "",
            (a, port, 0, 0)[: 4 if ":" in a else 2],
        )
        for a in addresses
    ]


def resolver(
    answer: Callable[[], Sequence[tuple[Any, ...]]],
) -> Callable[..., Sequence[tuple[Any, ...]]]:
    """A resolver that knows one name; numbers are not asked of it."""

    def resolve(host: str, port: int, **how: Any) -> Sequence[tuple[Any, ...]]:
        if how.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answer()

    return resolve


def port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


async def test_a_dead_first_address_is_passed_over(raw: Raw) -> None:
    async with raw.open():
        port = port_of(raw.endpoint)
        resolve = resolver(lambda: found("127.0.0.2", "127.0.0.1", port=port))
        async with linked(f"tcp://backend.example:{port}", raw.keys.public, resolve=resolve) as (
            link,
            heard,
        ):
            await until(lambda: heard.ups > 0)
            assert link.attempts == 1


async def test_a_wrong_server_at_the_first_address_is_passed_over_the_next_time(raw: Raw) -> None:
    async with raw.open():
        port = port_of(raw.endpoint)
        with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as other:
            other.curve_server = True
            other.curve_secretkey = Keys().secret
            other.bind(f"tcp://127.0.0.2:{port}")
            resolve = resolver(lambda: found("127.0.0.2", "127.0.0.1", port=port))
            async with linked(
                f"tcp://backend.example:{port}", raw.keys.public, resolve=resolve
            ) as (link, heard):
                await until(lambda: heard.ups > 0)
                assert "server key pin mismatch suspected" in heard.why
                assert link.attempts == 2


async def test_every_address_that_was_tried_is_named() -> None:
    resolve = resolver(lambda: found("127.0.0.2", "127.0.0.3", port=1))
    async with linked("tcp://backend.example:1", Keys().public, resolve=resolve) as (_link, heard):
        await until(lambda: bool(heard.whys))
    for address in ("127.0.0.2", "127.0.0.3"):
        assert f"{address}: nothing accepts connections there" in heard.why


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6, not even to itself")
@pytest.mark.parametrize("numbers", [True, False])
async def test_a_backend_with_only_an_ipv6_address_is_reached(numbers: bool) -> None:
    keys = Keys()
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router:
        router.ipv6 = True
        router.curve_server = True
        router.curve_secretkey = keys.secret
        port = router.bind_to_random_port("tcp://[::1]")
        host = "[::1]" if numbers else "backend.example"
        how = {} if numbers else {"resolve": resolver(lambda: found("::1", port=port))}
        async with linked(f"tcp://{host}:{port}", keys.public, **how) as (_link, heard):
            await until(lambda: heard.ups > 0)


async def test_a_name_server_that_never_answers_holds_up_nothing() -> None:
    released = threading.Event()
    asked = []

    def hang() -> Sequence[tuple[Any, ...]]:
        asked.append(1)
        released.wait(30)
        return found("127.0.0.1", port=1)

    timings = replace(FAST, resolve_seconds=0.1)
    try:
        async with linked(
            "tcp://backend.example:1", Keys().public, timings=timings, resolve=resolver(hang)
        ) as (
            _,
            heard,
        ):
            await until(lambda: len(heard.whys) >= 3)
            assert "no name server answered" in heard.why
            assert len(asked) == 1, "one question is under way at a time"
            began = time.monotonic()
        assert time.monotonic() - began < 1
    finally:
        released.set()


async def test_a_machine_without_a_thread_ends_no_link_for_good(raw: Raw) -> None:
    async with raw.open():
        port = port_of(raw.endpoint)
        how = {
            "resolve": resolver(lambda: found("127.0.0.1", port=port)),
            "start": Scarce(missing=2),
        }
        async with linked(f"tcp://backend.example:{port}", raw.keys.public, **how) as (link, heard):
            await until(lambda: heard.ups > 0)
            assert link.attempts == 3
            for why in heard.whys:
                assert why.startswith(
                    "the name backend.example cannot be asked for: hubd cannot start a thread"
                )


HANGING = """
import asyncio, sys, time
from hubd.adapters.curve.names import Names
def hang(*_, flags=0, **how):
    time.sleep(0 if flags else 60)
    return []
async def ask():
    try:
        await Names("backend.example", 1, hang).addresses(0.2)
    except Exception as error:
        print(error, flush=True)
asyncio.run(ask())
"""


async def test_a_process_ends_while_a_name_server_is_still_asked() -> None:
    async with child("-c", HANGING) as process, asyncio.timeout(10):
        assert await process.wait() == 0


async def test_names_tell_why_and_keep_order_and_ceiling() -> None:
    many = [f"10.0.0.{number}" for number in range(1, 30)]
    names = Names("backend.example", 5, resolver(lambda: found(*many, many[0], port=5)))
    assert [str(address) for address in await names.addresses(1)] == many[:ADDRESSES_MAX]

    def unknown() -> Sequence[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for answer, why in ((unknown, "Name or service not known"), (list, "it has no address")):
        with pytest.raises(LinkError, match=why):
            await Names("backend.example", 5, resolver(answer)).addresses(1)
    with pytest.raises(LinkError, match="no name that DNS can carry"):
        await Names("a" * 200, 5).addresses(5)
    assert await Names("127.0.0.1", 7).addresses(0) == (Address(socket.AF_INET, ("127.0.0.1", 7)),)


async def test_an_address_that_takes_nobody_in_is_told_with_how_long_it_was_waited_for() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        endpoint = f"tcp://127.0.0.1:{full.getsockname()[1]}"
        with contextlib.ExitStack() as stack:
            for _ in range(3):  # as many as the kernel lets wait, and one more
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with linked(endpoint, Keys().public) as (_link, heard):
                await until(lambda: "no answer within" in heard.why)
                assert f"no answer within {FAST.connect_seconds:g} s" in heard.why
                assert endpoint.removeprefix("tcp://") in heard.why


# What answers there is told for what it is.


@contextlib.asynccontextmanager
async def server(
    answer: bytes, wait_for_line: bool = False, close: bool = True
) -> AsyncIterator[str]:
    """Something that is no backend; returns its endpoint."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            if wait_for_line:
                await reader.readline()
            writer.write(answer)
            await writer.drain()
            if not close:
                await reader.read()
        writer.close()

    there = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with there:
        yield f"tcp://127.0.0.1:{there.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (
            {"answer": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
            "speaks HTTP and no ZMTP",
        ),
        ({"answer": b"SSH-2.0-OpenSSH_9.2p1\r\n"}, "speaks no ZMTP"),
        ({"answer": b"\x15\x03\x01\x00\x02\x02\x28"}, "speaks no ZMTP"),
        ({"answer": b"", "wait_for_line": True}, "one for web pages waits like this"),
        ({"answer": b"", "close": False}, "one for web pages waits like this"),
        (
            {"answer": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", "close": False},
            "the backend is frozen",
        ),
        (
            {"answer": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL" + bytes(48)},
            "speaks no CurveZMQ",
        ),
        ({"answer": b""}, "closed the connection without a word"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_backend_is_told_as_such(how: dict[str, Any], sentence: str) -> None:
    async with server(**how) as endpoint, linked(endpoint, Keys().public) as (_link, heard):
        await until(lambda: sentence in heard.why)
        assert "enrol" not in heard.why
        assert "key" not in heard.why or "without keys" in heard.why or "keys does not" in heard.why


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            b"400",
            "(ZAP 400, which nothing proves) that this hub's key is refused. Ask at the "
            "backend: only if",
        ),
        (b"500", "(ZAP 500, which nothing proves) that this hub's key could not be checked"),
        (b"\x1b[2", "(an ERROR without a status, which nothing proves)"),
        (b"\n40", "(an ERROR without a status, which nothing proves)"),
        (b"\xff\xfe\xfd", "(an ERROR without a status, which nothing proves)"),
    ],
)
async def test_a_refusal_that_anybody_can_send_is_told_as_unproven(
    status: bytes, sentence: str
) -> None:
    body = b"\x05ERROR\x03" + status
    answer = GREETING + bytes([4, len(body)]) + body
    async with (
        server(answer, close=False) as endpoint,
        linked(endpoint, Keys().public) as (_link, heard),
    ):
        await until(lambda: bool(heard.whys))
        assert "the backend, or somebody on the way, says" in heard.why
        assert sentence in heard.why
        assert heard.why.isascii()
        assert heard.why.isprintable()


@pytest.mark.parametrize("close", [True, False])
async def test_a_welcome_that_anybody_can_send_is_told_as_unproven(close: bool) -> None:
    """A WELCOME of the right size, sealed for nobody: whoever sends it has not proven the backend's
    key.
    """
    welcome = b"\x07WELCOME" + secrets.token_bytes(160)
    answer = GREETING + bytes([4, len(welcome)]) + welcome
    async with (
        server(answer, close=close) as endpoint,
        linked(endpoint, Keys().public) as (_link, heard),
    ):
        await until(lambda: bool(heard.whys))
        assert "did not prove the configured backend's key" in heard.why
        assert "enrol" not in heard.why


# The unix socket is this process's alone.

STRANGER = """
import socket, sys
stranger = socket.socket(socket.AF_UNIX)
stranger.connect(sys.argv[1])
stranger.settimeout(10)
print(stranger.recv(1) == b"", flush=True)
"""


async def test_nobody_else_takes_the_place_of_libzmq() -> None:
    ours, theirs = socket.socketpair()
    async with Wire(ours, QUICK) as wire:
        name = wire.address.removeprefix("ipc://")
        async with child("-c", STRANGER, name) as process, asyncio.TaskGroup() as group:
            carrying = group.create_task(wire.carry())
            assert process.stdout is not None
            async with asyncio.timeout(10):
                assert await process.stdout.readline() == b"True\n"
            near = socket.socket(socket.AF_UNIX)
            near.setblocking(False)
            await asyncio.get_running_loop().sock_connect(near, name)
            near.send(b"from libzmq")
            theirs.setblocking(False)
            async with asyncio.timeout(5):
                assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"from libzmq"
            near.close()
            await carrying
    theirs.close()


OTHER_USER = """
import os, socket, sys
os.setgid(65534)
os.setgroups([])
os.setuid(65534)
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except PermissionError:
    print("refused", flush=True)
"""


def abstract_names() -> set[str]:
    """Return the uplinks' sockets that any user could connect to."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return {line.split()[-1] for line in lines if "@hubd-uplink-" in line}


def names_in(folder: Path) -> list[str]:
    return [found.name for found in folder.iterdir()]


async def test_no_other_user_reaches_the_socket_and_no_abstract_name_is_left_to_all() -> None:
    before = abstract_names()
    ours, theirs = socket.socketpair()
    async with Wire(ours, QUICK) as wire:
        path = Path(wire.address.removeprefix("ipc://"))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.stat().st_uid == os.getuid()
        assert abstract_names() <= before
        if os.getuid() == 0:
            async with child("-c", OTHER_USER, str(path)) as process, asyncio.timeout(10):
                assert process.stdout is not None
                assert await process.stdout.readline() == b"refused\n"
    assert not path.parent.exists()
    theirs.close()


async def test_the_socket_is_gone_once_the_link_is_up_and_after_a_wire_that_nobody_joined(
    raw: Raw, tmp_path: Path
) -> None:
    async with (
        raw.open(),
        linked(raw.endpoint, raw.keys.public, sockets=tmp_path) as (_link, heard),
    ):
        await until(lambda: heard.ups > 0)
        assert names_in(tmp_path) == []
    ours, theirs = socket.socketpair()
    async with Wire(ours, QUICK, under=tmp_path):
        assert [name.startswith(FOLDER_PREFIX) for name in names_in(tmp_path)] == [True]
    assert names_in(tmp_path) == []
    theirs.close()


async def test_no_place_for_the_socket_is_told_of_this_machine_and_not_of_the_backend(
    raw: Raw, tmp_path: Path
) -> None:
    async with (
        raw.open(),
        linked(raw.endpoint, raw.keys.public, sockets=tmp_path / "gone") as (_link, heard),
    ):
        await until(lambda: bool(heard.whys))
        assert heard.why.startswith("this machine gives no socket for the uplink below")
        assert "backend" not in heard.why
        (tmp_path / "gone").mkdir()
        await until(lambda: heard.ups > 0)


async def test_the_socket_is_made_in_the_services_own_directory_where_there_is_one() -> None:
    assert folder_of_sockets({"RUNTIME_DIRECTORY": "/run/hubd:/run/other"}) == Path("/run/hubd")
    assert folder_of_sockets({}) == Path(tempfile.gettempdir())


async def test_an_end_that_does_not_join_is_told_of_this_machine_and_not_of_the_backend() -> None:
    ours, theirs = socket.socketpair()
    async with Wire(ours, QUICK, join_seconds=0.05) as wire:
        await wire.carry()
        assert "this machine did not join the uplink's two ends within 0.05 s" in wire.local_failure
        assert "backend" not in wire.local_failure
    theirs.close()
