"""The policy at the bridge: proven, whole before it is given, and enough for a hub by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbridge.policy.cache import PIECES_WAITING, WANTED, PolicyCache
from hubbridge.policy.files import PIECES, ROOT, PolicyFiles
from hubbridge.policy.growing import ASK_MAX, Growing
from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink.from_backend import Halt, NewPolicy, Pieces, Pong
from hubcore.backend.uplink.from_hub import PiecesWanted, Ping
from hubcore.backend.uplink.words import MAX_PIECES, Cause
from hubcore.bridge.from_bridge import CarriedMandate, CarriedOrder
from hubcore.bridge.mandate import Use, issue_mandate
from hubcore.bridge.site.order import DoorsOrder
from hubcore.codec.cose import SigningKey
from hubcore.errors import StoreError
from hubcore.evidence.records import Head
from hubcore.policy import document
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import ISSUER, SITE, bridge_config, make_log
from tests.fakes.clock import FakeClock
from tests.unit.test_bridge_hubs import come, mandate, running

pytestmark = pytest.mark.once

PATIENCE_SECONDS = 60.0


def issued(version: int, rows: int = 0, issuer: SigningKey = ISSUER, site: str = SITE) -> Issued:
    """A policy that has revoked so many credentials."""
    names = frozenset(f"credential-{number}" for number in range(rows))
    return document.issue_tree(Policy(site, version, 1_800_000_000, names), issuer)


LARGE = issued(5, 30_000)


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def trouble(self, what: str) -> None:
        self.lines.append(what)


class Backend:
    """Whom the cache asks; it may be away, and it may spoil what it brings."""

    def __init__(self, cache: PolicyCache, *policies: Issued) -> None:
        self.pieces = {name: piece for one in policies for name, piece in one.pieces.items()}
        self.asked: list[bytes] = []
        self.is_away = False
        self.pause_seconds = 0.0
        """Between two pieces."""
        self.spoils: Callable[[bytes], bytes] = lambda piece: piece
        self.cache = cache
        self.in_force = 0

    def ask(self, names: Sequence[bytes]) -> None:
        assert len(names) <= ASK_MAX
        self.asked += names
        if self.is_away:
            return
        found = [self.spoils(self.pieces[name]) for name in names if name in self.pieces]
        loop = asyncio.get_running_loop()
        for at in range(0, len(found), MAX_PIECES):
            loop.call_later(at * self.pause_seconds, self.cache.bring, found[at : at + MAX_PIECES])

    def counted(self) -> None:
        self.in_force += 1


@asynccontextmanager
async def caching(
    folder: Path,
    *policies: Issued,
    told: Told | None = None,
    ask_again_seconds: float = 0.01,
) -> AsyncIterator[tuple[PolicyCache, Backend]]:
    """Run a cache in a folder, before a backend that has these policies."""
    cache = PolicyCache(
        site=SITE,
        issuer=ISSUER.verify_key,
        files=PolicyFiles(folder),
        told=told or Told(),
        clock=FakeClock(),
        hubs_max=8,
        retry_seconds=0.01,
        ask_again_seconds=ask_again_seconds,
    )
    backend = Backend(cache, *policies)
    cache.joins(backend.ask, backend.counted)
    async with asyncio.timeout(PATIENCE_SECONDS):
        running = asyncio.create_task(cache.run())
        try:
            yield cache, backend
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def read_all(cache: PolicyCache, of: Issued) -> bool:
    """Tell whether a hub gets each piece."""
    for name, piece in of.pieces.items():
        if list(await cache.pieces("hub-1", [name])) != [piece]:
            return False
    return True


async def test_a_policy_is_in_force_once_it_is_whole(tmp_path: Path) -> None:
    """cache, law 3"""
    async with caching(tmp_path, LARGE) as (cache, backend):
        backend.is_away = True
        cache.offer(LARGE.root)
        await until(lambda: len(backend.asked) > 0)
        assert (cache.version, cache.coming, backend.in_force) == (0, 5, 0)
        backend.is_away = False
        cache.reconnected()
        await until(lambda: cache.held.version == 5)
        assert (cache.version, cache.coming) == (5, 0)
        assert cache.held.root == LARGE.root
        assert backend.in_force == 1
        wanted = list(LARGE.pieces)[:WANTED_AT_ONCE]
        assert len(wanted) > 1
        for name in wanted:
            assert await cache.pieces("hub-1", [name]) == [LARGE.pieces[name]]


WANTED_AT_ONCE = min(len(LARGE.pieces), int(WANTED.burst))


async def test_no_piece_is_asked_for_twice_while_pieces_come(tmp_path: Path) -> None:
    """cache, law 8: they come some at a time, over a slow line"""
    async with caching(tmp_path, LARGE, ask_again_seconds=30.0) as (cache, backend):
        backend.pause_seconds = 0.01
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
        assert sorted(backend.asked) == sorted(LARGE.pieces)


async def test_pieces_that_come_along_are_not_asked_for(tmp_path: Path) -> None:
    small = issued(3, 10)
    async with caching(tmp_path) as (cache, backend):
        cache.offer(small.bundle())
        await until(lambda: cache.held.version == 3)
        assert backend.asked == []
        assert cache.held.root == small.root
        assert await read_all(cache, small)


async def test_over_a_restart_it_is_proven_from_the_disk(tmp_path: Path) -> None:
    """cache, law 2"""
    async with caching(tmp_path, LARGE) as (cache, _):
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
    async with caching(tmp_path) as (cache, backend):
        await until(lambda: cache.held.version == 5)
        assert backend.asked == []
        cache.offer(issued(4, 3).bundle())
        cache.offer(issued(6, 3).bundle())
        await until(lambda: cache.held.version == 6)


@pytest.mark.parametrize("spoil", ["gone", "changed", "cut", "another"])
async def test_a_piece_that_went_bad_is_asked_for_and_not_given(tmp_path: Path, spoil: str) -> None:
    """cache, law 6"""
    told = Told()
    name, piece = next(iter(LARGE.pieces.items()))
    place = tmp_path / PIECES / name.hex()
    async with caching(tmp_path, LARGE) as (cache, _):
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
        if spoil == "gone":
            place.unlink()
        else:
            other = next(one for one in LARGE.pieces.values() if one != piece)
            data = {"changed": piece[:-1] + b"?", "cut": piece[:-1], "another": other}[spoil]
            place.write_bytes(data)
        assert not await cache.pieces("hub-1", [name])
    async with caching(tmp_path, LARGE, told=told) as (cache, backend):
        await until(lambda: cache.held.version == 5)
        assert set(backend.asked) == {name}
        assert await cache.pieces("hub-1", [name]) == [piece]
    assert "missing" in told.lines[0]


OTHERS = {
    "by a stranger": issued(9, issuer=make_key()).root,
    "of another site": issued(9, site="site-2").root,
    "cut off": issued(9).root[:-1],
    "no policy": b"\x00" * 100,
    "an older one": issued(4).root,
    "the same": LARGE.root,
}


@pytest.mark.parametrize("why", OTHERS)
async def test_what_is_no_newer_policy_of_the_issuer_changes_nothing(
    tmp_path: Path, why: str
) -> None:
    """cache, laws 1 and 2"""
    async with caching(tmp_path, LARGE) as (cache, backend):
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
        asked = len(backend.asked)
        cache.offer(OTHERS[why])
        newer = issued(10, 1)
        cache.offer(OTHERS[why])
        await asyncio.sleep(0.05)
        assert cache.held.root == LARGE.root
        assert len(backend.asked) == asked
        cache.offer(newer.bundle())
        await until(lambda: cache.held.version == 10)


async def test_a_newer_offer_takes_the_place_of_one_that_comes_together(tmp_path: Path) -> None:
    """cache, law 4"""
    newer = issued(6, 40)
    async with caching(tmp_path, newer) as (cache, backend):
        cache.offer(LARGE.root)
        await until(lambda: len(backend.asked) > 0)
        cache.offer(newer.root)
        await until(lambda: cache.held.version == 6)
        await until(lambda: len(list((tmp_path / PIECES).iterdir())) == len(newer.pieces))


async def test_a_backend_that_brings_anything_delays_and_changes_nothing(tmp_path: Path) -> None:
    """cache, law 1"""
    async with caching(tmp_path, LARGE) as (cache, backend):
        backend.spoils = lambda piece: piece[:-1] + b"?"
        cache.offer(LARGE.root)
        for _ in range(3 * PIECES_WAITING):
            cache.bring([b"anything", LARGE.root[:100]])
        await until(lambda: len(backend.asked) > 3)
        assert cache.held.version == 0
        assert list((tmp_path / PIECES).iterdir()) == []
        backend.spoils = lambda piece: piece
        await until(lambda: cache.held.version == 5)


async def test_a_disk_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    """cache, law 7"""

    class FailingFiles(PolicyFiles):
        failures = 3

        def put_piece(self, name: bytes, piece: bytes) -> None:
            if self.failures:
                self.failures -= 1
                raise StoreError("told to fail")
            super().put_piece(name, piece)

    told = Told()
    cache = PolicyCache(
        site=SITE,
        issuer=ISSUER.verify_key,
        files=FailingFiles(tmp_path),
        told=told,
        clock=FakeClock(),
        hubs_max=8,
        retry_seconds=0.01,
        ask_again_seconds=0.01,
    )
    backend = Backend(cache, LARGE)
    cache.joins(backend.ask, backend.counted)
    async with asyncio.timeout(PATIENCE_SECONDS):
        running_task = asyncio.create_task(cache.run())
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
        running_task.cancel()
    assert told.lines == ["told to fail"] * 3


async def test_a_hub_has_a_pace(tmp_path: Path) -> None:
    """cache, law 5"""
    small = issued(3, 10)
    async with caching(tmp_path) as (cache, _):
        cache.offer(small.bundle())
        await until(lambda: cache.held.version == 3)
        name, piece = next(iter(small.pieces.items()))
        for _ in range(int(WANTED.burst)):
            assert await cache.pieces("hub-1", [name]) == [piece]
        assert not await cache.pieces("hub-1", [name])
        assert await cache.pieces("hub-2", [name]) == [piece]
        assert len(await cache.pieces("hub-2", [name] * 10)) == MAX_PIECES


async def test_another_root_on_the_disk_is_left_out(tmp_path: Path) -> None:
    told = Told()
    (tmp_path / ROOT).write_bytes(issued(9, issuer=make_key()).root)
    async with caching(tmp_path, LARGE, told=told) as (cache, _):
        cache.offer(LARGE.root)
        await until(lambda: cache.held.version == 5)
    assert "left out" in told.lines[0]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_in_whatever_order_pieces_come_the_policy_is_what_was_signed(data: st.DataObject) -> None:
    """growing, laws 1 to 3: with losses, repetitions, spoiled ones, and starts from the disk"""
    pieces = LARGE.pieces
    disk: dict[bytes, bytes] = {}

    class Files(PolicyFiles):
        def piece(self, name: bytes) -> bytes | None:
            return disk.get(name)

        def put_piece(self, name: bytes, piece: bytes) -> None:
            disk[name] = piece

    def begin() -> Growing:
        proven = document.prove(LARGE.root, ISSUER.verify_key, SITE)
        root = proven.root()
        return Growing(root.head, root.trees, [], Files(Path("/nowhere")))

    growing = begin()
    for _ in range(200):
        wanted = growing.missing()
        if growing.is_whole:
            break
        assert 1 <= len(wanted) <= ASK_MAX
        what = data.draw(st.sampled_from(["all", "some", "spoiled", "others", "restart"]))
        if what == "restart":
            growing = begin()
        elif what == "spoiled":
            growing.take([pieces[wanted[0]] + b"x", b""])
        elif what == "others":
            growing.take([one for name, one in pieces.items() if name not in wanted][:3])
        else:
            brought = list(wanted)[: 2 if what == "some" else None]
            growing.take([pieces[name] for name in reversed(brought)] * 2)
        assert all(pieces[name] == one for name, one in disk.items())
    while not growing.is_whole:
        growing.take([pieces[name] for name in growing.missing()])
    assert disk == pieces
    assert growing.names == set(pieces)


# ---- hubs


async def test_a_hub_gets_the_policy_from_its_bridge_alone(tmp_path: Path) -> None:
    """talk, law 8"""
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        bridge.policy.offer(LARGE.bundle())
        await until(lambda: bridge.policy.held.version == 5)
        with closing(await come(tmp_path, port)) as hub:
            await hub.greet([])
            offered = await hub.until(NewPolicy)
            assert isinstance(offered, NewPolicy)
            assert offered.document == LARGE.root
            got: dict[bytes, bytes] = {}
            names = list(LARGE.pieces)
            hub.say(PiecesWanted(tuple(names)))
            while len(got) < len(names):
                brought = await hub.until(Pieces)
                assert isinstance(brought, Pieces)
                for piece in brought.pieces:
                    got |= {name: piece for name in document.names_of(piece) if name in names}
            assert got == LARGE.pieces
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            assert sum(isinstance(one, NewPolicy) for one in hub.heard) == 1, "it is offered once"
            newer = issued(7, 2)
            bridge.policy.offer(newer.bundle())
            again = await hub.until(NewPolicy)
            assert isinstance(again, NewPolicy)
            assert again.document == newer.root


async def test_a_hub_with_the_newest_policy_is_offered_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, bridge_config(tmp_path)) as (bridge, port):
        bridge.policy.offer(issued(5, 2).bundle())
        await until(lambda: bridge.policy.held.version == 5)
        with closing(await come(tmp_path, port)) as hub:
            hub.say(replace(hub.hello([]), policy_version=5))
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            assert not any(isinstance(one, NewPolicy) for one in hub.heard)
            hub.say(PiecesWanted((bytes(32),)))
            hub.say(Ping(bytes(8)))
            await hub.until(Pong)
            assert not any(isinstance(one, Pieces) for one in hub.heard)


async def test_a_new_machine_that_is_doubted_gets_policy_and_lockdown_all_the_same(
    tmp_path: Path,
) -> None:
    """talk, law 5: another key and an empty log, in the place of a hub that died"""
    key = make_key()
    for_orders = issue_mandate(mandate(Use.ORDERS, key), ISSUER)
    config = bridge_config(tmp_path, mandates=(for_orders,), orders=key)
    log = make_log(20)
    newest = issued(5, 2)
    until_seconds = int(time.time()) + 3600
    async with running(tmp_path, config) as (bridge, port):
        with closing(await come(tmp_path, port)) as former:
            await former.greet(log)
            former.send(log)
            await former.held(20)
        bridge.policy.offer(newest.bundle())
        await until(lambda: bridge.policy.held.version == 5)
        (tmp_path / "of-hub-1").rename(tmp_path / "of-former")
        with closing(await come(tmp_path, port)) as hub:
            hub.say(hub.hello([]))
            halt = await hub.until(Halt)
            assert isinstance(halt, Halt)
            assert (halt.cause, halt.number) == (Cause.TAIL_CUT, 20)
            assert await hub.until(CarriedMandate) == CarriedMandate(for_orders)
            offered = await hub.until(NewPolicy)
            assert isinstance(offered, NewPolicy)
            assert offered.document == newest.root
            hub.say(PiecesWanted(tuple(newest.pieces)))
            await hub.until(Pieces)
            await bridge.orders.give(DoorsOrder(DoorOrder.LOCKDOWN, None, until_seconds), "otto")
            await hub.until(CarriedOrder)
        accepted = await bridge.store.accept("hub-1", Head(), "otto", 0, 0)
        assert not accepted.why
        bridge.talks.accepted("hub-1", Head())
        others = make_log(3, b"new")
        with closing(await come(tmp_path, port)) as hub:
            assert (await hub.greet([])).held == 0
            hub.send(others)
            assert await hub.held(3) == {1, 2, 3}
