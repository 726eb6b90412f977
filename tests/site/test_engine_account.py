"""The account at the engine that docs/site.md gives this server: enough, and no more."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import nats
import pytest

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import PolicyResult
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubsim.site.documents import make_key
from hubsite.config import Engine
from hubsite.hubs.engine import HubAnswer, HubsEngine
from hubsite.records.engine import Message, RecordsEngine
from tests.gateway.bench import WAIT_SECONDS, Server, running, until

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[2] / "docs" / "site.md"
KEY = 64 * "a"
RECORDS = (names.RECORDS_STREAM, names.RECORDS)


def _said() -> tuple[list[str], list[str]]:
    """Return what the page lets this server publish, and subscribe to."""
    section = PAGE.read_text(encoding="utf-8").partition("### The account at the engine")[2]
    table, _, rest = section.partition("It subscribes to ")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    publish = re.findall(r"`([^`]+)`", " ".join(rows))
    return publish, re.findall(r"`([^`]+)`", rest.partition(".\n")[0].partition(". ")[0])


def _server(folder: Path) -> Server:
    publish, subscribe = _said()
    assert publish
    assert subscribe
    limited = json.dumps({"publish": publish, "subscribe": subscribe})
    return Server(
        folder / "engine",
        extra=(
            "\nauthorization { users: [\n{user: person, password: p}\n"
            f"{{user: site, password: p, permissions: {limited}}}\n] }}\nno_auth_user: person\n"
        ),
    )


async def test_the_account_of_the_page_is_enough_and_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, _server(tmp_path)) as bench:
        buckets = Buckets(bench.js)
        for bucket in (names.POLICY_BUCKET, names.KEYS_BUCKET):
            await buckets.make(bucket, 1)
        for stream, subjects in ((names.RESULTS_STREAM, names.RESULTS), RECORDS):
            await bench.js.add_stream(name=stream, subjects=[f"{subjects}.*"])
        await buckets.put(names.KEYS_BUCKET, KEY, b"enrolled front-1")
        url = bench.server.url.replace("//", "//site:p@")
        await _is_enough(url, bench.js)
        await _is_no_more(url, bench.client)
        assert await buckets.snapshot(names.KEYS_BUCKET) == {KEY: b"enrolled front-1"}


async def _is_enough(url: str, js: nats.js.JetStreamContext) -> None:
    engine = HubsEngine(Engine((url,)))
    await engine.connect()
    try:
        heard = asyncio.Event()
        await engine.listen(heard.set)
        assert await engine.highest_version() == 0
        assert await engine.answers(0) == ([], 0)
        await engine.put_policy(3, document.issue(Policy("acme", 3, 1), make_key()))
        assert await engine.highest_version() == 3
        assert await engine.hubs() == {"front-1"}
        said = codec.encode(PolicyResult(3, ""))
        await js.publish(f"{names.RESULTS}.front-1", said)
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        assert (await engine.answers(0))[0] == [HubAnswer("front-1", 3, "")]
    finally:
        await engine.close()
    await _is_enough_for_records(url, js)


async def _is_enough_for_records(url: str, js: nats.js.JetStreamContext) -> None:
    engine = RecordsEngine(Engine((url,)))
    await engine.connect()
    try:
        rung = asyncio.Event()
        notices: list[tuple[str, bytes]] = []
        await engine.listen(rung.set, lambda hub, data: notices.append((hub, data)))
        assert await engine.newest() == 0
        assert await engine.messages(0) == []
        await js.publish(f"{names.RECORDS}.front-1", b"a record")
        await asyncio.wait_for(rung.wait(), WAIT_SECONDS)
        assert await engine.messages(0) == [Message(1, "front-1", b"a record")]
        assert await engine.newest() == 1
        assert await engine.messages(0, hub="front-2") == []
    finally:
        await engine.close()


async def _is_no_more(url: str, person: nats.aio.client.Client) -> None:
    """Nothing of this server's account reaches a hub, or makes one."""
    errors: list[str] = []

    async def failed(error: Exception) -> None:
        errors.append(str(error).lower())

    orders = await person.subscribe("hub.commands.*")
    await person.flush()
    site = await nats.connect(url, error_cb=failed, allow_reconnect=False)
    try:
        refused = (
            "hub.commands.front-1",
            f"$KV.hub_keys.{KEY}",
            "hub.results.front-1",
            "hub.records.front-1",
            "hub.notices.front-1",
            "$JS.API.STREAM.PURGE.HUB_RECORDS",
            "$JS.API.CONSUMER.CREATE.KV_hub_policy",
        )
        for subject in refused:
            await site.publish(subject, b"x")
        await until(lambda: all(any(one.lower() in said for said in errors) for one in refused))
        await person.publish("hub.commands.front-1", b"of a person")
        assert (await orders.next_msg(WAIT_SECONDS)).data == b"of a person"
    finally:
        await site.close()
