"""The local API over a real unix socket: who may what, and that no client costs more than its
ceiling.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.errors import ConfigError, StoreError
from hubcore.localapi import ROOT_SUFFIX
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hublocal.api import BACKLOG, REFUSALS_A_TURN, REFUSED_PAUSE_SECONDS
from hublocal.calls import ANSWER_BYTES_MAX, Call, CallRefused
from hublocal.client import Rest
from hublocal.messages import LINE_BYTES_MAX
from hublocal.peer import PeerProcess
from hublocal.places import LIMITS, Doing, Limits
from hublocal.roles import NO_GROUPS, Role, Roles
from hublocal.stream import WAITS, Waits, open_stream
from hublocal.tail.events import (
    EVENT_BYTES_MAX,
    QUEUE_BYTES_MAX,
    QUEUE_EVENTS_MAX,
    EventTail,
)
from hublocal.tail.telling import BEATS_MISSED_MAX

pytestmark = pytest.mark.asyncio

Args = Mapping[str, Any]
BODY_BYTES = 4 * LINE_BYTES_MAX


class Daemon:
    """The calls of a daemon that can be told to fail."""

    def __init__(self) -> None:
        self.fail: Exception | None = None
        self.writes: list[PeerProcess] = []
        self.bodies: list[bytes] = []
        self.answer: object = {"hub": "hub-1"}

    async def status(self, args: Args, caller: PeerProcess) -> object:
        if self.fail:
            raise self.fail
        return self.answer

    async def echo(self, args: Args, caller: PeerProcess) -> object:
        return {"args": dict(args), "uid": caller.uid, "pid": caller.pid}

    async def load(self, args: Args, caller: PeerProcess) -> object:
        self.bodies.append(args["body"])
        return len(args["body"])

    async def change(self, args: Args, caller: PeerProcess) -> object:
        self.writes.append(caller)
        return "changed"

    def calls(self) -> tuple[Call, ...]:
        return (
            Call("status", self.status),
            Call("echo", self.echo),
            Call("change", self.change, role=Role.ACT),
            Call("renew", self.change, role=Role.RENEW),
            Call("load", self.load, role=Role.ACT, body_bytes_max=BODY_BYTES),
        )


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def ask(self, call: str, call_id: int = 1, **args: object) -> None:
        self.say(json.dumps({"id": call_id, "call": call, "args": args}).encode() + b"\n")

    async def line(self) -> Any:
        async with asyncio.timeout(5):
            return json.loads(await self.reader.readline())

    async def closed(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def answer(self, call: str, **args: Any) -> Any:
        self.ask(call, **args)
        return await self.line()


class Hub:
    """A running server, and clients that are closed at the end."""

    def __init__(
        self,
        path: Path,
        limits: Limits = LIMITS,
        waits: Waits = WAITS,
        rest: Rest = asyncio.sleep,
        roles: Roles = NO_GROUPS,
    ) -> None:
        self.path = path
        self.daemon = Daemon()
        self.tail = EventTail()
        self.api = LocalApi(path, self.daemon.calls(), self.tail, limits, waits, rest, roles)
        self.stack = contextlib.AsyncExitStack()

    async def client(self) -> Client:
        reader, writer = await asyncio.open_unix_connection(str(self.path), limit=1 << 24)
        self.stack.callback(writer.close)
        return Client(reader, writer)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        self.api.bind()
        self.stack.callback(self.api.close)  # when the test ends before `serve` has begun
        async with self.stack, asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self.api.serve())
            yield self
            serving.cancel()


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hubd.sock")


async def _until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until the condition holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 -- the condition is the server's, it has no event to wait for
            await asyncio.sleep(0)


async def test_calls_are_answered_in_order_with_their_ids(hub: Hub) -> None:
    async with hub.running():
        client = await hub.client()
        client.ask("status", 7)
        client.ask("echo", 8, a=1, b=None)
        assert await client.line() == {"id": 7, "api": 1, "result": {"hub": "hub-1"}}
        answer = await client.line()
        assert (answer["id"], answer["result"]) == (
            8,
            {"args": {"a": 1, "b": None}, "uid": os.geteuid(), "pid": os.getpid()},
        )


async def test_the_socket_is_for_owner_and_group_and_gone_after_the_stop(hub: Hub) -> None:
    async with hub.stack, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(hub.api.serve())
        await _until(hub.path.exists)
        assert stat.S_IMODE(hub.path.stat().st_mode) == 0o660
        assert "result" in await (await hub.client()).answer("status")
        serving.cancel()
    assert not hub.path.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"garbage", b"[]", b"{}", b'{"id":1}', b'{"id":"1","call":"status"}',
        b'{"id":-1,"call":"status"}',
        b'{"id":99999999999999999999,"call":"status"}', b'{"id":1,"call":"status","more":1}',
        b'{"id":1,"call":3}',
        b"\xff\xfe", b'{"id":1,"call":"\\ud800"}',
        b'{"id":1,"call":"status","args":' + b"[" * 16_000, b"",
        b'{"id":1,"call":"status","args":{"a":' + b'{"a":' * 2_600 + b"1" + b"}" * 2_602,
        b'{"id":1,"call":"status","args":{"a":[1]}}',
    ],
    ids=range(15),
)  # fmt: skip
async def test_what_is_no_request_is_answered_and_the_client_goes_on(hub: Hub, line: bytes) -> None:
    async with hub.running():
        client = await hub.client()
        client.say(line + b"\n")
        answer = await client.line()
        assert answer["error"]["code"] == "bad-request"
        assert len(answer["error"]["message"]) <= 200
        assert "result" in await client.answer("status")


async def test_an_unknown_call_is_told_what_there_is(hub: Hub) -> None:
    async with hub.running():
        error = (await (await hub.client()).answer("open " * 3000))["error"]
        assert error["code"] == "unknown-call"
        assert error["message"].endswith("there are change, echo, load, renew, status, tail")
        assert len(error["message"]) < 300


async def test_a_line_that_is_too_long_ends_the_client_and_no_other(hub: Hub) -> None:
    async with hub.running():
        other = await hub.client()
        client = await hub.client()
        client.say(b"x" * (LINE_BYTES_MAX + 2))
        assert (await client.line())["error"]["code"] == "too-long"
        assert await client.closed()
        assert "result" in await other.answer("status")


def request(call: str, body: int, call_id: int = 1) -> bytes:
    return json.dumps({"id": call_id, "call": call, "body": body}).encode() + b"\n"


async def test_bytes_behind_a_request_come_whole_and_the_next_request_after_them(hub: Hub) -> None:
    body = os.urandom(BODY_BYTES - 1) + b"\n"
    async with hub.running():
        client = await hub.client()
        client.say(request("load", len(body)) + body + request("status", 0, 2))
        assert await client.line() == {"id": 1, "api": 1, "result": len(body)}
        assert await client.line() == {"id": 2, "api": 1, "result": {"hub": "hub-1"}}
        assert await client.answer("load") == {"id": 1, "api": 1, "result": 0}
        assert hub.daemon.bodies == [body, b""]


# hublocal.calls, law 3
@pytest.mark.parametrize(
    ("call", "body"),
    [("load", BODY_BYTES + 1), ("status", 1), ("tail", 1), ("nothing", 1), ("load", 1 << 53)],
)
async def test_bytes_that_no_call_takes_end_the_client_unread(
    hub: Hub, call: str, body: int
) -> None:
    async with hub.running():
        client = await hub.client()
        client.say(request(call, body))
        assert (await client.line())["error"]["code"] == "too-long"
        assert await client.closed()
        assert hub.daemon.bodies == []


async def test_bytes_that_do_not_come_end_the_client_alone(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hubd.sock", waits=Waits(stall=0.01))
    async with hub.running():
        late = await hub.client()
        late.say(request("load", 100) + b"x")
        cut = await hub.client()
        cut.say(request("load", 100) + b"x")
        cut.writer.write_eof()
        assert await late.closed()
        assert await cut.closed()
        assert "result" in await (await hub.client()).answer("status")
        assert hub.daemon.bodies == []


async def test_a_handler_that_fails_fails_alone(hub: Hub) -> None:
    async with hub.running():
        client = await hub.client()
        for error, code, message in (
            (StoreError("The disk is full."), "store", "The disk is full."),
            (
                CallRefused("no-such-door", "There is no door x."),
                "no-such-door",
                "There is no door x.",
            ),
            (
                ZeroDivisionError("inner"),
                "internal",
                "status failed inside hubd; see journalctl -u hubd",
            ),
        ):
            hub.daemon.fail = error
            assert (await client.answer("status"))["error"] == {"code": code, "message": message}
        hub.daemon.fail = None
        hub.daemon.answer = object()
        assert (await client.answer("status"))["error"]["code"] == "internal"
        hub.daemon.answer = "x" * (ANSWER_BYTES_MAX + 1)
        assert (await client.answer("status"))["error"]["code"] == "too-large"
        hub.daemon.answer = "x" * (ANSWER_BYTES_MAX - 100)
        client.ask("status")
        client.writer.write_eof()
        assert (await client.line())["result"] == hub.daemon.answer


async def test_the_own_user_and_root_may_change(hub: Hub) -> None:
    async with hub.running():
        assert (await (await hub.client()).answer("change"))["result"] == "changed"
        assert [caller.uid for caller in hub.daemon.writes] == [os.geteuid()]


def connect_as(peer: socket.socket, path: Path, uid: int, groups: Sequence[int] = ()) -> None:
    """Connect as another user, who need not be able to reach the folder by its whole path."""
    before = Path.cwd()
    groups_before = os.getgroups()
    os.chdir(path.parent)
    os.setgroups(groups)
    os.seteuid(uid)  # the kernel notes who connects
    try:
        peer.connect(path.name)
    finally:
        os.seteuid(0)
        os.setgroups(groups_before)
        os.chdir(before)


def visitor(path: Path, uid: int, groups: Sequence[int] = ()) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    connect_as(peer, path, uid, groups)
    return peer


async def as_user(hub: Hub, uid: int, groups: Sequence[int] = ()) -> Client:
    """Return a client whose uid the kernel says is this one."""
    if uid == os.geteuid():
        return await hub.client()
    hub.path.chmod(0o666)
    hub.path.parent.chmod(0o711)
    client = Client(*await asyncio.open_unix_connection(sock=visitor(hub.path, uid, groups)))
    hub.stack.callback(client.writer.close)
    return client


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@as_root
async def test_another_user_may_read_but_not_change(hub: Hub) -> None:
    async with hub.running():
        client = await as_user(hub, 65534)
        assert (await client.answer("echo"))["result"]["uid"] == 65534
        assert (await client.answer("change"))["error"] == {
            "code": "not-allowed",
            "message": "change changes something: root may, and group hubd-admin. Use sudo, or: "
            "sudo usermod -aG hubd,hubd-admin USER, and log in again",
        }
        assert hub.daemon.writes == []


ADMINS = 4712


@as_root
@pytest.mark.parametrize("more", [0, 200, 300])
async def test_a_member_of_the_group_of_actors_may_change(tmp_path: Path, more: int) -> None:
    """roles, law 2"""
    hub = Hub(tmp_path / "s", roles=Roles(actors=ADMINS))
    others = range(100_000, 100_000 + more)
    async with hub.running():
        member = await as_user(hub, 4711, [*others, ADMINS])
        answer = await member.answer("change")
        if more > 255:  # more than hubd asks for: none of them
            assert answer["error"]["code"] == "not-allowed"
            return
        assert answer["result"] == "changed"
        stranger = await as_user(hub, 4711, [*others, ADMINS + 1])
        assert (await stranger.answer("change"))["error"]["code"] == "not-allowed"
        assert (await stranger.answer("echo"))["result"]["uid"] == 4711
        assert [caller.uid for caller in hub.daemon.writes] == [4711]


@as_root
async def test_the_user_of_updates_may_renew_and_nothing_more(tmp_path: Path) -> None:
    """roles, law 3"""
    hub = Hub(tmp_path / "s", roles=Roles(actors=ADMINS, renewer=4711))
    async with hub.running():
        updates = await as_user(hub, 4711, [ADMINS + 1])
        assert (await updates.answer("renew"))["result"] == "changed"
        assert (await updates.answer("change"))["error"]["code"] == "not-allowed"
        stranger = await as_user(hub, 4712, [ADMINS + 1])
        assert (await stranger.answer("renew"))["error"]["code"] == "not-allowed"
        member = await as_user(hub, 4712, [ADMINS])
        assert (await member.answer("renew"))["result"] == "changed"


@as_root
async def test_a_group_that_does_not_exist_has_no_members(tmp_path: Path) -> None:
    """roles, law 4"""
    hub = Hub(tmp_path / "s", roles=NO_GROUPS)
    async with hub.running():
        client = await as_user(hub, 4711, [ADMINS])
        assert (await client.answer("change"))["error"]["code"] == "not-allowed"


async def test_another_version_of_the_api_is_told_so(hub: Hub) -> None:
    async with hub.running():
        client = await hub.client()
        client.say(b'{"id":3,"api":2,"call":"change"}\n')
        answer = await client.line()
        assert (answer["id"], answer["api"], answer["error"]["code"]) == (3, 1, "version")
        assert await client.closed()
        assert hub.daemon.writes == []


@as_root
async def test_bytes_of_another_user_are_not_read(hub: Hub) -> None:
    async with hub.running():
        client = await as_user(hub, 65534)
        client.say(request("load", 1))
        assert (await client.line())["error"]["code"] == "not-allowed"
        assert await client.closed()
        assert hub.daemon.bodies == []


class Turns:
    """Counts the turns of the event loop while a test runs."""

    def __init__(self) -> None:
        self.now = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.now += 1
        self._next = self._loop.call_soon(self._turn)

    def stop(self) -> None:
        self._next.cancel()


async def test_a_client_that_pipelines_is_served_once_a_turn(hub: Hub) -> None:
    served: list[int] = []

    async def note(args: Args, caller: PeerProcess) -> object:
        served.append(turns.now)
        return None

    quick = Limits(
        client_per_second=1e6, user_per_second=1e6, client_burst=10_000, user_burst=10_000
    )
    api = LocalApi(hub.path, (Call("note", note),), hub.tail, quick)
    hub.api = api
    async with hub.running():
        client = await hub.client()
        turns = Turns()
        client.say(b'{"id":1,"call":"note"}\n' * 1000)
        for _ in range(1000):
            await client.line()
        turns.stop()
    assert len(served) == len(set(served)) == 1000, "two requests of one client in one turn"


async def test_newcomers_are_let_in_one_a_turn(tmp_path: Path) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0)

    hub = Hub(tmp_path / "s", rest=rest)
    async with hub.running():
        await asyncio.sleep(0)
        before = len(rests)
        visitors = [socket.socket(socket.AF_UNIX) for _ in range(LIMITS.user_places)]
        for peer in visitors:  # all are in the backlog before the loop turns
            peer.connect(str(hub.path))
        let_in = []
        while len(hub.api.places) < len(visitors):
            await asyncio.sleep(0)
            let_in.append(len(hub.api.places))
        assert max(now - then for then, now in zip([0, *let_in], let_in, strict=False)) == 1
        assert len(rests) - before >= len(visitors)
        for peer in visitors:
            peer.close()


class Flood:
    """Newcomers of another user, as many as the backlog holds, again and again; each closes at
    once.
    """

    def __init__(self, path: Path, uid: int) -> None:
        path.chmod(0o666)
        path.parent.chmod(0o711)
        self._path = path
        self._uid = uid

    def fill(self) -> None:
        before = Path.cwd()
        os.chdir(self._path.parent)
        os.seteuid(self._uid)
        try:
            while True:
                with socket.socket(
                    socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
                ) as peer:
                    if peer.connect_ex(self._path.name) == errno.EAGAIN:
                        return
        finally:
            os.seteuid(0)
            os.chdir(before)


@as_root
async def test_root_is_answered_by_its_own_socket_while_another_user_floods(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def rest(seconds: float) -> None:
        if seconds == REFUSED_PAUSE_SECONDS:  # the common socket takes nobody any longer
            stuck.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    hub = Hub(tmp_path / "s", Limits(newcomers_per_second=0.01, newcomers_burst=1), rest=rest)
    async with hub.running():
        flood = Flood(hub.path, 65534)
        while not stuck.is_set():
            flood.fill()
            await asyncio.sleep(0)
        flood.fill()
        own = hub.path.with_name("s" + ROOT_SUFFIX)
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        ask = (
            "import sys; from hubctl.client import *; "
            "print(HubClient(sys.argv[1]).call('echo')['uid'])"
        )
        hubctl = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ask, str(hub.path), stdout=-1
        )
        async with asyncio.timeout(20):
            assert await hubctl.communicate() == (b"0\n", None)
        with socket.socket(socket.AF_UNIX) as stranger, pytest.raises(PermissionError):
            connect_as(stranger, own, 65534)
    assert not own.exists()


@as_root
async def test_who_comes_too_fast_is_sent_away_in_bulk_and_stands_before_nobody(
    tmp_path: Path,
) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0)

    few = Limits(newcomers_per_second=0.01, newcomers_burst=3)
    hub = Hub(tmp_path / "s", few, rest=rest)
    async with hub.running():
        flood = Flood(hub.path, 65534)
        flood.fill()
        other = await asyncio.wait_for(asyncio.to_thread(connected, hub.path), 5)
        other.setblocking(False)
        client = Client(*await asyncio.open_unix_connection(sock=other))
        hub.stack.callback(client.writer.close)
        turns = len(rests)
        assert "result" in await client.answer("status")
        assert turns <= 3 + BACKLOG / REFUSALS_A_TURN + 5
        assert len(hub.api.tasks) == len(hub.api.places) == 1


def connected(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(str(path))  # waits in the kernel's queue
    return peer


async def test_one_turn_sends_so_many_away_and_no_more(tmp_path: Path) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0)

    hub = Hub(tmp_path / "s", Limits(newcomers_per_second=0.01, newcomers_burst=1), rest=rest)
    async with hub.running():
        await asyncio.sleep(0)
        visitors = [socket.socket(socket.AF_UNIX) for _ in range(1 + REFUSALS_A_TURN + 5)]
        for peer in visitors:
            peer.connect(str(hub.path))
        await _until(lambda: rests.count(REFUSED_PAUSE_SECONDS) == 2)
        assert b'"busy"' in visitors[-1].recv(1000)
        for peer in visitors:
            peer.close()


async def test_who_gave_way_while_it_waited_for_its_turn_is_gone_with_its_turn_and_its_task(
    tmp_path: Path,
) -> None:
    waiting = asyncio.Event()

    async def rest(seconds: float) -> None:
        await (waiting.wait() if seconds > 1 else asyncio.sleep(0))

    hurry = Limits(
        user_per_second=0.01, user_burst=5, newcomers_per_second=1e4, newcomers_burst=1000
    )
    hub = Hub(tmp_path / "s", hurry, rest=rest)
    async with hub.running():
        for number in range(1, 6 * LIMITS.clients):
            client = await hub.client()
            client.ask("status")
            client.say(b"x" * 120_000)  # more than one reader keeps
            if number <= hurry.user_burst:
                assert "result" in await client.line()
            else:
                await _until(
                    lambda number=number: any(
                        p.waiting and p.number == number for p in hub.api.places.held()
                    )
                )  # type: ignore[misc]
            assert len(hub.api.tasks) <= LIMITS.user_places + 2
        await _until(lambda: len(hub.api.tasks) == len(hub.api.places) <= LIMITS.user_places)
        probe = hub.api.places.enter(os.geteuid())
        assert probe is not None
        wait = hub.api.places.wait_seconds(probe, asyncio.get_running_loop().time())
        assert wait <= (LIMITS.user_places + 1) / hurry.user_per_second
        hub.api.places.leave(probe)


async def test_what_a_client_has_said_and_nobody_read_has_a_ceiling() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    stream = await open_stream(ours, WAITS, "hubd")
    with theirs:
        theirs.send(b"slow\n")
        assert await stream.line() == b"slow\n"
        flood = asyncio.create_task(
            asyncio.get_running_loop().sock_sendall(theirs, b"x" * 1_000_000)
        )
        reader = stream._reader
        await _until(lambda: reader._paused)  # type: ignore[attr-defined]
        assert len(reader._buffer) <= 3 * LINE_BYTES_MAX  # type: ignore[attr-defined]
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
    stream.abort()


@pytest.mark.parametrize(("uid_is_root", "room"), [(True, LIMITS.root_places), (False, 0)])
async def test_tasks_have_a_ceiling_and_root_is_kept_some(
    hub: Hub, uid_is_root: bool, room: int
) -> None:
    for _ in range(hub.api.tasks_max - LIMITS.root_places):
        hub.api.tasks.add(asyncio.create_task(asyncio.sleep(3600)))
    let_in = 0
    while let_in <= LIMITS.root_places and (place := hub.api._place(0 if uid_is_root else 1)):
        let_in += 1
        hub.api.tasks.add(asyncio.create_task(asyncio.sleep(3600)))
        hub.api.places.leave(place)
    assert let_in == room
    for task in hub.api.tasks:
        task.cancel()


async def test_who_asks_faster_than_the_pace_waits(tmp_path: Path) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0)

    slow = Limits(client_per_second=0.01, client_burst=20)
    hub = Hub(tmp_path / "s", slow, rest=rest)
    async with hub.running():
        client = await hub.client()
        for _ in range(25):
            client.ask("status")
        for _ in range(25):
            assert "result" in await client.line()
    waited = [seconds for seconds in rests if seconds > 1]
    # none rested, so each waits longer
    assert waited == pytest.approx([100, 200, 300, 400, 500], rel=0.1)


@as_root
async def test_a_user_who_takes_all_places_they_may_leaves_some_for_others_and_for_root(
    hub: Hub,
) -> None:
    async with hub.running():
        held = [await as_user(hub, 65534) for _ in range(LIMITS.user_places)]
        for client in held:
            assert (await client.answer("tail"))["result"] == "tailing"
            if len(hub.tail.onlookers) > LIMITS.user_tails:
                await _until(lambda: len(hub.tail.onlookers) == LIMITS.user_tails)
        other = await as_user(hub, 65533)
        root = await as_user(hub, 0)
        assert "result" in await other.answer("status")
        assert (await root.answer("change"))["result"] == "changed"


@as_root
async def test_while_everybody_is_being_answered_root_still_gets_a_place(hub: Hub) -> None:
    go_on = asyncio.Event()

    async def slow(args: Args, caller: PeerProcess) -> object:
        await go_on.wait()
        return "slow"

    hub.api = LocalApi(hub.path, (*hub.daemon.calls(), Call("slow", slow)), hub.tail)
    async with hub.running():
        busy = []
        for uid in (65534, 65533):
            for _ in range(LIMITS.user_places):
                client = await as_user(hub, uid)
                client.ask("slow")
                busy.append(client)
                await _until(
                    lambda: all(place.doing is not Doing.IDLE for place in hub.api.places.held())
                )
        await _until(lambda: len(hub.api.places) == LIMITS.clients - LIMITS.root_places)
        refused = await as_user(hub, 65532)
        assert (await refused.line())["error"]["code"] == "busy"
        assert await refused.closed()
        for _ in range(LIMITS.root_places):
            assert (await (await as_user(hub, 0)).answer("change"))["result"] == "changed"
        go_on.set()
        assert (await busy[0].line())["result"] == "slow"


async def test_a_newer_call_takes_the_place_of_the_oldest_tail(hub: Hub) -> None:
    async with hub.running():
        tails = [await hub.client() for _ in range(LIMITS.user_tails)]
        for client in tails:
            assert (await client.answer("tail"))["result"] == "tailing"
        calls = [await hub.client() for _ in range(LIMITS.user_places - LIMITS.user_tails)]
        for client in calls:
            assert "result" in await client.answer("status")
        assert "result" in await (await hub.client()).answer("status")
        assert (await tails[0].line())["error"]["code"] == "gave-way"
        assert await tails[0].closed()
        newest = await hub.client()
        assert (await newest.answer("tail"))["result"] == "tailing"
        assert (await tails[1].line())["error"]["code"] == "gave-way"
        hub.tail.publish({"event": "again"})
        for client in [*tails[2:], newest]:
            assert (await client.line())["event"] == {"event": "again"}


async def test_who_only_waits_gives_way_and_the_rest_of_what_it_said_is_not_done(hub: Hub) -> None:
    async with hub.running():
        clients = [await hub.client() for _ in range(LIMITS.user_places)]
        for client in clients:
            assert "result" in await client.answer("status")
        assert "result" in await (await hub.client()).answer("status")
        assert (await clients[0].line())["error"]["code"] == "gave-way"
        assert await clients[0].closed()
        assert "result" in await clients[1].answer("status")
    assert len(hub.api.places) == 0


async def test_a_tail_whose_client_answers_no_beat_ends(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "s", waits=Waits(beat=0.02))
    async with hub.running():
        gone = await hub.client()
        alive = await hub.client()
        for client in (gone, alive):
            assert (await client.answer("tail"))["result"] == "tailing"
        for number in range(1, 3 * BEATS_MISSED_MAX):
            assert await alive.line() == {"id": 1, "beat": number}
            alive.say(b"\n")
        await _until(lambda: len(hub.tail.onlookers) == 1)
        hub.tail.publish({"event": "again"})
        while "beat" in (said := await alive.line()):
            alive.say(b"\n")
        assert said["event"] == {"event": "again"}


async def test_a_daemon_that_stood_still_blames_no_client(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "s", waits=Waits(beat=0.01))
    async with hub.running():
        client = await hub.client()
        await client.answer("tail")
        for number in range(1, 4 * BEATS_MISSED_MAX):
            assert await client.line() == {"id": 1, "beat": number}
            client.say(b"\n")
            time.sleep(0.05)  # noqa: ASYNC251 -- the whole loop stands, for five beats
        assert len(hub.tail.onlookers) == 1


async def test_beats_come_among_many_events_too(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "s", waits=Waits(beat=0.02))
    async with hub.running():
        client = await hub.client()
        await client.answer("tail")
        beats = 0
        while beats < 2 * BEATS_MISSED_MAX:
            hub.tail.publish({"event": "again"})
            if "beat" in await client.line():
                beats += 1
                client.say(b"\n")


async def test_a_name_that_is_no_utf8_spoils_no_answer(hub: Hub) -> None:
    """Python shows a file's odd byte as a lone surrogate, which no UTF-8 holds."""
    async with hub.running():
        client = await hub.client()
        hub.daemon.answer = {"why": "disk\udcff"}
        assert (await client.answer("status"))["result"] == {"why": "disk\udcff"}
        hub.daemon.fail = StoreError("disk\udcff")
        assert (await client.answer("status"))["error"]["message"] == "disk\udcff"


@as_root
async def test_what_clients_provoke_is_logged_once_a_minute(hub: Hub) -> None:
    journal = io.StringIO()
    log.set_up("info", journal, human=False)
    hub.daemon.fail = ZeroDivisionError("inner")
    async with hub.running():
        client = await as_user(hub, 65534)
        for _ in range(15):
            assert (await client.answer("change"))["error"]["code"] == "not-allowed"
            assert (await client.answer("status"))["error"]["code"] == "internal"
    lines = [json.loads(line) for line in journal.getvalue().splitlines()]
    assert sorted(line["event"] for line in lines) == ["call_failed status", "write_call_refused"]
    assert all(line["times"] == 1 for line in lines)


async def test_a_silent_client_is_closed_and_half_a_line_is_silence(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hubd.sock", waits=Waits(idle=0.05))
    async with hub.running():
        client = await hub.client()
        client.say(b'{"id":1,')
        assert await client.closed()


async def test_tail_shows_what_is_published_after_it_was_answered(hub: Hub) -> None:
    async with hub.running():
        first = await hub.client()
        second = await hub.client()
        hub.tail.publish({"event": "before"})
        assert (await first.answer("tail"))["result"] == "tailing"
        assert (await second.answer("tail"))["result"] == "tailing"
        hub.tail.publish(
            {"event": "granted", "door": "front", "grant_id": b"12345678", "secret": "s"}
        )
        for client in (first, second):
            event = await client.line()
            assert event["id"] == 1
            assert event["event"] == {
                "event": "granted", "door": "front", "grant_id": "<8 bytes>",
                "secret": "<redacted>",
            }  # fmt: skip
        first.writer.close()
        await _until(lambda: len(hub.tail.onlookers) == 1)
        hub.tail.publish({"event": "again"})
        assert (await second.line())["event"] == {"event": "again"}


async def test_a_slow_onlooker_loses_events_and_is_told_how_many(hub: Hub) -> None:
    async with hub.running():
        slow = await hub.client()
        quick = await hub.client()
        for client in (slow, quick):
            await client.answer("tail")
        sent = QUEUE_EVENTS_MAX + 44
        for number in range(sent):
            hub.tail.publish({"n": number})
        seen = [(await slow.line())["event"]["n"] for _ in range(QUEUE_EVENTS_MAX)]
        assert seen == list(range(QUEUE_EVENTS_MAX))
        assert await slow.line() == {"id": 1, "lost": sent - QUEUE_EVENTS_MAX}
        hub.tail.publish({"big": ["x" * 1900] * 10})
        assert await slow.line() == {"id": 1, "lost": 1}
        hub.tail.publish({"n": -1})
        assert (await slow.line())["event"] == {"n": -1}
        assert EVENT_BYTES_MAX < 19_000


async def test_an_onlooker_that_stopped_reading_holds_nobody_up(hub: Hub) -> None:
    async with hub.running():
        stuck = await hub.client()
        await stuck.answer("tail")
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            for _ in range(QUEUE_EVENTS_MAX):
                hub.tail.publish({"text": "x" * 1000})
            await asyncio.sleep(0)
        (queue,) = hub.tail.onlookers
        assert len(queue._events) <= QUEUE_EVENTS_MAX
        assert sum(map(len, queue._events)) <= QUEUE_BYTES_MAX
        assert queue._lost > 0
        assert "result" in await (await hub.client()).answer("status")


async def test_a_stale_socket_is_replaced(hub: Hub) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(hub.path))
    async with hub.running():
        assert "result" in await (await hub.client()).answer("status")


async def test_a_live_hubd_is_never_replaced(hub: Hub) -> None:
    async with hub.running():
        with pytest.raises(ConfigError, match="another hubd is running on this socket"):
            Hub(hub.path).api.bind()
        assert "result" in await (await hub.client()).answer("status")


async def test_a_full_backlog_is_alive_too(hub: Hub) -> None:
    hub.api.bind()  # nobody accepts
    with contextlib.ExitStack() as waiting:
        outcome = 0
        while outcome == 0:
            visitor = waiting.enter_context(
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            )
            outcome = visitor.connect_ex(str(hub.path))
        with pytest.raises(ConfigError, match="another hubd is running"):
            Hub(hub.path).api.bind()
    hub.api.close()


async def test_the_stop_leaves_anothers_socket_alone(hub: Hub) -> None:
    async with hub.running():
        for file in (hub.path, hub.path.with_name(hub.path.name + ROOT_SUFFIX)):
            file.unlink()
        successor = Hub(hub.path)
        successor.api.bind()
    assert hub.path.exists()
    successor.api.close()
    assert not hub.path.exists()


async def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            Hub(path).api.bind()
        return str(caught.value)

    (tmp_path / "file").write_text("dear")
    assert "expected nothing or a socket, found another file" in refused(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "dear"
    assert "No such file or directory; see to it that" in refused(
        tmp_path / "nowhere" / "hubd.sock"
    )
    assert "Not a directory" in refused(tmp_path / "file" / "hubd.sock")


def _serve_and_send(path: Path, data: bytes) -> None:
    async def run() -> None:
        async with Hub(path).running() as hub:
            client = await hub.client()
            client.say(data)
            client.writer.write_eof()
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionResetError):
                    while line := await client.reader.readline():
                        assert {"result", "error"} & set(json.loads(line))
            assert "result" in await (await hub.client()).answer("status")

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore:.*asyncio")
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.lists(
        st.binary(max_size=200)
        | st.sampled_from([b'{"id":1,"call":"tail"}', b'{"id":1,"call":"status"}']),
        max_size=6,
    ).map(b"\n".join)
)
async def test_whatever_is_sent_the_server_goes_on(tmp_path: Path, data: bytes) -> None:
    await asyncio.to_thread(_serve_and_send, tmp_path / "hubd.sock", data)
