"""What a bridge keeps of its backend's words, and whom it tells."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hubbridge.backend.calling import CallTimes, Pauses
from hubbridge.backend.papers import RECEIPT, PapersOfBackend
from hubbridge.hubs.papers.ended import EndedBridges
from hubbridge.hubs.papers.mandates import KnownMandates
from hubbridge.rules.kept import Kept
from hubbridge.rules.room import RoomLimits
from hubbridge.store.store import Store
from hubcore.bridge.ends import Ends, Whom, issue_ends
from hubcore.bridge.from_bridge import CarriedReceipt, FromBridge
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.codec.cose import SigningKey
from hubcore.errors import RollbackError, StoreError
from hubcore.evidence.records import GENESIS, Head, StoredRecord
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import BEGINS, BRIDGE, ENDS, ISSUER, SITE, head_of, make_log

LIMITS = RoomLimits(64 << 20, 8, 1 << 20)
HUB = "hub-1"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path / "bridge.db", LIMITS)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(store.run())
        yield store
        running.cancel()


async def filled(store: Store, log: list[StoredRecord]) -> None:
    """A hub says Hello, and its records come."""
    await store.meet(HUB, 1, Head(), head_of(log), bytes(32))
    offered = await store.offer(HUB, tuple(log))
    assert len(offered.held) == len(log)


async def settled(store: Store) -> Kept:
    """Let the store let go of what may go; return what is held then."""
    while store.hubs[HUB].releasable:
        await store.documents(RECEIPT)
    return store.hubs[HUB]


async def test_a_receipt_lets_go_and_is_kept(tmp_path: Path) -> None:
    log = make_log(20)
    async with opened(tmp_path) as store:
        await filled(store, log)
        assert await store.take_receipt(HUB, head_of(log[:15]), b"signed 15")
        assert (await settled(store)).waiting == 5
        assert await store.take_receipt(HUB, head_of(log[:4]), b"signed 4")
        assert store.hubs[HUB].durable == 15  # none is taken back
        assert await store.read(HUB, 15, 100) == tuple(log[15:])
    async with opened(tmp_path) as store:
        assert await store.documents(RECEIPT) == {b"hub-1": b"signed 4"}
        assert store.hubs[HUB].newest == head_of(log)


@pytest.mark.parametrize("number", [7, 20])
async def test_a_receipt_of_another_log_lets_nothing_go(tmp_path: Path, number: int) -> None:
    log = make_log(20)
    async with opened(tmp_path) as store:
        await filled(store, log)
        assert not await store.take_receipt(HUB, Head(number, bytes(32)), b"of another")
        assert store.hubs[HUB].waiting == 20
        assert await store.documents(RECEIPT) == {}


async def test_the_bridges_own_bad_disk_is_no_other_log(tmp_path: Path) -> None:
    """store.asking, the law"""
    log = make_log(20)
    async with opened(tmp_path) as store:
        await filled(store, log)
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as file, file:
        file.execute("UPDATE records SET hash = ? WHERE number = 7", (GENESIS,))
    async with opened(tmp_path) as store:
        assert await store.take_receipt(HUB, head_of(log[:7]), b"signed 7")


async def test_a_signed_head_passes_a_hole(tmp_path: Path) -> None:
    """witness, law 5: what came another way is not waited for"""
    log = make_log(40)
    async with opened(tmp_path) as store:
        await filled(store, log[:10])
        assert (await store.offer(HUB, tuple(log[30:]))).held == ()
        assert await store.take_receipt(HUB, head_of(log[:30]), b"signed 30")
        offered = await store.offer(HUB, tuple(log[30:]))
        assert offered.held == tuple(range(31, 41))
        assert await store.read(HUB, 30, 100) == tuple(log[30:])
        assert (await settled(store)).gaps() == ()


async def test_a_receipt_of_a_hub_that_is_not_here_keeps_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert await store.take_receipt("hub-9", Head(1, bytes(32)), b"signed")
        assert await store.documents(RECEIPT) == {}


@dataclass
class Desk:
    """A bridge's disk, its hubs, its port, and who is told; `failing` refuses to keep more."""

    failing: bool = False
    same: bool = True
    ends: Ends = field(default_factory=lambda: Ends(3))
    kept: dict[bytes, bytes] = field(default_factory=dict)
    heard: list[tuple[str, FromBridge]] = field(default_factory=list)
    mandates: list[bytes] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    cuts: list[Ends] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        if self.failing:
            raise StoreError("the disk is full")
        return self.same

    async def take_ends(self, offered: Ends) -> Ends:
        if self.failing:
            raise StoreError("the disk is full")
        self.ends = offered if offered.version > self.ends.version else self.ends
        return self.ends

    async def documents(self, kind: str) -> dict[bytes, bytes]:
        return {b"hub-1": b"kept"} if kind == RECEIPT else {}

    async def put_documents(self, kind: str, documents: dict[bytes, bytes]) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        self.kept = documents

    def say(self, hub: str, message: FromBridge) -> bool:
        self.heard.append((hub, message))
        return True

    def say_mandate(self, document: bytes) -> None:
        self.mandates.append(document)

    def say_ends(self, document: bytes) -> None:
        self.lists.append(document)

    def cut(self, ends: Ends) -> None:
        self.cuts.append(ends)

    def trouble(self, what: str) -> None:
        self.troubles.append(what)


@dataclass
class Gate:
    """Where hubs come."""

    desk: Desk

    def take_ends(self, ends: Ends) -> None:
        if ends.version == 9:
            raise RollbackError("older than what is in force")
        self.desk.cuts.append(ends)


def papers(desk: Desk) -> PapersOfBackend:
    mandates = KnownMandates(SITE, ISSUER.verify_key, desk)
    return PapersOfBackend(
        site=SITE,
        issuer=ISSUER.verify_key,
        store=desk,
        mandates=mandates,
        ended=EndedBridges(SITE, ISSUER.verify_key, desk),
        hubs=desk,
        port=Gate(desk),
        told=desk,
    )


def signed(ends: Ends, key: SigningKey = ISSUER, site: str = SITE) -> bytes:
    return issue_ends(ends, site, key)


async def test_a_receipt_is_on_the_disk_before_its_hub_hears_it() -> None:
    """papers, laws 1 and 3"""
    desk = Desk(failing=True)
    made = papers(desk)
    await made.load()
    with pytest.raises(StoreError):
        await made.take_receipt("hub-1", Head(2, bytes(32)), b"newer")
    assert made.receipt("hub-1") == b"kept"
    assert desk.heard == []
    desk.failing = False
    desk.same = False
    assert not await made.take_receipt("hub-1", Head(2, bytes(32)), b"newer")
    assert desk.heard == []
    desk.same = True
    assert await made.take_receipt("hub-1", Head(2, bytes(32)), b"newer")
    assert desk.heard == [("hub-1", CarriedReceipt(b"newer"))]
    assert made.receipt("hub-1") == b"newer"


async def test_an_older_list_of_ends_cuts_nobody_and_is_told() -> None:
    """papers, law 2"""
    desk = Desk()
    made = papers(desk)
    await made.take_ends(signed(Ends(2, frozenset({"hub-1"}))))
    assert desk.cuts == []
    assert len(desk.troubles) == 1
    newer = Ends(4, frozenset({"hub-1"}))
    await made.take_ends(signed(newer))
    assert desk.cuts == [newer]
    await made.take_ends(signed(Ends(9)))
    assert len(desk.troubles) == 2
    desk.failing = True
    with pytest.raises(StoreError):
        await made.take_ends(signed(Ends(10)))
    assert desk.cuts == [newer]


HIGHEST = Ends((1 << 63) - 1, frozenset({"hub-1"}))


@pytest.mark.parametrize(
    "document",
    [
        signed(HIGHEST, make_key()),
        signed(HIGHEST, site="site-2"),
        signed(HIGHEST)[:-1],
        b"list",
    ],
    ids=["of another issuer", "of another site", "cut off", "no document"],
)
async def test_a_list_that_no_issuer_signed_ends_nobody(document: bytes) -> None:
    """ends, law 1: a later true list counts, whatever version a gateway has made up"""
    desk = Desk()
    made = papers(desk)
    await made.take_ends(document)
    assert (desk.cuts, desk.ends, len(desk.troubles)) == ([], Ends(3), 1)
    newer = Ends(5, frozenset({"hub-2"}))
    await made.take_ends(signed(newer))
    assert desk.cuts == [newer]


async def test_a_list_of_ended_bridges_goes_to_hubs_and_cuts_none() -> None:
    """papers, laws 1 and 2"""
    desk = Desk()
    made = papers(desk)
    newest = signed(Ends(5, frozenset({"bridge-2"}), whom=Whom.BRIDGES))
    desk.failing = True
    with pytest.raises(StoreError):
        await made.take_ends(newest)
    assert desk.lists == []
    desk.failing = False
    await made.take_ends(newest)
    await made.take_ends(newest)
    await made.take_ends(signed(Ends(4, whom=Whom.BRIDGES)))
    assert (desk.lists, desk.cuts, len(desk.troubles)) == ([newest], [], 1)


def mandate(key: SigningKey, version: int) -> Mandate:
    return Mandate(SITE, BRIDGE, Use.ORDERS, version, key.verify_key, BEGINS, ENDS)


async def test_a_mandate_counts_by_the_issuer_and_once() -> None:
    """papers, law 2"""
    desk = Desk()
    made = papers(desk)
    key = make_key()
    good = issue_mandate(mandate(key, 5), ISSUER)
    await made.take_mandate(good)
    await made.take_mandate(good)
    assert desk.mandates == [good]
    await made.take_mandate(issue_mandate(mandate(key, 4), ISSUER))
    await made.take_mandate(issue_mandate(mandate(key, 9), make_key()))
    assert desk.mandates == [good]
    assert len(desk.troubles) == 2


def test_many_bridges_do_not_come_back_at_once() -> None:
    """calling, law 3"""
    times = CallTimes(pause_seconds=1.0, pause_seconds_max=60.0)
    early = Pauses(times, lambda: 0.0)
    late = Pauses(times, lambda: 1.0)
    assert [early.after(0.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [late.after(0.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert late.after(59.0) == 60  # a gateway that ends each connection sets no pace
    assert late.after(60.0) == 1
