"""A bridge that runs, and hubs that talk with it over real TLS: `hubbridge.hubs.talk`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import Config, Room
from hubbridge.hubs.said import WIRE
from hubbridge.hubs.talking import Times
from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import Halt, Held, Pong
from hubcore.backend.uplink.from_hub import Evidence, OrderResult, Ping
from hubcore.backend.uplink.words import Cause, OrderOutcome
from hubcore.bridge import codec
from hubcore.bridge.ends import Ends
from hubcore.bridge.frames import frame
from hubcore.bridge.from_bridge import CarriedOrder, Full, Witnessed
from hubcore.bridge.from_hub import OwnHead
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.bridge.site.order import DoorsOrder, prove_site_order
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, LinkError
from hubcore.evidence.records import Head
from hubcore.timing.pace import Rate
from hubsim.site.documents import make_key
from hubsim.stage import free_port
from hubtls.identity import IdentityFiles
from hubtls.line import MESSAGES_AT_ONCE, READ_BYTES, UNSENT_BYTES, Line
from tests.fakes.bridgedhub import (
    BEGINS,
    BRIDGE,
    ENDS,
    ISSUER,
    PATIENCE_SECONDS,
    SITE,
    BridgedHub,
    bridge_config,
    head_of,
    hub_files,
    make_log,
    own_head,
)
from tests.fakes.clock import FakeClock


def mandate(use: Use, key: SigningKey, version: int = 1) -> Mandate:
    return Mandate(
        site=SITE,
        holder=BRIDGE if use is Use.TESTIMONY else "somebody",
        use=use,
        version=version,
        key=key.verify_key,
        not_before=BEGINS,
        expires=ENDS,
    )


@asynccontextmanager
async def running(
    folder: Path, config: Config, times: Times | None = None, clock: FakeClock | None = None
) -> AsyncIterator[tuple[Bridge, int]]:
    """Run a bridge; yield it and its port."""
    files = read_files(config, folder / "hubbridge.toml")
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        open_bridge(files, clock, times) as bridge,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(bridge.run(ready.set_result))
        yield bridge, await ready
        task.cancel()


@pytest.mark.parametrize("wrong", ["another key", "another hub", "no document", "another record"])
async def test_a_head_that_proves_nothing_ends_the_connection(tmp_path: Path, wrong: str) -> None:
    """talk, law 6"""
    log = make_log(20)
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            hub.signs = False
            await hub.greet(log)
            hub.send(log)
            await hub.held(20)
            said = {
                "another key": own_head("hub-1", head_of(log), make_key()),
                "another hub": own_head("hub-2", head_of(log), hub.key),
                "no document": b"no document",
                "another record": own_head("hub-1", Head(20, bytes(32)), hub.key),
            }
            hub.say(OwnHead(said[wrong]))
            while await hub.next() is not None:
                pass
        assert bridge.store.covered("hub-1") == 0
        with closing(await come(tmp_path, port)) as hub:  # what was missed is signed on the next
            await hub.greet(log)
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
        assert bridge.store.covered("hub-1") == 20


async def test_a_hub_that_signs_without_end_is_read_no_faster_than_its_heads_are_proven(
    tmp_path: Path,
) -> None:
    """talk, law 6: it waits for its own heads, and its neighbour does not"""
    log = make_log(3)
    times = Times(heads=Rate(burst=1, per_second=1 / 3600))
    async with running(tmp_path, bridge_config(tmp_path), times) as (bridge, port):
        with (
            closing(await come(tmp_path, port)) as hub,
            closing(await come(tmp_path, port, "hub-2")) as neighbour,
        ):
            hub.signs = False
            await hub.greet(log)
            hub.send(log)
            await hub.held(3)
            hub.say(*(OwnHead(own_head("hub-1", head_of(log[:end]), hub.key)) for end in (1, 2)))
            hub.send(make_log(4)[3:])
            await neighbour.greet(log)
            neighbour.send(log)
            await neighbour.held(3)
            neighbour.say(Ping(bytes(8)))
            await neighbour.until(Pong)
            while not bridge.store.covered("hub-1"):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            assert bridge.store.covered("hub-2") == 3
            assert bridge.store.covered("hub-1") == 1
            assert bridge.store.hubs["hub-1"].newest == head_of(log)


async def come(folder: Path, port: int, name: str = "hub-1") -> BridgedHub:
    shown = folder / f"of-{name}"
    files = hub_files(shown, name) if not shown.exists() else hub_files_in(shown)
    return await BridgedHub.connect(name, files, port)


def hub_files_in(folder: Path) -> IdentityFiles:
    return IdentityFiles(folder / "tls.key", folder / "tls.pem", folder / "authority.pem")


async def test_records_are_held_and_outlive_the_bridge(tmp_path: Path) -> None:
    """holding, law 1"""
    config = bridge_config(tmp_path)
    log = make_log(700)
    async with running(tmp_path, config) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            assert (await hub.greet(log)).held == 0
            hub.send(log[:500])
            assert await hub.held(500) == set(range(1, 501))
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            welcome = await hub.greet(log)
            assert Head(welcome.held, welcome.held_hash) == head_of(log[:500])
            hub.send(log[500:])
            await hub.held(200)
            state = bridge.states.of("hub-1")
            assert state.newest == head_of(log)
            assert state.connected
            assert await bridge.store.read("hub-1", 0, 1000) == tuple(log)


async def test_a_hub_that_was_turned_back_is_told_and_not_heard(tmp_path: Path) -> None:
    """talk, law 3; witness, laws 2, 3 and 7: also after the bridge has started again"""
    config = bridge_config(tmp_path)
    log = make_log(20)
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(20)
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello(log[:10]))
            halt = await hub.until(Halt)
            assert isinstance(halt, Halt)
            assert (halt.cause, halt.number) == (Cause.TAIL_CUT, 20)
            assert bridge.states.of("hub-1").doubt is not None
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            other = make_log(30, b"copy")
            hub.say(hub.hello(other))
            await hub.until(Halt)
            hub.send(other)
            hub.say(Ping(bytes(8)))
            assert isinstance(await hub.next(), Pong)
            assert await bridge.store.read("hub-1", 0, 100) == tuple(log)


async def test_another_record_under_a_number_that_was_seen_halts(tmp_path: Path) -> None:
    log = make_log(5)
    forged = make_log(5, b"fork")
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(5)
            hub.send([forged[2]])
            halt = await hub.until(Halt)
            assert isinstance(halt, Halt)
            assert halt.cause is Cause.FORK
            doubt = bridge.states.of("hub-1").doubt
            assert doubt is not None
            assert doubt.told == Head(3, forged[2].hash)
            assert bridge.store.hubs["hub-1"].newest == head_of(log)


async def test_a_bridge_bears_witness_of_what_it_holds(tmp_path: Path) -> None:
    """holding, law 3"""
    key = make_key()
    config = bridge_config(tmp_path, testimony=key)
    log = make_log(3)
    async with running(tmp_path, config) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log)
            seen = await hub.until(Witnessed)
            assert isinstance(seen, Witnessed)
            said = prove_head(
                HeadKind.TESTIMONY,
                seen.document,
                HubName(SITE, "hub-1"),
                mandate(Use.TESTIMONY, key),
            )
            assert said.head in [Head(one.number, one.hash) for one in log]
            assert any(isinstance(one, Held) for one in hub.heard)


async def test_a_hub_that_falls_silent_has_a_testimony_of_its_newest_record(tmp_path: Path) -> None:
    """holding, law 3: with its first Ping once one is due, and no second one of the same"""
    key = make_key()
    config = bridge_config(tmp_path, testimony=key)
    log = make_log(9)
    clock = FakeClock(offset=time.time())
    async with running(tmp_path, config, clock=clock) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log[:1])
            await hub.until(Witnessed)
            hub.send(log[1:])
            await hub.held(8)
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            assert sum(isinstance(one, Witnessed) for one in hub.heard) == 1, "one is not due yet"
            clock.advance(Times().witness_seconds)
            for _ in range(2):
                hub.say(Ping(bytes(8)))
                await hub.until(Pong)
                clock.advance(Times().witness_seconds)
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            witnessed = [one for one in hub.heard if isinstance(one, Witnessed)]
            assert len(witnessed) == 2
            said = prove_head(
                HeadKind.TESTIMONY,
                witnessed[-1].document,
                HubName(SITE, "hub-1"),
                mandate(Use.TESTIMONY, key),
            )
            assert said.head == head_of(log)


async def test_mandates_and_orders_of_the_site_reach_each_hub(tmp_path: Path) -> None:
    key = make_key()
    for_orders = issue_mandate(mandate(Use.ORDERS, key), ISSUER)
    config = bridge_config(tmp_path, mandates=(for_orders,), orders=key)
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet([])
            assert await hub.until(CarriedMandate) == CarriedMandate(for_orders)
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            until = int(time.time()) + 3600
            order = await bridge.orders.give(DoorsOrder(DoorOrder.LOCKDOWN, None, until), "otto")
            carried = await hub.until(CarriedOrder)
            assert isinstance(carried, CarriedOrder)
            proven = prove_site_order(
                carried.document, HubName(SITE, "hub-1"), mandate(Use.ORDERS, key)
            )
            assert proven == order
            hub.say(OrderResult(order.id, OrderOutcome.TAKEN, ""), Ping(bytes(8)))
            await hub.until(Pong)
            (shown,) = bridge.orders.shown()
            assert shown.answers == (("hub-1", OrderOutcome.TAKEN),)
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port, "hub-2")) as late:
            await late.greet([])
            missed = await late.until(CarriedOrder)
            assert isinstance(missed, CarriedOrder)
            assert missed.document == carried.document


async def test_who_is_none_of_its_hubs_gets_nothing(tmp_path: Path) -> None:
    """talk, laws 1 and 2; line, laws 1 and 5"""
    log = make_log(1)
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            hub.send(log)
            assert await hub.next() is None
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello(log, site="site-2"))
            assert await hub.next() is None
        with closing(await come(tmp_path, port, "hub-2")) as hub:
            hub.name = "hub-1"
            hub.say(hub.hello(log))
            assert await hub.next() is None
        with closing(await come(tmp_path, port)) as hub:
            hub.writer.write(frame(bytes(513)))
            assert await hub.next() is None
        assert bridge.store.hubs == {}


async def test_what_is_no_message_has_no_effect(tmp_path: Path) -> None:
    """line, law 5"""
    log = make_log(2)
    async with running(tmp_path, bridge_config(tmp_path)) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.writer.write(frame(b"\x83\x18\x7f\x01\x02") + frame(b"nonsense"))
            hub.send(log)
            assert await hub.held(2) == {1, 2}


@pytest.mark.parametrize("said", [b"\x00", codec.encode(Ping(bytes(8)))])
async def test_a_flood_leaves_others_their_turn(said: bytes) -> None:
    """line, law 4"""
    reader = asyncio.StreamReader(READ_BYTES)
    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    line = Line(reader, writer, WIRE, PATIENCE_SECONDS)
    reader.feed_data(frame(said) * (READ_BYTES // len(frame(said))))
    reader.feed_eof()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async def read_all() -> list[int]:
        found: list[int] = []
        with contextlib.suppress(LinkError):
            while True:
                before = turns
                found.append(len(await line.next()))
                assert turns > before
        return found

    turn()
    await line.first(PATIENCE_SECONDS)
    found = await read_all()
    most = max(found, default=0)
    count = sum(found)
    assert most <= MESSAGES_AT_ONCE
    assert count + line.unread >= READ_BYTES // len(frame(said)) - 1
    assert turns >= READ_BYTES // len(frame(said)) // MESSAGES_AT_ONCE
    writer.close()
    server.close()


async def test_a_hub_that_is_ended_is_cut_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet([])
            bridge.port.take_ends(Ends(1, frozenset({"hub-1"})))
            while await hub.next() is not None:
                pass
            assert bridge.talks.connected() == ()


async def test_a_silent_hub_leaves_its_place(tmp_path: Path) -> None:
    """line, law 3"""
    times = Times(silent_seconds=0.05)
    async with running(tmp_path, bridge_config(tmp_path), times) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet([])
            assert await hub.next() is None
            assert not bridge.states.of("hub-1").connected


async def test_a_hub_that_does_not_read_loses_its_connection(tmp_path: Path) -> None:
    """line, law 2"""
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet([])
            message = CarriedOrder(bytes(1000))
            most = 64 * UNSENT_BYTES // 1000
            said = 0
            while bridge.talks.say("hub-1", message) and said < most:
                said += 1
            assert said < most
            while bridge.talks.connected():  # noqa: ASYNC110, the end of a task of the bridge
                await asyncio.sleep(0.01)


async def test_a_bridge_with_a_mandate_of_nobody_does_not_start(tmp_path: Path) -> None:
    forged = issue_mandate(mandate(Use.ORDERS, make_key()), make_key())
    config = bridge_config(tmp_path, mandates=(forged,))
    with pytest.raises(ConfigError, match="mandates"):
        async with running(tmp_path, config):
            pass


async def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """holding, law 2"""
    config = bridge_config(tmp_path)
    tight = msgspec.structs.replace(config, room=Room(free_mib=1 << 40))
    log = make_log(4)
    async with running(tmp_path, tight) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log[:2])
            assert isinstance(await hub.until(Full), Full)
            hub.send(log[2:])
            hub.say(Ping(bytes(8)))
            assert isinstance(await hub.next(), Pong)
            assert bridge.states.of("hub-1").full_told == 1
    async with running(tmp_path, config) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            assert (await hub.greet(log)).held == 0
            hub.say(*(Evidence(one.number, one.body, one.hash) for one in log))
            assert await hub.held(4) == {1, 2, 3, 4}


async def test_what_a_killed_bridge_has_said_to_be_held_is_there(tmp_path: Path) -> None:
    """holding, law 1, over the real program and SIGKILL"""
    config = bridge_config(tmp_path)
    file = tmp_path / "hubbridge.toml"
    sections = msgspec.to_builtins(config)
    room = sections.pop("room")
    sections["port"] = free_port()
    sections.pop("mandates")
    assert sections.pop("api") is None
    rows = [f"{key} = {json.dumps(value)}" for key, value in sections.items()]
    rows += ["[room]", *(f"{key} = {json.dumps(value)}" for key, value in room.items())]
    file.write_text("\n".join(rows))
    each = 3000
    log = make_log(3 * each)
    known = 0
    for kill_after in (1, 400, 1100):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hubbridge",
            "--config",
            str(file),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert b"hubs at port" in await process.stdout.readline()
            with closing(await come(tmp_path, sections["port"])) as hub:
                welcome = await hub.greet(log)
                assert welcome.held >= known
                hub.send(log[welcome.held : welcome.held + each])
                while known < welcome.held + kill_after:
                    known = max(known, *(await hub.held(1)))
                process.kill()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    async with running(tmp_path, config) as (bridge, _):
        held = await bridge.store.read("hub-1", 0, len(log))
        assert held == tuple(log[: len(held)])
        assert len(held) >= known
