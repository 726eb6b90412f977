"""What somebody else writes into the engine ends no gateway, and costs at most its own hub."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.js.errors import APIError

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import ReleaseOutcome
from hubgateway.rules import names
from hubgateway.rules.hubpace import ANSWERS
from tests.gateway.bench import WAIT_SECONDS, Bench, make_chain, running, until

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

JUNK = (
    b"",
    b"\xff" * 10,
    b"enrolled",
    b"enrolled \xff",
    b"enrolled x y",
    b"FORK \xff\xfe",
    b"held\nheld\n" + b"k" * 64,
    b"9" * 100,
    b"{}",
    b"\x9f",
    b"\x80" * 20_000,
    b"\x81" * 5_000,
    random.Random(11).randbytes(300_000),
)
KEYS = ("hub-2", "x.y", "ab" * 32, "root.1", "root.x", "root." + "9" * 400, "piece.z", "-", "_")
TREES = (names.COMMANDS, names.LIVES, names.TELEMETRY)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def test_junk_in_any_bucket_or_subject_ends_no_gateway(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    hub.records = make_chain(20)
    await hub.greet(gate.endpoint)
    for bucket in names.BUCKETS:
        for key in KEYS:
            for value in JUNK:
                await bench.put(bucket, key, value)
    for tree in TREES:
        for data in JUNK:
            await bench.client.publish(f"{tree}.hub-1", data)
            await bench.client.publish(f"{tree}.hub-2", data)
    await bench.client.flush()
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records
    assert gate.process is not None
    assert gate.process.returncode is None
    second = await bench.gate()
    assert isinstance(await hub.greet(second.endpoint), from_backend.Welcome), "it starts on that"


async def test_a_stray_message_is_named_and_the_documented_step_mends_it(bench: Bench) -> None:
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    other = await bench.hub("hub-2")
    hub.records = make_chain(10)
    other.records = make_chain(10)
    await hub.greet(gate.endpoint)
    await hub.send_until_durable(gate.endpoint)
    subject = names.subject(names.RECORDS, "hub-1")
    stray = await bench.js.publish(subject, b"somebody else")
    hub.records += make_chain(5, hub.records[-1])
    with pytest.raises(TimeoutError):
        await hub.greet(gate.endpoint, tries=1)
    told = f"message {stray.seq} of {names.RECORDS_STREAM}: "
    await until(lambda: told in gate.log)
    await other.greet(gate.endpoint)
    await other.send_until_durable(gate.endpoint)
    with pytest.raises(APIError):
        await bench.js.delete_msg(names.RECORDS_STREAM, stray.seq)
    await bench.js.purge_stream(names.RECORDS_STREAM, subject=subject)
    hub.acknowledged.clear()
    welcome = await hub.greet(gate.endpoint)
    assert isinstance(welcome, from_backend.Welcome)
    assert welcome.durable == 0, "the hub hears that all of its records are to come again"
    await hub.send_until_durable(gate.endpoint)
    assert await bench.stored("hub-1") == hub.records
    await hub.say(from_hub.Ping(bytes(8)))
    await hub.hear_a(from_backend.Pong)


async def test_a_hub_in_wrong_hands_fills_no_stream_of_answers(bench: Bench) -> None:
    """hubpace, law 1"""
    gate = await bench.gate()
    hub = await bench.hub("hub-1")
    hub.records = make_chain(300)
    await hub.greet(gate.endpoint)
    for number in range(2_000):
        answer = from_hub.Result(number.to_bytes(16, "big"), ReleaseOutcome.RELEASED, "x" * 200)
        await hub.say(answer)
    await hub.send_until_durable(gate.endpoint)
    info = await bench.js.stream_info(names.RESULTS_STREAM)
    assert 1 <= info.state.messages <= ANSWERS.burst + WAIT_SECONDS * ANSWERS.per_second
    assert await bench.stored("hub-1") == hub.records, "its records are taken all the same"
