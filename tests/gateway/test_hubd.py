"""A real hubd with a door in front of real gateways and a real engine."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import zmq

from hubcore.access.cards import Card
from hubcore.access.grant import Access
from hubcore.backend.uplink import codec, from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head, facts, follows
from hubgateway.rules import names
from tests.gateway.bench import Bench, running, until
from tests.gateway.desk import HUB, GatewayStage

pytestmark = pytest.mark.once

CARDS = 2_000
RELEASES = 4


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def test_a_door_goes_on_when_its_gateway_is_killed(bench: Bench, tmp_path: Path) -> None:
    for _ in range(2):
        await bench.gate()
    async with GatewayStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        await stage.offer(stage.site.policy())
        first = await stage.release()
        assert first.outcome is ReleaseOutcome.RELEASED, first.detail
        cards = [
            Card(secrets.token_bytes(16), secrets.token_hex(8), 0, 1 << 40, (Access(1, 1, ()),))
            for _ in range(CARDS)
        ]
        await stage.offer(stage.site.change(cards={card.digest: card for card in cards}))
        orders = [stage.order() for _ in range(RELEASES)]
        for order in orders:
            await stage.publish(order)
        await bench.gates[0].kill()
        for order in orders:
            assert (await stage.result(order)).outcome is ReleaseOutcome.RELEASED
        await stage.offer(stage.site.change())

        async def all_is_recorded() -> bool:
            said = [facts(record.body) for record in await bench.stored(HUB)]
            return [one["kind"] for one in said].count(RecordKind.POLICY) == 3

        await stage.until(all_is_recorded, "the records of three policies have come")
        newest = await stage.drained()
        stored = await bench.stored(HUB)
        # Lost 0, twice 0: one story from record 1 to the hub's newest, or further.
        assert [record.number for record in stored] == list(range(1, len(stored) + 1))
        assert len(stored) >= newest
        before = Head()
        for record in stored:
            follows(before, record)
            before = Head(record.number, record.hash)
        said = [facts(record.body) for record in stored]
        done = Counter(one[Fact.OP] for one in said if one["kind"] == RecordKind.REMOTE)
        assert len(done) == 1 + RELEASES
        assert set(done.values()) == {1}  # each release was done once


async def test_a_hub_changes_its_key_and_comes_with_it_to_every_gateway(
    bench: Bench, tmp_path: Path
) -> None:
    for _ in range(2):
        await bench.gate()
    async with GatewayStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        (old,) = stage.enrolled()
        rotate = codec.encode(from_backend.RotateKey(bytes.fromhex(old)))
        await bench.js.publish(names.subject(names.COMMANDS, HUB), rotate)

        async def is_over() -> bool:
            return (await stage.ring()).retired == (old,)

        await stage.until(is_over, "one key is left")
        (new,) = (await stage.ring()).held
        assert await stage.standing(new) == f"enrolled {HUB}"
        assert await stage.standing(old) == f"retired {HUB}"
        await stage.drained()
        await bench.gates[0].kill()
        await stage.offer(stage.site.policy())  # by the other gateway, to the new key
        newest = await stage.drained()
        stored = await bench.stored(HUB)
        assert [record.number for record in stored] == list(range(1, len(stored) + 1))
        assert len(stored) >= newest
        copy = await bench.hub(HUB, enrolled=False)
        secret = (stage.site.hub / "curve.secret").read_bytes().strip()
        copy.public = zmq.curve_public(secret)
        copy.secret = secret
        copy.connect(bench.gates[1].endpoint)
        await until(lambda: "comes with a key that it has no more" in bench.gates[1].log)


async def test_an_engine_restored_from_an_older_copy_is_mended_by_the_hub(
    bench: Bench, tmp_path: Path
) -> None:
    gate = await bench.gate()
    async with GatewayStage(tmp_path / "site", bench) as stage:
        await stage.welcomed()
        await stage.offer(stage.site.policy())
        old = await stage.drained()
        await bench.server.copy_to(tmp_path / "copy")
        await stage.offer(stage.site.change())
        await stage.offer(stage.site.change())
        assert await stage.drained() > old
        await gate.kill()
        await bench.server.restore(tmp_path / "copy")
        await gate.start()
        await bench.reconnect()
        await stage.offer(stage.site.change())
        before = await stage.drained()

        async def is_mended() -> bool:
            stored = await bench.stored(HUB)
            return bool(stored) and stored[-1].number >= before

        await stage.until(is_mended, "the engine has all records again")
        await stage.drained()
        stored = await bench.stored(HUB)
        assert [record.number for record in stored] == list(range(1, len(stored) + 1))
        said = [facts(record.body) for record in stored]
        breaks = [one for one in said if one["kind"] == RecordKind.BREAK]
        assert len(breaks) == 1
        assert "restored" in breaks[0].values()
        assert "it has lost the others" in gate.log
        assert "until decided" not in gate.log
