"""The site's side of its orders, and what becomes of them at real hubs' order rooms."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbridge.rules.papers import ORDERS_MAX, ROOM_FOR_PEOPLE, Paper, Papers
from hubbridge.siteorders import GuestAsked, SiteOrderDesk
from hubcore.access.precedence import DoorMode, DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.ceilings.guests import GuestCeiling
from hubcore.bridge.mandate import Mandate, Use
from hubcore.bridge.site.order import (
    TAKE_SECONDS_MAX,
    CredentialDisabled,
    DoorsOrder,
    Ordered,
    SiteOrder,
    SiteRelease,
    issue_site_order,
    prove_site_order,
)
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, ProofError, StoreError
from hubcore.evidence.facts import Fact
from tests.fakes.clock import NOON, FakeClock
from tests.unit.test_bridge_store import running
from tests.unit.test_site_orders_taken import DAY, HOUR, KEYS, NOW, Site, mandate

PATIENCE_SECONDS = 20.0
LOCKDOWN = DoorsOrder(DoorOrder.LOCKDOWN, None, NOW + 6 * HOUR)
END = DoorsOrder(DoorOrder.LOCKDOWN, None, None)


@dataclass
class Bench:
    """A desk of the site, the hub `hub-1` as it is, and a way between that may be cut."""

    hub: Site = field(default_factory=Site)
    is_up: bool = True
    has_key: bool = True
    guests: GuestCeiling | None = None
    failing: StoreError | None = None
    hanging: asyncio.Event | None = None
    takes_it_and_fails: bool = False
    written: Sequence[Paper] = ()
    said: list[bytes] = field(default_factory=list)
    said_ever: int = 0
    numbers: int = 1000

    def __post_init__(self) -> None:
        self.clock: FakeClock = self.hub.clock
        self.start()

    def start(self) -> None:
        """Make the desk anew with what is on its disk."""
        self.papers = Papers(tuple(self.written))
        self.desk = SiteOrderDesk(
            site="site-1",
            key=KEYS[1] if self.has_key else None,
            mandate=self.desk_mandate,
            papers=self.papers,
            file=self,
            hubs=self,
            clock=self.clock,
            make_id=self._make_id,
            keep_seconds=0.01 if self.hanging is not None else PATIENCE_SECONDS,
            keep_again_seconds=0.01,
        )

    def desk_mandate(self) -> Mandate:
        key = KEYS[1].verify_key
        return Mandate(
            "site-1", "office", Use.ORDERS, 1, key, NOW - DAY, NOW + 90 * DAY, self.guests
        )

    def _make_id(self, size: int) -> bytes:
        self.numbers += 1
        return self.numbers.to_bytes(size, "big")

    async def write(self, papers: Sequence[Paper]) -> None:
        if self.failing is not None:
            raise self.failing
        if self.hanging is not None:
            await self.hanging.wait()
        self.written = [Paper(one.order, one.document) for one in papers]
        if self.takes_it_and_fails:
            raise StoreError("told to fail")

    def connected(self) -> Collection[str]:
        return ("hub-1",) if self.is_up else ()

    def say_order(self, hub: str, document: bytes) -> None:
        assert self.is_up
        self.said.append(document)

    async def carry(self) -> list[OrderOutcome]:
        """Bring what was said to the hub, and its answers back."""
        outcomes: list[OrderOutcome] = []
        while self.said:
            result = await self.hub.site.take(self.said.pop(0))
            self.desk.answered("hub-1", result)
            outcomes.append(result.outcome)
        return outcomes

    async def come(self) -> list[OrderOutcome]:
        self.is_up = True
        await self.desk.came("hub-1")
        return await self.carry()


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.hub.site.take_mandate(mandate())
    return made


async def test_an_order_goes_to_the_hub_and_its_answer_is_shown(bench: Bench) -> None:
    order = await bench.desk.give(LOCKDOWN, "boss")
    assert await bench.carry() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED_DOWN
    (shown,) = bench.desk.shown()
    assert (shown.order, shown.answers) == (order, (("hub-1", OrderOutcome.TAKEN),))
    await bench.desk.give(END, "boss")
    assert await bench.carry() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED
    assert bench.desk.shown() == []


async def test_what_cannot_be_kept_is_not_said(bench: Bench) -> None:
    """siteorders, law 1: what opens, and what moves a device"""
    bench.failing = StoreError("told to fail")
    for what in (END, SiteRelease(1, None), CredentialDisabled("card-7", None)):
        with pytest.raises(StoreError):
            await bench.desk.give(what, "boss", "hub-1")
    assert (bench.said, bench.desk.shown(), len(bench.papers)) == ([], [], 0)


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("what", [LOCKDOWN, CredentialDisabled("card-7", NOW + HOUR)])
async def test_what_shuts_is_given_though_the_disk_keeps_it_not_and_kept_as_soon_as_it_does(
    bench: Bench, what: Ordered, hangs: bool
) -> None:
    """siteorders, law 1"""
    if hangs:
        bench.hanging = asyncio.Event()
        bench.start()
    else:
        bench.failing = StoreError("told to fail")
    bench.is_up = False
    order = await bench.desk.give(what, "boss")
    assert await bench.come() == [OrderOutcome.TAKEN], "a hub that comes meanwhile hears it, too"
    assert (bench.desk.is_kept(order.id), bench.desk.unkept) == (False, 1)
    keeping = asyncio.create_task(bench.desk.run())
    await asyncio.sleep(0)
    assert bench.written == ()
    bench.failing = None
    bench.hanging = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while bench.desk.unkept:  # noqa: ASYNC110, the end of a task's work
            await asyncio.sleep(0.005)
    keeping.cancel()
    assert bench.desk.is_kept(order.id)
    assert [one.order for one in bench.written] == [order]


async def test_what_was_refused_does_not_come_with_the_next_start(bench: Bench) -> None:
    """siteorders, law 1: the disk may have taken it all the same"""
    bench.takes_it_and_fails = True
    with pytest.raises(StoreError):
        await bench.desk.give(SiteRelease(1, None), "boss", "hub-1")
    assert len(bench.written) == 1
    bench.takes_it_and_fails = False
    keeping = asyncio.create_task(bench.desk.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while bench.written:  # noqa: ASYNC110, the end of a task's work
            await asyncio.sleep(0.005)
    keeping.cancel()


async def test_an_end_counts_at_whichever_bridge_and_is_to_be_given_where_the_order_was(
    bench: Bench,
) -> None:
    """Two bridges with the site's one key; neither hears what was given at the other"""
    second = Bench(hub=bench.hub, numbers=5000)
    await bench.desk.give(LOCKDOWN, "boss")
    assert await bench.carry() == [OrderOutcome.TAKEN]
    bench.clock.advance(1)
    end = await second.desk.give(END, "boss")
    assert second.desk.ends_nothing(end.id)
    assert await second.carry() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED, "the newest order of the site's key counts"
    assert await bench.come() == [], "the first bridge knows that it was taken"
    bench.clock.advance(TAKE_SECONDS_MAX + 1)
    bench.start()
    assert await bench.come() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED_DOWN, "it has not heard of the end"
    bench.clock.advance(1)
    end = await bench.desk.give(END, "boss")
    assert not bench.desk.ends_nothing(end.id)
    assert await bench.carry() == [OrderOutcome.TAKEN]
    bench.clock.advance(TAKE_SECONDS_MAX + 1)
    bench.start()
    await bench.come()
    assert bench.hub.mode() is DoorMode.LOCKED


@pytest.mark.parametrize("minutes", [1, 60])
async def test_a_hub_that_comes_later_hears_what_stands(bench: Bench, minutes: int) -> None:
    """siteorders, law 3: in time the same document, later one anew"""
    bench.is_up = False
    await bench.desk.give(LOCKDOWN, "boss")
    bench.clock.advance(60 * minutes)
    bench.start()
    assert await bench.come() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED_DOWN
    assert await bench.come() == []


async def test_a_hub_that_was_away_hears_the_end_too(bench: Bench) -> None:
    """papers, law 4"""
    await bench.desk.give(LOCKDOWN, "boss")
    await bench.carry()
    bench.is_up = False
    await bench.desk.give(END, "boss")
    bench.clock.advance(2 * TAKE_SECONDS_MAX)
    assert await bench.come() == [OrderOutcome.TAKEN]
    assert bench.hub.mode() is DoorMode.LOCKED


async def test_a_release_is_never_given_again(bench: Bench) -> None:
    """papers, law 3"""
    bench.is_up = False
    await bench.desk.give(SiteRelease(1, None), "boss", "hub-1")
    bench.clock.advance(2 * TAKE_SECONDS_MAX)
    assert await bench.come() == []


async def test_without_a_key_the_office_signs(bench: Bench) -> None:
    """siteorders, law 2"""
    bench.has_key = False
    bench.start()
    with pytest.raises(ConfigError):
        await bench.desk.give(LOCKDOWN, "boss")
    order = SiteOrder(bytes(16), None, 1000 * NOW, NOW + 60, "boss", LOCKDOWN)

    def signed(key: SigningKey) -> bytes:
        return issue_site_order(order, "site-1", key)

    with pytest.raises(ProofError):
        await bench.desk.give_signed(signed(KEYS[2]))
    with pytest.raises(ProofError):
        await bench.desk.give_signed(signed(KEYS[1]), "hub-1")
    await bench.desk.give_signed(signed(KEYS[1]))
    assert await bench.carry() == [OrderOutcome.TAKEN]


async def test_the_backend_learns_all_of_it_from_the_records(bench: Bench) -> None:
    """Reconciliation: nothing but the hub's records is needed to know what the site ordered."""
    await bench.desk.give(LOCKDOWN, "boss")
    await bench.desk.give(CredentialDisabled("card-7", NOW + HOUR), "boss")
    await bench.desk.give(END, "boss")
    await bench.carry()
    told = [
        (one.detail[Fact.ORDER], one.detail[Fact.ON], one.detail.get(Fact.CREDENTIAL))
        for one in bench.hub.records()
        if Fact.ORDER in one.detail
    ]
    assert told == [
        ("lockdown", True, None),
        ("credential_disabled", True, "card-7"),
        ("lockdown", False, None),
    ]
    assert {one.detail[Fact.GIVEN_BY] for one in bench.hub.records()} == {"site"}


def test_no_more_is_kept_than_may() -> None:
    """papers, law 6"""
    papers = Papers()
    for number in range(ORDERS_MAX):
        what = CredentialDisabled(f"card-{number}", NOW + DAY)
        order = SiteOrder(number.to_bytes(16, "big"), None, number, NOW, "boss", what)
        papers.make_room(NOW)
        papers.add(Paper(order, b""))
    with pytest.raises(StoreError):
        papers.make_room(NOW)
    papers.make_room(NOW + DAY)
    assert len(papers) == 0


async def test_a_hub_that_never_takes_an_order_takes_no_room(bench: Bench) -> None:
    """papers, law 6"""
    bench.is_up = False
    await bench.desk.give(LOCKDOWN, "boss")
    for _ in range(5):
        bench.clock.advance(TAKE_SECONDS_MAX + 1)
        bench.is_up = True
        await bench.desk.came("hub-1")
        assert len(bench.said) == 1
        bench.said.clear()
    assert len(bench.papers) == 1
    assert len(bench.desk.shown()) == 1


@dataclass
class Hubs:
    """Many hubs that are there one after the other; each takes what it hears."""

    papers: Papers
    now: int = NOW
    key: SigningKey = KEYS[1]
    here: list[str] = field(default_factory=list)
    heard: dict[str, list[bytes]] = field(default_factory=dict)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.clock = FakeClock(float(self.now))
        self.desk = SiteOrderDesk(
            site="site-1",
            key=self.key,
            mandate=lambda: mandate_of(KEYS[1], 1),
            papers=self.papers,
            file=self,
            hubs=self,
            clock=self.clock,
            make_id=self.make_id,
        )

    def make_id(self, size: int) -> bytes:
        self.numbers += 1
        return self.numbers.to_bytes(size, "big")

    async def write(self, _papers: Sequence[Paper]) -> None:
        """Keep nothing: what is asked is what stays in memory."""

    def connected(self) -> Collection[str]:
        return self.here

    def say_order(self, hub: str, document: bytes) -> None:
        self.heard.setdefault(hub, []).append(document)

    async def come(self, hub: str) -> list[SiteOrder]:
        """Let a hub come and take what it hears; return that."""
        self.here.append(hub)
        await self.desk.came(hub)
        name = HubName("site-1", hub)
        known = mandate_of(KEYS[1], 1)
        taken = [prove_site_order(one, name, known) for one in self.heard.pop(hub, [])]
        for one in taken:
            assert self.desk.answered(hub, OrderResult(one.id, OrderOutcome.TAKEN, ""))
        return taken

    async def restart(self) -> None:
        """Make the desk anew, without what hubs have answered; all hubs are away."""
        kept = tuple(Paper(one.order, one.document) for one in self.papers.all())
        self.papers = Papers(kept)
        self.here.clear()
        self.__post_init__()


def mandate_of(key: SigningKey, version: int) -> Mandate:
    return Mandate(
        "site-1",
        "office",
        Use.ORDERS,
        version,
        key.verify_key,
        NOW - DAY,
        NOW + 90 * DAY,
        GuestCeiling(8, DAY, None, (1,)),
    )


async def test_a_bridge_that_starts_again_says_all_to_many_hubs_in_the_same_room() -> None:
    """papers, laws 3 and 6: hubs times orders are no orders to be kept"""
    hubs = Hubs(Papers())
    what = [CredentialDisabled(f"card-{one}", NOW + DAY) for one in range(8)]
    for one in what:
        await hubs.desk.give(one, "boss")
    hubs.now += 2 * TAKE_SECONDS_MAX
    await hubs.restart()
    for number in range(100):
        assert [one.what for one in await hubs.come(f"hub-{number}")] == what
    assert len(hubs.papers) == len(what)
    assert all(not hubs.heard.get(hub) for hub in hubs.here)  # who took it hears it once
    await hubs.desk.give(LOCKDOWN, "boss")
    assert all(len(hubs.heard[hub]) == 1 for hub in hubs.here)


async def test_an_end_at_one_hub_stays_one_when_others_hear_the_order_anew() -> None:
    """papers, laws 1 and 3"""
    hubs = Hubs(Papers())
    disabled = CredentialDisabled("card-1", NOW + DAY)
    await hubs.desk.give(disabled, "boss")
    await hubs.desk.give(CredentialDisabled("card-1", None), "boss", "hub-1")
    hubs.now += 2 * TAKE_SECONDS_MAX
    await hubs.restart()
    assert [(one.hub, one.what) for one in await hubs.come("hub-2")] == [("hub-2", disabled)]
    assert [one.what for one in await hubs.come("hub-1")] == [CredentialDisabled("card-1", None)]
    assert [one.what for one in hubs.papers.due("hub-1", hubs.now)] == []


async def test_what_is_signed_anew_leaves_room_for_people_and_cuts_no_hub_off() -> None:
    """siteorders, law 3; papers, law 6"""
    hubs = Hubs(Papers())
    for number in range(ORDERS_MAX - ROOM_FOR_PEOPLE):
        await hubs.desk.give(CredentialDisabled(f"card-{number}", NOW + DAY), "boss")
    hubs.now += 2 * TAKE_SECONDS_MAX
    await hubs.restart()
    assert await hubs.come("hub-1") == []
    await hubs.desk.give(LOCKDOWN, "boss")
    assert len(hubs.heard["hub-1"]) == 1


async def test_a_guest_of_another_key_cuts_no_hub_off() -> None:
    """siteorders, law 3: the bridge's key is another one, and its mandate has not come"""
    hubs = Hubs(Papers())
    guest = GuestAsked("plumber", KEYS[3].verify_key, (1,), NOW, NOW + 8 * HOUR)
    await hubs.desk.admit(guest, "boss")
    hubs.now += 2 * TAKE_SECONDS_MAX
    hubs.key = KEYS[2]
    await hubs.restart()
    assert await hubs.come("hub-1") == []


def test_moments_rise_while_the_clock_does_not() -> None:
    """papers, law 5"""
    papers = Papers()
    order = SiteOrder(bytes(16), None, 5000, 6, "boss", END)
    papers.add(Paper(order, b""))
    assert papers.next_moment(3000) == 5001
    assert papers.next_moment(9000) == 9000


def test_only_a_hub_that_was_asked_can_answer() -> None:
    papers = Papers()
    papers.add(Paper(SiteOrder(bytes(16), "hub-1", 0, 0, "boss", END), b""))
    assert not papers.answered("hub-2", bytes(16), OrderOutcome.TAKEN)
    assert not papers.answered("hub-1", b"1" * 16, OrderOutcome.TAKEN)
    assert papers.answered("hub-1", bytes(16), OrderOutcome.TAKEN)


async def test_the_real_store_keeps_what_proves_itself(bench: Bench, tmp_path: Path) -> None:
    """store.papers, laws 1 and 2"""
    path = tmp_path / "bridge.db"
    known = bench.desk_mandate()
    async with running(path) as store:
        for what in (LOCKDOWN, CredentialDisabled("card-7", NOW + HOUR)):
            await bench.desk.give(what, "boss")
            await store.write(bench.written)
        await bench.desk.give(SiteRelease(1, None), "boss", "hub-1")
        await store.write(bench.written)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE site_orders SET hub = 'hub-1' WHERE place = 1")
    async with running(path) as store:
        found = await store.site_orders("site-1", known)
        assert [one.order.what for one in found] == [LOCKDOWN, SiteRelease(1, None)]
        assert await store.site_orders("site-1", replace(known, key=KEYS[2].verify_key)) == ()
        await store.write(found[:1])
        assert await store.site_orders("site-1", known) == found[:1]


STEPS = ("lock", "end", "cut", "come", "carry", "lose", "desk restarts", "hub restarts", "time")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_a_hub_that_is_there_at_last_is_as_the_site_ordered(steps: list[str]) -> None:
    """papers, laws 1 to 4: whatever was cut, lost, restarted or late"""

    async def play() -> None:
        bench = Bench()
        await bench.hub.site.take_mandate(mandate())
        wanted = DoorMode.LOCKED
        for step in steps:
            bench.clock.advance(2)
            match step:
                case "lock":
                    until = int(bench.clock.wall()) + 6 * DAY
                    await bench.desk.give(DoorsOrder(DoorOrder.LOCKDOWN, None, until), "boss")
                    wanted = DoorMode.LOCKED_DOWN
                case "end":
                    await bench.desk.give(END, "boss")
                    wanted = DoorMode.LOCKED
                case "cut":
                    bench.is_up = False
                case "come":
                    await bench.come()
                case "carry":
                    await bench.carry()
                case "lose":
                    bench.said.clear()
                case "desk restarts":
                    bench.start()
                case "hub restarts":
                    bench.hub.restart()
                case "time":
                    bench.clock.advance(2 * TAKE_SECONDS_MAX)
        bench.said.clear()
        await bench.come()
        assert bench.hub.mode() is wanted
        assert bench.clock.wall() < NOON + 6 * DAY

    asyncio.run(play())
