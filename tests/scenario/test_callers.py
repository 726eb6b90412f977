"""Floods at the ports of gateway and backend: connections, and parts of messages without an end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.backend.callers import CallerLimits
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import MAX_RECORD_BYTES, PROTOCOL
from hubcore.timing.lines import LINES_A_SOURCE
from hubgateway.callers import CROWDED, FLOODED, copy_of
from hubgateway.router import Router
from hubgateway.rules.names import Entry, Standing, write_entry
from tests.scenario.test_uplink import Keys, running, until
from tests.scenario.test_wire import peak_mib
from tests.scenario.uplink_faults.desk import Desk, Process, desk_at, free_endpoint

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

PING = codec.encode(from_hub.Ping(bytes(8)))
PART = bytes(4000)
MIB = 1 << 20
GREETED_SECONDS = 10.0


async def test_what_is_no_connection_at_the_port_is_left_alone() -> None:  # callers, law 1
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        calling = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        accepted, _ = listening.accept()
        stack.enter_context(accepted)
        pair = [stack.enter_context(one) for one in socket.socketpair()]
        copy = copy_of(accepted.fileno(), [port])
        assert copy is not None
        stack.enter_context(copy)
        assert copy.getpeername() == calling.getsockname()
        before = len(os.listdir("/proc/self/fd"))
        for other in (calling, pair[0]):
            assert copy_of(other.fileno(), [port]) is None
        with open(os.devnull) as file:  # noqa: ASYNC230 - nothing is read
            assert copy_of(file.fileno(), [port]) is None
        assert copy_of(1 << 20, [port]) is None
        assert len(os.listdir("/proc/self/fd")) == before


class Directory:
    """The engine's directory of keys, with one hub's."""

    fresh = True

    def __init__(self, public: bytes) -> None:
        self.values: Mapping[str, bytes] = {
            public.hex(): write_entry(Entry(Standing.ENROLLED, "hub-1"))
        }


@contextlib.asynccontextmanager
async def caller(endpoint: str, server: bytes, keys: Keys) -> AsyncIterator[zmq.asyncio.Socket]:
    """A client of a port, which never comes again by itself."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, -1)
        dealer.setsockopt(zmq.SNDHWM, 0)
        dealer.curve_serverkey = server
        dealer.curve_secretkey = keys.secret
        dealer.curve_publickey = keys.public
        dealer.connect(endpoint)
        yield dealer


@contextlib.asynccontextmanager
async def gateway_port(
    keys: Keys, hub: Keys, told: list[str], limits: CallerLimits
) -> AsyncIterator[tuple[Router, str]]:
    """The gateway's socket, which answers handshakes and watches its callers."""
    secret = z85.encode(keys.secret)
    router = Router(secret, Directory(hub.public), _ignore, told.append, limits)
    with router.bound(free_endpoint()) as endpoint:
        async with running(router.answer_handshakes()), running(router.watch()):
            yield router, endpoint


def _ignore(_hub: str) -> None:
    """No key is retired here."""


async def test_parts_without_an_end_cost_their_connection_alone() -> None:
    keys = Keys()
    hub = Keys()
    told: list[str] = []
    async with (
        gateway_port(keys, hub, told, CallerLimits(20, MIB)) as (router, endpoint),
        caller(endpoint, keys.public, hub) as honest,
        caller(endpoint, keys.public, hub) as rogue,
    ):
        await honest.send(PING)
        assert [bytes(frames[1]) for frames in await router.receive()] == [PING]
        await rogue.send(PING)
        await router.receive()
        lost = rogue.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        await rogue.send_multipart([PART] * (40 * MIB // len(PART)), copy=False)
        async with asyncio.timeout(GREETED_SECONDS):
            await lost.recv_multipart()
        rogue.disable_monitor()
        lost.close(0)
        assert router.ended[FLOODED] == 1
        assert told == [f"a connection of 127.0.0.1 was ended: it {FLOODED} (1 so far)"]
        await honest.send(PING)
        heard: list[int] = []
        while 2 not in heard:
            heard += [len(frames) for frames in await router.receive()]
        assert len(heard) <= 2, "its own, and the other's when that was whole before the look"


async def test_the_longest_message_of_a_hub_passes_and_a_longer_one_does_not() -> None:
    """The ceiling is for the sealed message. A record that never passes would stop its chain."""
    keys = Keys()
    hub = Keys()
    longest = codec.encode(from_hub.Evidence((1 << 63) - 1, bytes(MAX_RECORD_BYTES), bytes(32)))
    async with (
        gateway_port(keys, hub, [], CallerLimits(20, MIB)) as (router, endpoint),
        caller(endpoint, keys.public, hub) as honest,
    ):
        await honest.send(longest)
        async with asyncio.timeout(GREETED_SECONDS):
            (frames,) = await router.receive()
        assert bytes(frames[1]) == longest
        lost = honest.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        await honest.send(bytes(from_hub.Evidence.CEILING + 1))
        async with asyncio.timeout(GREETED_SECONDS):
            await lost.recv_multipart()
        honest.disable_monitor()
        lost.close(0)


async def test_silent_connections_make_room_for_hubs_and_none_for_each_other() -> None:
    keys = Keys()
    hub = Keys()
    told: list[str] = []
    most = 20
    async with gateway_port(keys, hub, told, CallerLimits(most, MIB)) as (router, endpoint):
        async with caller(endpoint, keys.public, hub) as honest:
            await honest.send(PING)
            await router.receive()
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            with contextlib.ExitStack() as stack:
                for _ in range(5 * most):
                    stack.enter_context(socket.create_connection((host, int(port))))
                await until(lambda: router.ended[CROWDED] == 5 * most + 1 - most)
                assert len(told) == 1, "people are told at a pace"
                await honest.send(PING)
                (frames,) = await router.receive()
                assert bytes(frames[1]) == PING
                async with caller(endpoint, keys.public, hub) as second:
                    await second.send(PING)
                    async with asyncio.timeout(GREETED_SECONDS):
                        await router.receive()
        await until(lambda: router.callers == 0)


# The reference backend as a process: a stranger's port beside the hubs'.


@contextlib.asynccontextmanager
async def backend(folder: Path) -> AsyncIterator[tuple[Desk, str, int]]:
    """A backend with an enrolment port, and a hub that speaks with it; where both ports are."""
    async with desk_at(folder) as desk:
        endpoint = free_endpoint()
        enrolment = free_endpoint()
        desk.server = Process(
            *("-m", "hubsim.main", "backend", "--at", str(desk.site.path)),
            *("--listen", endpoint, "--enrol", enrolment),
            log=folder / "backend.log",
        )
        await desk.server.start()
        await desk.start_hub(endpoint)
        await desk.speaking()
        yield desk, endpoint, int(enrolment.rpartition(":")[2])


async def test_a_stranger_at_the_enrolment_port_takes_neither_memory_nor_places(
    tmp_path: Path,
) -> None:
    async with backend(tmp_path) as (desk, _, port):
        secret = (desk.site.backend / "enrol.secret").read_bytes().strip()
        server = z85.decode(zmq.curve_public(secret))
        before = peak_mib(desk.server.pid)
        async with caller(f"tcp://127.0.0.1:{port + 1}", server, Keys()) as rogue:
            lost = rogue.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            await rogue.send_multipart([PART] * (300 * MIB // len(PART)), copy=False)
            async with asyncio.timeout(GREETED_SECONDS):
                await lost.recv_multipart()
            rogue.disable_monitor()
            lost.close(0)
        assert peak_mib(desk.server.pid) - before < 250, "of 300, with what they cost in memory"
        with contextlib.ExitStack() as stack:
            for _ in range(600):
                stack.enter_context(socket.create_connection(("127.0.0.1", port + 1)))
            assert (await desk.release())["outcome"] == "released"
        await desk.drained()
        account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (1, 1)


async def test_a_hub_that_asks_for_what_is_refused_without_end_fills_no_journal(
    tmp_path: Path,
) -> None:  # lines, laws 1 and 2
    asked = 300
    keys = Keys()
    async with backend(tmp_path) as (desk, endpoint, _):
        (desk.site.backend / "hubs" / "rogue.curve.pub").write_text(keys.text)
        server = z85.decode((desk.site.backend / "curve.pub").read_bytes().strip())
        hello = from_hub.Hello(
            protocol=PROTOCOL,
            hub="rogue",
            site=desk.site.name,
            boot_id=bytes(16),
            software="rogue",
            policy_version=0,
            policy_digest=bytes(32),
            last_record=0,
            head_hash=bytes(32),
            waiting=0,
        )
        async with caller(endpoint, server, keys) as rogue:
            await rogue.send(codec.encode(hello))
            new_key = from_hub.NewKey(Keys().public, bytes(32))
            answers = 0
            while answers < asked:
                await rogue.send(codec.encode(new_key))
                async with asyncio.timeout(GREETED_SECONDS):
                    said = codec.decode_from_backend(await rogue.recv())
                answers += isinstance(said, from_backend.KeyTaken)
        lines = (tmp_path / "backend.log").read_text().splitlines()
        about = [line for line in lines if "its new key is refused" in line]
        assert 1 <= len(about) <= LINES_A_SOURCE.burst + 1, "one more comes in a minute"
