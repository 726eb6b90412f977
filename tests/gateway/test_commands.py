"""Commands, results and policies through a real gateway; the backend is JavaScript."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError

from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.words import MAX_DOCUMENT_BYTES, ReleaseOutcome
from hubcore.evidence.records import Record, RecordKind
from hubgateway.rules import names
from tests.gateway.bench import ROOT, WAIT_SECONDS, Bench, make_chain, running, until

pytestmark = pytest.mark.once


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def _node() -> str:
    """Node.js of this machine, or that of the Z-Wave service."""
    found = shutil.which("node")
    if found:
        return found
    where = await asyncio.create_subprocess_exec(
        ROOT / ".ci" / "zwave-modules", "--where", stdout=asyncio.subprocess.PIPE
    )
    folder, _ = await where.communicate()
    node = Path(folder.decode().strip()) / "bin" / "node"
    if not node.exists():
        pytest.skip("no Node.js: make zwave-modules")
    return str(node)


async def _backend(bench: Bench, *words: str) -> str:
    made = await asyncio.create_subprocess_exec(
        await _node(),
        ROOT / "tests" / "gateway" / "backend.js",
        f"127.0.0.1:{bench.server.port}",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_SECONDS):
        said, complained = await made.communicate()
    assert made.returncode == 0, complained.decode()
    return said.decode()


async def test_a_backend_in_another_language(bench: Bench, tmp_path: Path) -> None:
    gate = await bench.gate()
    hub = await bench.hub(enrolled=False)
    await _backend(bench, "enrol", "hub-1", hub.key)
    await hub.greet(gate.endpoint)
    hub.records = make_chain(70)
    await hub.send_until_durable(gate.endpoint)

    async def obey() -> None:
        order = await hub.hear_a(from_backend.Release)
        assert isinstance(order, from_backend.Release)
        assert (order.access_point, order.by) == (3, "porter")
        await hub.say(from_hub.Result(order.id, ReleaseOutcome.RELEASED, "the door is open"))

    async with asyncio.TaskGroup() as group:
        group.create_task(obey())
        said = group.create_task(_backend(bench, "release", "hub-1", "3", "porter"))
    assert said.result().strip() == "released the door is open"
    lines = (await _backend(bench, "records", "hub-1")).splitlines()
    assert lines == [f"{one.number} {one.hash.hex()}" for one in hub.records]
    policy = tmp_path / "policy.cbor"
    policy.write_bytes(b"no policy, which is the hub's to say")
    await _backend(bench, "policy", "4", str(policy))
    offered = await hub.hear_a(from_backend.NewPolicy)
    assert isinstance(offered, from_backend.NewPolicy)
    assert offered.document == policy.read_bytes()
    await _backend(bench, "revoke", "hub-1", hub.key)
    await hub.say(from_hub.Ping(bytes(8)))
    with pytest.raises(TimeoutError):
        await hub.hear(1.0)


async def test_a_command_lives_until_it_expires(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    now = int(time.time())
    late = from_backend.Release(bytes(16), 1, now - 1, None, "porter")
    alive = from_backend.Release(bytes([1] * 16), 1, now + 600, None, "porter")
    for order in (late, alive):
        await bench.js.publish(names.subject(names.COMMANDS, "hub-1"), codec.encode(order))
    await bench.js.publish(names.subject(names.COMMANDS, "hub-1"), b"no command")
    await hub.greet(gate.endpoint)
    assert await hub.hear() == alive
    await hub.say(from_hub.Ping(bytes(8)))
    assert isinstance(await hub.hear(), from_backend.Pong)


async def test_an_old_hub_is_offered_the_newest_policy_and_its_pieces(bench: Bench) -> None:
    gate = await bench.gate()
    piece = bytes(1000)
    await bench.put(names.POLICY_BUCKET, names.piece_key(bytes(32)), piece)
    await bench.put(names.POLICY_BUCKET, names.root_key(9), b"nine")
    await bench.put(names.POLICY_BUCKET, names.root_key(10), b"ten")
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    offered = await hub.hear_a(from_backend.NewPolicy)
    assert offered == from_backend.NewPolicy(b"ten")
    await hub.say(from_hub.PiecesWanted((bytes(32), bytes([1] * 32))))
    assert await hub.hear_a(from_backend.Pieces) == from_backend.Pieces((piece,))


async def test_mandates_and_ended_bridges_go_to_hubs_by_their_uplink(bench: Bench) -> None:
    """documents, law 6: after the Hello, and as they change; the hub proves them"""
    gate = await bench.gate()
    await bench.put(names.MANDATES_BUCKET, "orders", b"for orders")
    await bench.put(names.ENDS_BUCKET, "hubs", b"hubs are for bridges")
    await bench.put(names.ENDS_BUCKET, "bridges", b"bridges")
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    assert await hub.hear_a(CarriedMandate) == CarriedMandate(b"for orders")
    assert await hub.hear_a(CarriedEnds) == CarriedEnds(b"bridges")
    await bench.put(names.MANDATES_BUCKET, "orders", bytes(MAX_DOCUMENT_BYTES + 1))
    await bench.put(names.ENDS_BUCKET, "bridges", b"more")
    assert await hub.hear_a(CarriedEnds) == CarriedEnds(b"more")
    await bench.put(names.MANDATES_BUCKET, "orders", b"newer")
    assert await hub.hear_a(CarriedMandate) == CarriedMandate(b"newer")


async def test_an_alarm_ahead_of_its_record_is_told_to_whoever_listens(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    heard = await bench.client.subscribe(names.subject(names.NOTICES, "hub-1"))
    await bench.client.flush()
    forced = Record.at(RecordKind.DOOR, 1.0, 1.0, {"door": "front", "what": "forced"})
    notice = from_hub.Notice(9, forced.encode(), bytes(32))
    await hub.say(notice)
    message = await heard.next_msg(timeout=WAIT_SECONDS)
    assert message.data == codec.encode(notice)
    assert await bench.stored("hub-1") == []


async def test_what_a_hub_made_of_a_policy_outlives_an_engine_that_is_away(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub()
    await hub.greet(gate.endpoint)
    said = from_hub.PolicyResult(7, "")
    await bench.server.kill()
    await until(lambda: "the connection is lost" in gate.log)
    await hub.say(said)
    await bench.server.start()
    await bench.reconnect()
    subject = names.subject(names.RESULTS, hub.hub)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with contextlib.suppress(NotFoundError):
                kept = await bench.js.get_last_msg(names.RESULTS_STREAM, subject)
                break
            await asyncio.sleep(0.05)
    assert codec.decode_from_hub(kept.data or b"") == said
