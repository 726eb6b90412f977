"""The account at the engine that docs/site.md gives this server: enough, and no more."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import nats
import pytest

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import PolicyResult
from hubcore.errors import LinkError
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubgateway.engine.buckets import Buckets
from hubgateway.engine.rights import RIGHTS, Who
from hubgateway.rules import names
from hubsim.site.documents import certify_hub, make_key
from hubsite.config import Engine
from hubsite.fleet.judging import BUCKETS
from hubsite.hubs.engine import HubAnswer, HubSaid, HubsEngine
from hubsite.hubs.newest import newest_policy
from hubsite.hubs.putting import put_policy, take_out_older
from hubsite.orders.giving.byengine import EngineWay, message_of
from hubsite.orders.giving.ways import Receipt
from hubsite.orders.kept import Giving, Letter
from hubsite.orders.words import OrderKind, Wish
from hubsite.records.engine import Message, RecordsEngine
from hubsite.records.witnesses import Said
from tests.gateway.bench import WAIT_SECONDS, Server, running, until

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[3] / "docs" / "site.md"
KEY = 64 * "a"
RECORDS = (names.RECORDS_STREAM, names.RECORDS)
LETTER = Letter("front-1", bytes(16), 1_900_000_000)
WISH = Wish(OrderKind.LOCKDOWN, on=True, point=7, until=1_900_000_000)
GIVING = Giving(bytes(16).hex(), "olga", WISH, "front-1", (LETTER,))
READ = (names.PROMISES_BUCKET, *BUCKETS)


def _said() -> tuple[list[str], list[str]]:
    """Return what the page lets this server publish, and subscribe to."""
    section = PAGE.read_text(encoding="utf-8").partition("### The account at the engine")[2]
    table, _, rest = section.partition("It subscribes to ")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    publish = re.findall(r"`([^`]+)`", " ".join(rows))
    return publish, re.findall(r"`([^`]+)`", rest.partition(".\n")[0].partition(". ")[0])


def _said_of_orders() -> list[str]:
    """Return what the page lets a server publish beside that, if it orders by the engine."""
    section = PAGE.read_text(encoding="utf-8").partition("## Orders for doors")[2]
    table = section.partition("## Copies")[0]
    return [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]


def _server(folder: Path, more: list[str] | None = None) -> Server:
    publish, subscribe = _said()
    assert (*publish,) == RIGHTS[Who.SERVER].publish
    assert (*subscribe,) == RIGHTS[Who.SERVER].subscribe
    limited = json.dumps({"publish": [*publish, *(more or [])], "subscribe": subscribe})
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
        for bucket in (names.POLICY_BUCKET, names.KEYS_BUCKET, *READ):
            await buckets.make(bucket, 1)
        for stream, subjects in ((names.RESULTS_STREAM, names.RESULTS), RECORDS):
            await bench.js.add_stream(name=stream, subjects=[f"{subjects}.*"])
        await buckets.put(names.KEYS_BUCKET, KEY, b"enrolled front-1")
        url = bench.server.url.replace("//", "//site:p@")
        await _is_enough(url, bench.js, bench.client)
        await _is_no_more(url, bench.client)
        assert await buckets.snapshot(names.KEYS_BUCKET) == {KEY: b"enrolled front-1"}


async def test_an_engine_that_began_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    """engine, law 2: the place that was kept is of another engine"""
    async with running(tmp_path, Server(tmp_path / "engine")) as bench:
        await bench.js.add_stream(name=names.RESULTS_STREAM, subjects=[f"{names.RESULTS}.*"])

        async def answers(kept: int) -> tuple[list[HubSaid], int]:
            engine = HubsEngine(Engine((bench.server.url,)))
            await engine.connect()
            try:
                return await engine.answers(kept)
            finally:
                await engine.close()

        assert await answers(0) == ([], 0)
        assert await answers(900) == ([], 0)
        for version in (3, 4):
            said = codec.encode(PolicyResult(version, ""))
            await bench.js.publish(f"{names.RESULTS}.front-1", said)
        both = [HubAnswer("front-1", 3, ""), HubAnswer("front-1", 4, "")]
        assert await answers(900) == (both, 2)
        assert await answers(1) == (both[1:], 2)
        assert await answers(2) == ([], 2)


@pytest.mark.parametrize("orders", [True, False])
async def test_the_account_that_orders_is_enough(tmp_path: Path, orders: bool) -> None:
    more = _said_of_orders()
    assert more
    server = _server(tmp_path, more if orders else None)
    async with running(tmp_path, server) as bench:
        buckets = Buckets(bench.js)
        for bucket in (names.KEYS_BUCKET, names.CERTIFICATES_BUCKET):
            await buckets.make(bucket, 1)
        await bench.js.add_stream(name=names.COMMANDS_STREAM, subjects=[f"{names.COMMANDS}.*"])
        await buckets.put(names.KEYS_BUCKET, KEY, b"enrolled front-1")
        issuer = make_key()
        certificate = certify_hub(
            issuer, site="acme", hub="front-1", key=make_key().verify_key, points=(7,)
        )
        await buckets.put(names.CERTIFICATES_BUCKET, "front-1", certificate)
        await buckets.put(names.CERTIFICATES_BUCKET, "front-2", b"what nobody signed")
        url = bench.server.url.replace("//", "//site:p@")
        way = EngineWay("acme", Engine((url,)), issuer.verify_key)
        refused = pytest.raises(LinkError, match=r"lacks `hub.commands.\*` under `publish`")
        try:
            with nullcontext() if orders else refused:
                await way.connect()
                await way.look()
                assert way.points == {7: "front-1"}
                assert await way.give(GIVING) == Receipt()
                told = await bench.js.get_last_msg(names.COMMANDS_STREAM, "hub.commands.front-1")
                assert codec.decode_from_backend(told.data or b"") == message_of(GIVING, LETTER)
        finally:
            await way.close()


async def _is_enough(
    url: str, js: nats.js.JetStreamContext, person: nats.aio.client.Client
) -> None:
    engine = HubsEngine(Engine((url,)))
    await engine.connect()
    try:
        heard = asyncio.Event()
        await engine.listen(heard.set)
        assert await engine.highest_version() == 0
        assert await engine.answers(0) == ([], 0)
        issuer = make_key()
        policy = Policy("acme", 3, 1, revoked_credentials=frozenset({"a"}))
        for version in (1, 2, 3):
            whole = document.issue(replace(policy, version=version), issuer)
            put = await put_policy(engine, version, whole)
        assert sorted(await engine.versions()) == [1, 2, 3]
        await take_out_older(engine, put)
        assert await engine.versions() == [3]
        assert await engine.highest_version() == 3
        assert await newest_policy(engine, 3, issuer.verify_key, "acme") == policy
        assert await engine.hubs() == {"front-1"}
        said = codec.encode(PolicyResult(3, ""))
        await js.publish(f"{names.RESULTS}.front-1", said)
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        assert (await engine.answers(0))[0] == [HubAnswer("front-1", 3, "")]
        for bucket in READ:
            assert await engine.changes(bucket, 0) == ([], 0)
        present: list[bytes] = []
        await engine.listen_to(names.PRESENT, lambda _subject, said: present.append(said))
        await engine.listen_to(f"{names.TELEMETRY}.*", lambda _subject, said: present.append(said))
        await engine.highest_version()  # the subscription is there once this is answered
        await person.publish(names.PRESENT, b"x")
        await person.publish(f"{names.TELEMETRY}.front-1", b"y")
        await until(lambda: present == [b"x", b"y"])
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
        for bucket in (names.MANDATES_BUCKET, names.TESTIMONIES_BUCKET):
            assert await engine.documents(bucket, ">", 0) == []
            await Buckets(js).make(bucket, 1)
            await Buckets(js).put(bucket, "a.b", b"x")
            assert await engine.documents(bucket, "a.*", 0) == [Said(1, "a.b", b"x")]
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
            "$KV.hub_stops.front-1",
            "$KV.hub_enrolments.front-1",
            "$KV.hub_certificates.front-1",
            names.PRESENT,
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
