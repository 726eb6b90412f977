"""A doubt of a hub ends by an act that names the head, over restarts: `hubbridge.store.meeting`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbridge.app import Bridge
from hubbridge.config import Api
from hubbridge.rules.doubts import Accepted
from hubbridge.rules.room import RoomLimits
from hubbridge.store.meeting import ActRoom
from hubbridge.store.store import Store
from hubcore.backend.uplink.from_backend import Halt, Pong
from hubcore.backend.uplink.from_hub import Ping
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.from_bridge import BridgeWelcome, Witnessed
from hubcore.bridge.witness import Doubt
from hubcore.evidence.records import Head, StoredRecord, chain_hash
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import PATIENCE_SECONDS, bridge_config, head_of, make_log
from tests.unit.test_bridge_hubs import come
from tests.unit.test_bridge_hubs import running as running_bridge

HUB = "hub-1"
KEY = bytes(32)
LIMITS = RoomLimits()
BOSS = ("boss", 1002, 1_800_000_000_000)
"""Who ends a doubt: the operator, his uid, and when."""
TRUE = make_log(20)


def other_log(common: int, count: int) -> list[StoredRecord]:
    """A log that is the true one up to `common`, and another from there on."""
    log = list(TRUE[:common])
    before = head_of(log)
    for number in range(common + 1, count + 1):
        body = b"other" + number.to_bytes(4, "big")
        before = Head(number, chain_hash(before.hash, number, body))
        log.append(StoredRecord(number, body, before.hash))
    return log


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path, LIMITS)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        writing = group.create_task(store.run())
        await asyncio.sleep(0)
        yield store
        writing.cancel()


async def speak(store: Store, turn: int, log: list[StoredRecord], durable: int = 0) -> Doubt | None:
    """Come as a hub with this log, and send what is wanted."""
    met = await store.meet(HUB, turn, head_of(log[:durable]), head_of(log), KEY)
    if met.doubt is not None:
        return met.doubt
    offered = await store.offer(HUB, tuple(log[met.wanted.number :]))
    return offered.doubt


async def doubted(store: Store, log: list[StoredRecord]) -> Doubt:
    """Let the bridge see the true log, and then this one."""
    assert await speak(store, 1, TRUE) is None
    doubt = await speak(store, 2, log)
    assert doubt is not None
    return doubt


LOGS = {
    Cause.TAIL_CUT: TRUE[:8],
    Cause.FORK: other_log(8, 25),
}


@pytest.mark.parametrize("cause", LOGS, ids=str)
async def test_what_the_hub_told_is_accepted_and_what_was_seen_set_aside(
    tmp_path: Path, cause: Cause
) -> None:
    """meeting, laws 2 and 3, each over a start"""
    log = other_log(8, 8) if cause is Cause.TAIL_CUT else LOGS[cause]
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        assert await speak(store, 1, TRUE) is None
        await store.durable(HUB, 5)
        met = await store.meet(HUB, 2, head_of(log[:5]), head_of(log), KEY)
        doubt = met.doubt or (await store.offer(HUB, tuple(log[19:]))).doubt
        assert doubt is not None
        assert doubt.cause is cause
    async with running(path) as store:  # before
        seen = store.seen(HUB)
        assert seen is not None
        assert seen.doubt == doubt
        assert await speak(store, 1, log, durable=5) == doubt
        held = len(store.hubs[HUB].spans)
        accepted = await store.accept(HUB, doubt.told, *BOSS)
        assert accepted.ended is not None
        assert (accepted.ended.aside, held) == (15, 1)
    async with running(path) as store:  # after
        (act,) = await store.doubts_ended()
        assert act == accepted.ended
        assert (act.by, act.uid, act.at_ms) == BOSS
        assert (act.hub, act.cause, act.told, act.seen) == (HUB, cause, doubt.told, head_of(TRUE))
        grown = other_log(8, 30)
        assert await speak(store, 1, grown, durable=5) is None
        assert await store.read(HUB, 5, 100) == tuple(grown[5:])
        assert store.hubs[HUB].newest == head_of(grown)
        with closing(sqlite3.connect(path)) as file:
            aside = file.execute("SELECT number, body, hash FROM set_aside ORDER BY 1").fetchall()
        assert [StoredRecord(*row) for row in aside] == TRUE[5:]


@pytest.mark.parametrize("cause", LOGS, ids=str)
async def test_what_was_seen_is_accepted_and_all_stays(tmp_path: Path, cause: Cause) -> None:
    """meeting, law 3: the right disk was put back"""
    path = tmp_path / "bridge.db"
    async with running(path) as store:
        await doubted(store, LOGS[cause])
        accepted = await store.accept(HUB, head_of(TRUE), *BOSS)
        assert accepted.ended is not None
        assert accepted.ended.aside == 0
        assert await store.read(HUB, 0, 100) == tuple(TRUE)
        assert await speak(store, 3, TRUE) is None
        assert await speak(store, 4, LOGS[cause]) is not None, "the other one is doubted again"
    async with running(path) as store:
        assert await speak(store, 1, TRUE) is not None, "that doubt is a new one, and stands"


@pytest.mark.parametrize(
    "head",
    [
        Head(),
        Head(8, bytes(32)),
        Head(20, bytes(32)),
        head_of(TRUE[:19]),
        Head(2**63 - 1, bytes(32)),
    ],
)
async def test_no_other_head_ends_a_doubt(tmp_path: Path, head: Head) -> None:
    """meeting, law 2"""
    async with running(tmp_path / "bridge.db") as store:
        doubt = await doubted(store, TRUE[:8])
        refused = await store.accept(HUB, head, *BOSS)
        assert refused == Accepted(why="this is neither what the hub told nor what was seen")
        assert await speak(store, 3, TRUE) == doubt
        assert await store.doubts_ended() == ()


async def test_who_is_not_doubted_has_no_act_and_an_act_counts_once(tmp_path: Path) -> None:
    """meeting, law 2"""
    async with running(tmp_path / "bridge.db") as store:
        nobody = await store.accept(HUB, Head(), *BOSS)
        assert nobody == Accepted(why="this hub is not doubted")
        assert HUB not in store.hubs
        await speak(store, 1, TRUE)
        assert (await store.accept(HUB, head_of(TRUE), *BOSS)).ended is None
        doubt = await speak(store, 2, TRUE[:8])
        assert doubt is not None
        assert (await store.accept(HUB, doubt.told, *BOSS)).ended is not None
        assert (await store.accept(HUB, doubt.told, *BOSS)).ended is None
        assert len(await store.doubts_ended()) == 1


async def test_what_the_backend_has_of_the_other_log_lets_no_record_go(tmp_path: Path) -> None:
    """meeting, law 3: it had 20 records of the disk that is gone"""
    log = other_log(8, 12)
    async with running(tmp_path / "bridge.db") as store:
        assert await speak(store, 1, TRUE) is None
        await store.durable(HUB, 20)
        doubt = await speak(store, 2, TRUE[:8])
        assert doubt is not None
        assert (await store.accept(HUB, doubt.told, *BOSS)).ended is not None
        assert await speak(store, 3, log, durable=8) is None
        assert store.hubs[HUB].waiting == 4
        assert await store.read(HUB, 8, 100) == tuple(log[8:])


async def test_the_accepted_head_must_come(tmp_path: Path) -> None:
    """Who has named a head is not let in with another one under its number."""
    async with running(tmp_path / "bridge.db") as store:
        doubt = await doubted(store, other_log(8, 20))
        assert doubt.told == head_of(other_log(8, 20))
        await store.accept(HUB, doubt.told, *BOSS)
        again = await speak(store, 3, TRUE)
        assert again is not None
        assert again.cause is Cause.FORK


async def test_acts_and_what_they_set_aside_are_bounded(tmp_path: Path) -> None:
    """meeting, law 4"""
    room = ActRoom(acts=3, aside_bytes=100)
    path = tmp_path / "bridge.db"
    logs = [TRUE, other_log(8, 20)]
    async with running(path) as store:
        await speak(store, 1, TRUE)
        for turn in range(2, 9):
            doubt = await speak(store, turn, logs[(turn - 1) % 2])
            assert doubt is not None
            await store.accept(HUB, doubt.told, "boss", 1, turn, room)
            assert await speak(store, turn, logs[(turn - 1) % 2]) is None
        acts = await store.doubts_ended()
        assert [act.at_ms for act in acts] == [8, 7, 6]
    with closing(sqlite3.connect(path)) as file:
        (aside,) = file.execute("SELECT count(DISTINCT act) FROM set_aside").fetchone()
        (left,) = file.execute("SELECT count(*) FROM doubts_ended").fetchone()
    assert (aside, left) == (1, 3), "one act's are more than 100 bytes, and the newest stay"


async def test_what_the_newest_act_sets_aside_takes_no_room_of_the_older_ones(
    tmp_path: Path,
) -> None:
    """meeting, law 4: a large one takes no evidence of another hub away"""
    path = tmp_path / "bridge.db"
    size_bytes = sum(len(one.body) for one in TRUE)
    room = ActRoom(aside_bytes=size_bytes)
    logs = [TRUE, other_log(8, 20)]
    async with running(path) as store:
        await speak(store, 1, TRUE)
        for turn in (2, 3):
            doubt = await speak(store, turn, logs[(turn - 1) % 2])
            assert doubt is not None
            await store.accept(HUB, doubt.told, "boss", 1, turn, room)
            assert await speak(store, turn, logs[(turn - 1) % 2]) is None
    with closing(sqlite3.connect(path)) as file:
        found = file.execute("SELECT DISTINCT act FROM set_aside ORDER BY act").fetchall()
    assert found == [(1,), (2,)]


@pytest.mark.once
@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 19), st.integers(1, 30), st.booleans(), st.booleans()),
        max_size=6,
    )
)
async def test_after_each_act_a_hub_that_keeps_its_log_is_believed_and_held(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, int, bool, bool]]
) -> None:
    """witness, law 1, after an act: however often disks are swapped, and the bridge starts again"""
    path = tmp_path_factory.mktemp("doubts") / "bridge.db"
    store = await Store.open(path, LIMITS)
    writing = asyncio.ensure_future(store.run())
    acts = 0
    turn = 1
    for common, count, told, starts_again in turns:
        log = other_log(min(common, count), count)
        doubt = await speak(store, turn, log)
        if doubt is not None:
            seen = store.seen(HUB)
            assert seen is not None
            head = doubt.told if told else seen.head
            assert (await store.accept(HUB, head, *BOSS)).ended is not None
            acts += 1
            if told:
                assert await speak(store, turn, log) is None
                assert store.hubs[HUB].newest == head_of(log)
        turn += 1
        if starts_again:
            writing.cancel()
            await asyncio.wait([writing])
            store = await Store.open(path, LIMITS)
            writing = asyncio.ensure_future(store.run())
            turn = 1
    assert len(await store.doubts_ended()) == acts
    writing.cancel()
    await asyncio.wait([writing])


# At the bridge's socket, with a hub over real TLS.


def with_socket(folder: Path, testimony: bool = False) -> Any:
    config = bridge_config(folder, testimony=make_key() if testimony else None)
    api = Api(socket="hubbridge.sock", operator="boss")
    return msgspec.structs.replace(config, api=api)


async def typed(folder: Path, *words: str) -> tuple[int | None, str]:
    """Type `hubctl --site` at the bridge."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "hubctl.main", "--site"),
        *("--socket", str(folder / "hubbridge.sock"), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.once
async def test_a_doubt_ends_by_a_command_and_the_hub_is_welcome_again(tmp_path: Path) -> None:
    """local.doubts, laws 1 to 3; each step is shown, also after the bridge has started again"""
    config = with_socket(tmp_path)
    log = make_log(20)
    turned = log[:10]
    told = f"10:{turned[-1].hash.hex()}"
    async with running_bridge(tmp_path, config) as (_, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(20)
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello(turned))
            await hub.until(Halt)
    async with running_bridge(tmp_path, config) as (bridge, port):
        status, shown = await typed(tmp_path, "status")
        assert status == 1
        assert "its records are not those that were seen: tail cut" in " ".join(
            shown.replace("_", " ").split()
        )
        status, shown = await typed(tmp_path, "hub", "hub-1", "--json")
        assert told in shown
        status, shown = await typed(tmp_path, "doubts")
        assert status == 1
        status, shown = await typed(tmp_path, "accept", "hub-1", "--head", f"10:{'0' * 64}")
        assert status not in (0, None)
        assert "neither what the hub told nor what was seen" in shown
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello(turned))
            await hub.until(Halt)
            status, shown = await typed(tmp_path, "accept", "hub-1", "--head", told)
            assert status == 0, shown
            hub.say(hub.hello(turned))  # on the same connection, as it says it each minute
            welcome = await hub.until(BridgeWelcome)
            assert isinstance(welcome, BridgeWelcome)
            assert welcome.held == 0
            hub.send(turned)
            assert await hub.held(10) == set(range(1, 11))
        assert bridge.states.of("hub-1").doubt is None
        assert await bridge.store.read("hub-1", 0, 100) == tuple(turned)
    async with running_bridge(tmp_path, config) as (_, port):
        status, shown = await typed(tmp_path, "doubts", "--json")
        assert status == 0
        (ended,) = json.loads(shown)["ended"]
        assert (ended["by"], ended["accepted"], ended["set_aside"]) == ("boss", told, 20)
        with closing(await come(tmp_path, port)) as hub:
            assert (await hub.greet(turned)).held == 10


async def test_nothing_is_testified_of_a_head_that_has_not_come(tmp_path: Path) -> None:
    """holding, law 3"""
    config = with_socket(tmp_path, testimony=True)
    log = make_log(20)
    async with running_bridge(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log)
            hub.send(log)
            await hub.held(20)
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello(log[:10]))
            await hub.until(Halt)
        await _accept(bridge, head_of(log[:10]))
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet(log[:10])
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            assert not any(isinstance(one, Witnessed) for one in hub.heard)


async def _accept(bridge: Bridge, head: Head) -> None:
    accepted = await bridge.store.accept("hub-1", head, *BOSS)
    assert accepted.ended is not None
    bridge.talks.accepted("hub-1", head)
