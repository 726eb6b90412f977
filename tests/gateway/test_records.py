"""Records through real gateways into a real engine: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.js import api

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import Cause
from hubgateway.rules import names
from tests.gateway.bench import WAIT_SECONDS, Bench, make_chain, running, until

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def test_records_are_kept_once_and_acknowledged(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    welcome = await hub.greet(gate.endpoint)
    assert isinstance(welcome, from_backend.Welcome)
    assert welcome.durable == 0
    hub.records = make_chain(200)
    await hub.send_until_durable(gate.endpoint)
    await hub.send(hub.records[150:180])
    hub.acknowledged.clear()
    while not {r.number for r in hub.records[150:180]} <= hub.acknowledged:
        await hub.hear()
    assert await bench.stored("hub-1") == hub.records
    again = await hub.greet(gate.endpoint)
    assert isinstance(again, from_backend.Welcome)
    assert (again.durable, again.durable_hash) == (200, hub.records[-1].hash)


async def test_a_killed_gateway_and_a_killed_engine_lose_nothing(bench: Bench) -> None:
    first = await bench.gate()
    second = await bench.gate()
    hub = await bench.hub()
    await hub.greet(first.endpoint)
    hub.records = make_chain(300)
    await hub.send(hub.records[:64])
    await hub.hear_durable(64)
    await first.kill()
    await hub.greet(second.endpoint)
    await hub.send(hub.records[64:128])
    await hub.hear_a(from_backend.Acknowledge)
    await bench.server.kill()
    await hub.send(hub.records[100:164])
    await bench.server.start()
    await hub.send_until_durable(second.endpoint)
    await bench.reconnect()
    assert await bench.stored("hub-1") == hub.records


async def test_the_window_of_duplicates_decides_nothing(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    info = await bench.js.stream_info(names.RECORDS_STREAM)
    info.config.duplicate_window = 0.1
    await bench.js.update_stream(info.config)
    await hub.greet(gate.endpoint)
    hub.records = make_chain(64)
    await hub.send_until_durable(gate.endpoint)
    await gate.kill()
    await gate.start()
    hub.acknowledged.clear()
    await hub.greet(gate.endpoint)
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records


async def test_what_comes_on_a_connection_that_does_not_count_is_not_heard(bench: Bench) -> None:
    first = await bench.gate()
    second = await bench.gate()
    hub = await bench.hub()
    hub.records = make_chain(20)
    await hub.greet(first.endpoint)
    again = bench.like(hub)  # the same machine, elsewhere; its old connection hangs half open
    await again.greet(second.endpoint)
    await hub.send(hub.records)
    with pytest.raises(TimeoutError):
        await again.hear(1.0)
    assert await bench.stored("hub-1") == []
    await again.send_until_durable(second.endpoint)
    assert await bench.stored("hub-1") == again.records
    assert "two machines" not in first.log + second.log


@pytest.mark.parametrize("gates", [1, 2])
async def test_two_machines_with_one_hubs_keys_are_told_of(bench: Bench, gates: int) -> None:
    for _ in range(gates):
        await bench.gate()
    hub = await bench.hub()
    copy = bench.like(hub, boot_id=bytes(16))
    assert isinstance(await hub.greet(bench.gates[0].endpoint), from_backend.Welcome)
    async with asyncio.TaskGroup() as group:
        told = group.create_task(hub.hear_a(from_backend.Halt))
        group.create_task(copy.greet(bench.gates[-1].endpoint))
    halt = told.result()
    assert isinstance(halt, from_backend.Halt)
    assert halt.cause is Cause.TWO_HUBS
    while not any(isinstance(said, from_backend.Halt) for said in copy.heard):
        await copy.hear()
    stops = await bench.js.key_value(names.STOPS_BUCKET)
    said = ((await stops.get("hub-1")).value or b"").decode()
    assert hub.boot_id.hex()[:8] in said
    assert copy.boot_id.hex()[:8] in said
    copy.close()
    await stops.delete("hub-1")
    assert isinstance(await hub.hear_a(from_backend.Welcome), from_backend.Welcome)
    hub.records = make_chain(5)
    await hub.send_until_durable(bench.gates[0].endpoint)
    assert await bench.stored("hub-1") == hub.records


async def test_a_hello_that_comes_late_is_compared_with_nothing(bench: Bench) -> None:
    """A gateway stands still; its hub goes elsewhere, and writes records there."""
    first = await bench.gate()
    second = await bench.gate()
    hub = await bench.hub()
    hub.records = make_chain(3)
    await hub.greet(first.endpoint)
    await hub.send_until_durable(first.endpoint)
    first.signalled(signal.SIGSTOP)
    old = bench.like(hub)
    old.connect(second.endpoint)
    second.signalled(signal.SIGSTOP)
    await old.say(old.hello())
    first.signalled(signal.SIGCONT)
    old.close(linger_ms=5_000)
    hub.records += make_chain(20, hub.records[-1])
    await hub.greet(first.endpoint)
    await hub.send_until_durable(first.endpoint)
    sessions = await bench.js.key_value(names.SESSIONS_BUCKET)
    before = (await sessions.get("hub-1")).revision
    second.signalled(signal.SIGCONT)
    async with asyncio.timeout(WAIT_SECONDS):  # until the late Hello is read
        while (await sessions.get("hub-1")).revision == before:
            continue
    hub.records += make_chain(5, hub.records[-1])
    await hub.send_until_durable(first.endpoint)
    assert await bench.stored("hub-1") == hub.records
    assert "until decided" not in first.log + second.log


async def test_a_fork_stops_the_hub_until_somebody_decides(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    hub.records = make_chain(10)
    await hub.send_until_durable(gate.endpoint)
    other = make_chain(3, hub.records[6], word="other")
    await hub.send(other)
    halt = await hub.hear_a(from_backend.Halt)
    assert isinstance(halt, from_backend.Halt)
    assert (halt.cause, halt.number) == (Cause.FORK, 10)
    assert await bench.stored("hub-1") == hub.records
    await gate.kill()
    await gate.start()
    assert isinstance(await hub.greet(gate.endpoint), from_backend.Halt)
    stops = await bench.js.key_value(names.STOPS_BUCKET)
    await stops.delete("hub-1")
    assert isinstance(await hub.hear_a(from_backend.Welcome), from_backend.Welcome)


async def test_a_gap_and_a_cut_tail_are_told(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    hub.records = make_chain(90)
    await hub.send(hub.records[5:6])
    await hub.say(from_hub.Ping(bytes(8)))
    await hub.hear_a(from_backend.Pong)
    await hub.send(hub.records[5:6])
    halt = await hub.hear_a(from_backend.Halt)
    assert isinstance(halt, from_backend.Halt)
    assert halt.cause is Cause.GAP
    other = await bench.hub("hub-2")
    other.records = make_chain(150)
    await other.greet(gate.endpoint)
    await other.send_until_durable(gate.endpoint)
    other.records = other.records[:3]
    cut = await other.greet(gate.endpoint)
    assert isinstance(cut, from_backend.Halt)
    assert (cut.cause, cut.number) == (Cause.TAIL_CUT, 150)


async def test_keys_unknown_then_enrolled_then_revoked_then_restored(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub(enrolled=False)
    hub.connect(gate.endpoint)
    await hub.say(hub.hello())
    with pytest.raises(TimeoutError):
        await hub.hear(1.0)
    await bench.put(names.KEYS_BUCKET, hub.key, "enrolled hub-1")
    await hub.hear_a(from_backend.Welcome)  # 300: it came again by itself
    hub.records = make_chain(10)
    await bench.put(names.KEYS_BUCKET, hub.key, "revoked hub-1")
    await bench.put(names.KEYS_BUCKET, "0" * 64, "enrolled hub-9")
    other = await bench.hub("hub-2")
    await other.greet(gate.endpoint)  # the gateway has heard of the revocation by now
    await hub.send(hub.records)
    with pytest.raises(TimeoutError):
        await hub.hear(1.0)
    assert await bench.stored("hub-1") == []
    await bench.put(names.KEYS_BUCKET, hub.key, "enrolled hub-1")
    await hub.greet(gate.endpoint)
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records


async def test_a_full_engine_is_not_silent(bench: Bench) -> None:
    config = api.StreamConfig(
        name=names.RECORDS_STREAM,
        subjects=[f"{names.RECORDS}.*"],
        discard=api.DiscardPolicy.NEW,
        max_bytes=20_000,
        storage=api.StorageType.FILE,
    )
    await bench.js.add_stream(config)
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    hub.records = make_chain(640)
    sent = 0
    while "maximum bytes exceeded" not in gate.log:
        await hub.send(hub.records[sent : sent + 64])
        sent += 64
        try:
            await hub.hear(2.0)
        except TimeoutError:
            break
    await until(lambda: "nothing is acknowledged" in gate.log)
    durable = await bench.stored("hub-1")
    assert {record.number for record in durable} == hub.acknowledged
    info = await bench.js.stream_info(names.RECORDS_STREAM)
    info.config.max_bytes = 10_000_000
    await bench.js.update_stream(info.config)
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records


async def test_a_stream_that_may_drop_records_refuses_the_start(bench: Bench) -> None:
    await bench.js.add_stream(
        api.StreamConfig(
            name=names.RECORDS_STREAM,
            subjects=[f"{names.RECORDS}.*"],
            discard=api.DiscardPolicy.OLD,
        )
    )
    with pytest.raises(AssertionError, match="may drop records"):
        await bench.gate()
    process = bench.gates[0].process
    assert process is not None
    assert await process.wait() == 78  # nobody signals it: it has ended by itself


async def test_an_old_record_is_acknowledged_again_however_old_it_is(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    other = await bench.hub("hub-2")
    for one in (hub, other):
        await one.greet(gate.endpoint)
        one.records = make_chain(300)
    for number in range(300):  # a message of the engine for each
        for one in (hub, other):
            await one.send([one.records[number]])
            await one.hear_a(from_backend.Acknowledge)
    await gate.kill()
    await gate.start()
    await hub.greet(gate.endpoint)
    for old in ([1, 2, 3], [298, 7, 150], [300]):
        hub.acknowledged.clear()
        await hub.send([hub.records[number - 1] for number in old])
        while not set(old) <= hub.acknowledged:
            await hub.hear()
    await hub.send(make_chain(2, word="other")[1:])
    halt = await hub.hear_a(from_backend.Halt)
    assert isinstance(halt, from_backend.Halt)
    assert halt.cause is Cause.FORK
    assert await bench.stored("hub-1") == hub.records


async def test_a_fork_is_accepted_by_the_documented_step(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    hub.records = make_chain(10)
    await hub.send_until_durable(gate.endpoint)
    hub.records = make_chain(12, word="other")
    assert isinstance(await hub.greet(gate.endpoint), from_backend.Halt | from_backend.Welcome)
    await hub.send(hub.records[10:])
    await hub.hear_a(from_backend.Halt)
    await bench.js.purge_stream(names.RECORDS_STREAM, subject=names.subject(names.RECORDS, "hub-1"))
    stops = await bench.js.key_value(names.STOPS_BUCKET)
    await stops.delete("hub-1")
    welcome = await hub.hear_a(from_backend.Welcome)
    assert isinstance(welcome, from_backend.Welcome)
    assert (welcome.durable, welcome.durable_hash) == (0, bytes(32))
    hub.acknowledged.clear()
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records


async def test_a_connected_hub_is_not_stopped_for_what_the_engine_has_lost(
    bench: Bench, tmp_path: Path
) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    hub.records = make_chain(40)
    await hub.send_until_durable(gate.endpoint)
    await bench.server.copy_to(tmp_path / "copy")
    hub.records = make_chain(80)
    await hub.send_until_durable(gate.endpoint)
    await bench.server.restore(tmp_path / "copy")
    await bench.reconnect()
    hub.records = make_chain(82)
    while "it has lost what it acknowledged" not in gate.log:
        await hub.send(hub.records[80:])
        await asyncio.sleep(0.1)
    for _ in range(3):  # as often as it likes: it is no gap
        await hub.send(hub.records[80:])
    welcome = await hub.hear_a(from_backend.Welcome)
    assert isinstance(welcome, from_backend.Welcome)
    assert welcome.durable == 40, "it is told before it says Hello"
    await hub.say(hub.hello())
    assert await hub.hear_a(from_backend.Welcome)
    assert not any(isinstance(said, from_backend.Halt) for said in hub.heard)
    hub.acknowledged = set(range(1, 41))
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records
