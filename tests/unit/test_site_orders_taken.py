"""Orders of the site at a hub: proven, judged, recorded, kept, in force, over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Access
from hubcore.access.precedence import DoorMode, DoorOrder
from hubcore.access.words import Action, Denial, HubName
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.site.order import (
    CredentialDisabled,
    DoorsOrder,
    Ordered,
    SiteOrder,
    SiteRelease,
    issue_site_order,
)
from hubcore.bridge.site.orders import SiteVerdict
from hubcore.device.command import Capability, Command, CommandOutcome
from hubcore.device.device import Device
from hubcore.errors import AuditError, ProofError, RollbackError, StoreError
from hubcore.evidence.carried_orders import digest_of_site
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.policy.policy import ALL_RIGHTS, Operator, OperatorRight
from hubcore.ports.clock import ClockState
from hubd.adapters.host.signed_file import SiteOrderFile
from hubd.devices.commands import RemoteCommands
from hubd.devices.worker import CommandResult
from hubd.doors.judge import Judge
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.orders.carried import MARK_RECORDS
from hubd.orders.order_log import OrderLog
from hubd.orders.site import taker
from hubd.orders.site.held import DISABLED_MAX, Held, digest_of, read_held
from hubd.orders.site.in_force import SiteInForce
from hubd.orders.site.judge import SiteOrderJudge
from hubd.orders.site.taker import KEEP_AGAIN_SECONDS, OrdersOfSite
from hubd.orders.site.wording import ANSWERS, ASKED_BEFORE
from hubd.orders.wording import NOT_RECORDED_BUT_HOLDS
from hubsim.site.documents import make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON
from tests.fakes.documents import FakeDocumentFile
from tests.pair import Watch
from tests.unit.test_door_orders import BACK, FRONT, POINTS, Doors

HUB = HubName("site-1", "hub-1")
DAY = 86_400
ISSUER = make_key()
DEVICES = {
    one: Device(one, capability, 60.0)
    for one, capability in (
        ("light", Capability.SWITCH),
        ("shutter", Capability.COVER),
        ("gate", Capability.BARRIER),
        ("bolt", Capability.LOCK),
    )
}
KEYS = {version: make_key() for version in (1, 2, 3)}
NOW = int(NOON)
HOUR = 3600


def mandate(version: int = 1, **more: object) -> bytes:
    made = Mandate(
        site="site-1",
        holder="office",
        use=Use.ORDERS,
        version=version,
        key=KEYS[version].verify_key,
        not_before=NOW - DAY,
        expires=NOW + 90 * DAY,
    )
    return issue_mandate(replace(made, **more), ISSUER)  # type: ignore[arg-type]


@dataclass
class NotedPerformer:
    """Who commands devices; notes what each is told, and which records there were before."""

    log: FakeAudit | None = None
    outcome: CommandOutcome = CommandOutcome.CONFIRMED
    told: list[Command] = field(default_factory=list)
    records_before: list[int] = field(default_factory=list)

    async def perform(
        self, command: Command, within_seconds: float, begin_seconds: float
    ) -> CommandResult:
        self.told.append(command)
        self.records_before.append(0 if self.log is None else len(self.log.stored))
        return CommandResult(self.outcome, "")


@dataclass
class Site(Doors):
    """The two doors with the site's orders beside the backend's, and a real way of release."""

    file: FakeDocumentFile = field(default_factory=FakeDocumentFile)
    believed: bool = True
    performer: NotedPerformer = field(default_factory=NotedPerformer)

    def start(self, found: tuple[object, ...]) -> None:
        super().start(found)  # type: ignore[arg-type]
        self.policy.operators["boss"] = Operator(ALL_RIGHTS)
        held = self.may_hold.__contains__
        self.in_force = SiteInForce(self.standing, held, self.clock)
        points = {
            number: Point(number, door, False, 5.0)
            for door, numbers in POINTS.items()
            for number in numbers
        }
        self.rules = SiteRules(points, UTC, 90 * DAY)
        self.unlock = Unlock(
            rules=self.rules,
            policy=self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda *_: None,
            doors=self.movers,
            watch=Watch(),
            persons=Persons(self.clock),
            mode_at=self.standing.mode_at,
            disabled_here=self.in_force.is_disabled,
            is_guest=self.in_force.is_guest,
        )
        self.performer.log = self.log
        self.commands = RemoteCommands(
            devices=DEVICES,
            performer=self.performer,
            rights=self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda *_: None,
        )
        digests = [digest_of_site(stored.body) for stored in self.log.stored]
        known = [digest for digest in digests if digest is not None]
        self.site = OrdersOfSite(
            hub=HUB,
            issuer=ISSUER.verify_key,
            in_force=self.in_force,
            judge=SiteOrderJudge(self.standing, self.policy, held, self.commands.has),
            log=OrderLog(self.log, self.clock, self._tell, self.record_seconds),
            file=self.file,
            clock=self.clock,
            changed=self.keeper.apply,
            release=self.unlock.release,
            act=self.commands.act,
            turn=self.carried.turn,
            believed_digest=known[-1] if known and self.believed else None,
        )

    def restart(self) -> None:
        super().restart()
        self.unlock.remember(self.log.stored)

    async def look(self, seconds: float = 0.0) -> None:
        await super().look(seconds)
        await self.site.look()

    def made(self, what: Ordered, **more: object) -> SiteOrder:
        self.numbers += 1
        now = int(self.clock.wall())
        order = SiteOrder(
            id=self.numbers.to_bytes(16, "big"),
            hub="hub-1",
            issued_ms=1000 * now + self.numbers,
            expires_at=now + 300,
            by="boss",
            what=what,
        )
        return replace(order, **more)  # type: ignore[arg-type]

    async def say(self, what: Ordered, version: int = 1, **more: object) -> OrderResult:
        return await self.give_signed(self.made(what, **more), version)

    async def give_signed(self, order: SiteOrder, version: int = 1) -> OrderResult:
        return await self.site.take(issue_site_order(order, "site-1", KEYS[version]))

    def in_an_hour(self) -> int:
        return int(self.clock.wall()) + HOUR

    def of(self, kind: RecordKind) -> list[Record]:
        found = [Record.decode(stored.body) for stored in self.log.stored]
        return [record for record in found if record.kind is kind]


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.site.take_mandate(mandate())
    return made


def lockdown(site: Site, point: int | None = 1) -> DoorsOrder:
    return DoorsOrder(DoorOrder.LOCKDOWN, point, site.in_an_hour())


def hold(site: Site) -> DoorsOrder:
    return DoorsOrder(DoorOrder.HOLD_OPEN, 1, site.in_an_hour())


# ---- what proves itself


async def test_without_a_mandate_nothing_is_ordered() -> None:
    """taker, law 1"""
    site = Site()
    with pytest.raises(ProofError):
        await site.say(lockdown(site))
    assert site.log.stored == []


async def test_an_order_by_another_key_is_nothing(site: Site) -> None:
    with pytest.raises(ProofError):
        await site.say(lockdown(site), version=2)
    assert site.mode() is DoorMode.LOCKED


@pytest.mark.parametrize("use", [Use.RECEIPTS, Use.TESTIMONY])
async def test_a_mandate_for_another_use_is_refused(site: Site, use: Use) -> None:
    with pytest.raises(ProofError):
        await site.site.take_mandate(mandate(2, use=use))
    assert site.site.mandate_version == 1


async def test_a_lower_mandate_is_refused(site: Site) -> None:
    await site.site.take_mandate(mandate(3))
    with pytest.raises(RollbackError):
        await site.site.take_mandate(mandate(2))
    assert site.site.mandate_version == 3


# ---- decided, recorded, in force


async def test_a_lockdown_is_recorded_before_it_holds(site: Site) -> None:
    """taker, law 3"""
    seen: list[DoorMode] = []
    site.log.on_durable = lambda _record: seen.append(site.mode())
    result = await site.say(lockdown(site))
    assert (result.outcome, result.detail) == (OrderOutcome.TAKEN, "")
    assert seen == [DoorMode.LOCKED]
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED_DOWN, DoorMode.LOCKED)
    record = site.records()[-1]
    assert record.detail[Fact.GIVEN_BY] == "site"
    assert record.detail[Fact.ASKER] == "boss"
    assert record.detail[Fact.ALLOWED] is True


async def test_a_lockdown_of_all_doors_ends_by_its_time(site: Site) -> None:
    """taker, law 5"""
    await site.say(lockdown(site, None))
    assert {site.mode(door) for door in POINTS} == {DoorMode.LOCKED_DOWN}
    await site.look(HOUR + 1)
    assert {site.mode(door) for door in POINTS} == {DoorMode.LOCKED}
    assert [r.detail[Fact.ON] for r in site.records() if Fact.ON in r.detail] == [
        True,
        False,
        False,
    ]


async def test_the_end_of_one_lockdown_leaves_the_other(site: Site) -> None:
    """held, law 5: two access points of one door, and all doors"""
    for point in (1, 2, None):
        await site.say(lockdown(site, point))
    for point in (1, None):
        await site.say(DoorsOrder(DoorOrder.LOCKDOWN, point, None))
        assert site.mode() is DoorMode.LOCKED_DOWN
    assert site.mode(BACK) is DoorMode.LOCKED
    await site.say(DoorsOrder(DoorOrder.LOCKDOWN, 2, None))
    assert site.mode() is DoorMode.LOCKED


async def test_nobody_ends_what_another_ordered(site: Site) -> None:
    """taker, law 5"""
    await site.say(lockdown(site))
    await site.give(DoorOrder.LOCKDOWN)
    await site.give(DoorOrder.LOCKDOWN, on=False)
    assert site.mode() is DoorMode.LOCKED_DOWN
    await site.give(DoorOrder.LOCKDOWN)
    await site.say(DoorsOrder(DoorOrder.LOCKDOWN, 1, None))
    assert site.mode() is DoorMode.LOCKED_DOWN
    await site.give(DoorOrder.LOCKDOWN, on=False)
    assert site.mode() is DoorMode.LOCKED


async def test_an_order_that_opens_is_refused_below_one_that_shuts(site: Site) -> None:
    await site.give(DoorOrder.NO_ENTRY)
    assert (await site.say(hold(site))).outcome is OrderOutcome.REFUSED
    await site.give(DoorOrder.NO_ENTRY, on=False)
    assert (await site.say(hold(site))).outcome is OrderOutcome.TAKEN
    assert site.mode() is DoorMode.UNLOCKED


async def test_fire_goes_before_a_lockdown_of_the_site(site: Site) -> None:
    await site.say(lockdown(site))
    site.keeper.fire(FRONT, True)
    await site.look()
    assert site.mode() is DoorMode.LOCKED_OPEN


NOT_ALLOWED: dict[str, Callable[[Site], Ordered]] = {
    "lockdown": lockdown,
    "lockdown of all doors": lambda site: lockdown(site, None),
    "hold open": hold,
    "release": lambda _site: SiteRelease(1, None),
    "disable": lambda site: CredentialDisabled("card-7", site.in_an_hour()),
}


@pytest.mark.parametrize("name", NOT_ALLOWED)
@pytest.mark.parametrize("by", ["guard", "nobody"])
async def test_who_ordered_it_must_have_the_right(site: Site, name: str, by: str) -> None:
    """taker, law 2: `guard` may lock down the back door alone"""
    result = await site.say(NOT_ALLOWED[name](site), by=by)
    assert result.outcome is OrderOutcome.REFUSED
    assert site.mode() is DoorMode.LOCKED
    assert not site.in_force.is_disabled("card-7")
    assert site.records()[-1].detail[Fact.ALLOWED] is False
    assert site.movers[FRONT].given == []


async def test_a_guard_may_lock_down_his_door(site: Site) -> None:
    result = await site.say(lockdown(site, 3), by="guard")
    assert result.outcome is OrderOutcome.TAKEN
    assert site.mode(BACK) is DoorMode.LOCKED_DOWN


async def test_what_is_refused_costs_a_bounded_number_of_records(site: Site) -> None:
    """taker, law 6"""
    for _ in range(3 * int(taker.REFUSALS.burst)):
        result = await site.say(lockdown(site), by="nobody")
    assert result.outcome is OrderOutcome.BUSY
    assert len(site.records()) == 1 + taker.REFUSALS.burst
    assert (await site.say(lockdown(site))).outcome is OrderOutcome.TAKEN


# ---- a release


async def test_a_release_goes_the_way_of_every_release(site: Site) -> None:
    """taker, law 4"""
    result = await site.say(SiteRelease(1, 4))
    assert (result.outcome, result.detail) == (OrderOutcome.TAKEN, "")
    assert len(site.movers[FRONT].given) == 1
    (record,) = site.of(RecordKind.REMOTE)
    assert record.detail[Fact.GIVEN_BY] == "site"
    assert record.detail[Fact.ASKER] == "boss"


async def test_a_release_is_done_once_whatever_comes_between(site: Site) -> None:
    order = site.made(SiteRelease(1, 4))
    await site.give_signed(order)
    assert (await site.give_signed(order)).outcome is OrderOutcome.TAKEN
    site.restart()
    again = await site.give_signed(order)
    assert (again.outcome, again.detail) == ASKED_BEFORE
    assert len(site.movers[FRONT].given) == 1


async def test_a_release_is_refused_in_a_lockdown(site: Site) -> None:
    await site.say(lockdown(site))
    assert (await site.say(SiteRelease(1, None))).outcome is OrderOutcome.REFUSED
    assert site.movers[FRONT].given == []


async def test_a_release_that_cannot_be_kept_is_not_tried(site: Site) -> None:
    site.file.failing = StoreError("told to fail")
    assert (await site.say(SiteRelease(1, None))).outcome is OrderOutcome.FAILED
    assert site.movers[FRONT].given == []


# ---- a credential


def claim(strength: Strength) -> Claim:
    return Claim(
        credential="anna",
        grant_id=b"grant-01",
        not_before=NOW - DAY,
        expires=NOW + DAY,
        entry=Access(1, 3, ()),
        access_point=1,
        action=Action.OPEN,
        op=bytes(8),
        strength=strength,
        arrived=0.0,
    )


async def test_a_disabled_credential_is_denied(site: Site) -> None:
    judge = Judge(
        site.rules,
        policy=site.policy,
        clock=site.clock,
        tell=lambda *_: None,
        persons=Persons(site.clock),
        offline_seconds=lambda: 0.0,
        used=lambda _claim: 0,
        mode_at=site.standing.mode_at,
        disabled_here=site.in_force.is_disabled,
    )
    asked = {strength: claim(strength) for strength in Strength}
    assert {judge.why_denied(one) for one in asked.values()} == {None}
    disabled = CredentialDisabled(asked[Strength.FULL].credential, site.in_an_hour())
    await site.say(disabled)
    assert {judge.why_denied(one) for one in asked.values()} == {Denial.CREDENTIAL_DISABLED}
    await site.look(HOUR + 1)
    assert {judge.why_denied(one) for one in asked.values()} == {None}


async def test_a_disabled_credential_stays_so_over_a_restart_and_is_enabled_again(
    site: Site,
) -> None:
    await site.say(CredentialDisabled("card-7", site.in_an_hour()))
    site.restart()
    assert site.in_force.is_disabled("card-7")
    site.clock.trust = ClockState.BEHIND_RECORDS
    site.clock.advance(2 * HOUR)
    assert site.in_force.is_disabled("card-7")
    site.clock.trust = ClockState.TRUSTED
    assert not site.in_force.is_disabled("card-7")
    await site.say(CredentialDisabled("card-7", site.in_an_hour()))
    await site.say(CredentialDisabled("card-7", None))
    assert not site.in_force.is_disabled("card-7")


async def test_the_number_of_disabled_credentials_is_bounded(site: Site) -> None:
    until = int(site.clock.wall()) + 2 * DAY
    for number in range(DISABLED_MAX):
        site.clock.advance(2)
        one = CredentialDisabled(f"card-{number}", until)
        assert (await site.say(one)).outcome is OrderOutcome.TAKEN
    site.clock.advance(DAY)
    assert (await site.say(CredentialDisabled("more", until))).outcome is OrderOutcome.REFUSED
    assert (await site.say(CredentialDisabled("card-3", None))).outcome is OrderOutcome.TAKEN
    assert (await site.say(lockdown(site))).outcome is OrderOutcome.TAKEN


# ---- the disk


async def test_what_the_disk_does_not_take(site: Site) -> None:
    """taker, law 3"""
    site.file.failing = StoreError("told to fail")
    shut = await site.say(lockdown(site, 3))
    assert (shut.outcome, shut.detail) == (OrderOutcome.TAKEN, NOT_RECORDED_BUT_HOLDS)
    assert site.mode(BACK) is DoorMode.LOCKED_DOWN
    assert (await site.say(hold(site))).outcome is OrderOutcome.FAILED
    assert (await site.say(DoorsOrder(DoorOrder.LOCKDOWN, 3, None))).outcome is OrderOutcome.FAILED
    assert site.mode(BACK) is DoorMode.LOCKED_DOWN
    assert site.mode() is DoorMode.LOCKED
    site.file.failing = None
    site.restart()
    assert site.mode() is DoorMode.LOCKED


async def test_what_the_disk_did_not_take_is_tried_again_at_a_pace(site: Site) -> None:
    """taker, law 3: an end outlasts a restart once the disk is well again"""
    await site.say(hold(site))
    site.file.failing = StoreError("told to fail")
    assert (await site.say(DoorsOrder(DoorOrder.HOLD_OPEN, 1, None))).outcome is OrderOutcome.TAKEN
    count = len(site.records())
    for _ in range(10):
        await site.look(KEEP_AGAIN_SECONDS / 10)
    assert len(site.records()) <= count + 1, "no record at the pace of looks"
    site.file.failing = None
    await site.look(KEEP_AGAIN_SECONDS)
    count = len(site.records())
    await site.look(KEEP_AGAIN_SECONDS)
    assert len(site.records()) == count
    kept = site.file.documents
    assert (
        digest_of(read_held(kept, HUB, ISSUER.verify_key)[0])
        == site.records()[-1].detail[Fact.SITE_ORDERS]
    )


async def test_a_key_that_ended_on_a_full_disk_stays_ended_after_a_restart(site: Site) -> None:
    """taker, law 3"""
    await site.say(hold(site))
    site.log.failing = AuditError("told to fail")
    await site.site.take_mandate(mandate(2))
    site.log.failing = None
    await site.look(KEEP_AGAIN_SECONDS)
    site.restart()
    assert site.mode() is DoorMode.LOCKED
    assert site.site.mandate_version == 2


async def test_what_stood_stands_after_a_restart(site: Site) -> None:
    await site.say(lockdown(site, 3))
    await site.say(hold(site))
    site.restart()
    assert (site.mode(), site.mode(BACK)) == (DoorMode.UNLOCKED, DoorMode.LOCKED_DOWN)
    assert site.site.mandate_version == 1


async def test_a_release_ends_nothing_that_stands_over_a_restart(site: Site) -> None:
    await site.say(hold(site))
    site.clock.advance(2 * HOUR / 3)
    await site.say(SiteRelease(3, None))
    site.restart()
    assert site.mode() is DoorMode.UNLOCKED


async def test_an_older_file_opens_nothing(site: Site) -> None:
    """held, law 6: a copy from before the end of a hold open is put back"""
    await site.say(hold(site))
    await site.say(lockdown(site, 3))
    old = site.file.documents
    await site.say(DoorsOrder(DoorOrder.HOLD_OPEN, 1, None))
    site.file.documents = old
    site.restart()
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED_DOWN)


async def test_a_log_in_doubt_opens_nothing(site: Site) -> None:
    await site.say(hold(site))
    site.believed = False
    site.restart()
    assert site.mode() is DoorMode.LOCKED


async def test_what_does_not_prove_itself_is_left_out_and_told_once(site: Site) -> None:
    """taker, law 7"""
    await site.say(lockdown(site, 3))
    await site.say(lockdown(site))
    first, second, third = site.file.documents
    site.file.documents = (first, second, third[:-1] + bytes([third[-1] ^ 1]), b"x")
    site.restart()
    assert site.site.left_out == 2
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED_DOWN)
    for _ in range(2):
        await site.look()
    told = [record for record in site.records() if "prove itself" in str(record.detail)]
    assert len(told) == 1


async def test_the_log_names_the_file_again_after_many_records(site: Site) -> None:
    await site.say(hold(site))
    before = len(site.records())
    for _ in range(MARK_RECORDS):
        site.log.append(Record.decode(site.log.stored[0].body))
    await site.look()
    await site.look()
    marks = site.records()[before + MARK_RECORDS :]
    assert len(marks) == 1
    assert Fact.SITE_ORDERS in marks[0].detail


async def test_the_real_file_gives_back_what_it_was_given(tmp_path) -> None:  # type: ignore[no-untyped-def]
    site = Site(file=SiteOrderFile(tmp_path / "site-orders.cbor"))  # type: ignore[arg-type]
    await site.site.take_mandate(mandate())
    await site.say(lockdown(site))
    site.restart()
    assert site.mode() is DoorMode.LOCKED_DOWN
    assert (tmp_path / "site-orders.cbor").stat().st_mode & 0o777 == 0o600
    (tmp_path / "site-orders.cbor").write_bytes(b"\x00")
    site.restart()
    assert site.site.left_out == -1


# ---- keys


async def test_another_key_ends_what_opens_and_leaves_what_shuts(site: Site) -> None:
    """taker, law 5"""
    await site.say(hold(site))
    await site.say(lockdown(site, 3))
    await site.say(CredentialDisabled("card-7", site.in_an_hour()))
    await site.site.take_mandate(mandate(2))
    for _ in range(2):
        assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED_DOWN)
        assert site.in_force.is_disabled("card-7")
        site.restart()
    with pytest.raises(ProofError):
        await site.say(lockdown(site), version=1)
    end = DoorsOrder(DoorOrder.LOCKDOWN, 3, None)
    assert (await site.say(end, version=2)).outcome is OrderOutcome.TAKEN
    assert site.mode(BACK) is DoorMode.LOCKED


async def test_the_end_of_a_mandate_ends_what_opens() -> None:
    site = Site()
    await site.site.take_mandate(mandate(expires=NOW + 60))
    await site.say(hold(site))
    await site.say(lockdown(site, 3))
    await site.look(61)
    assert (site.mode(), site.mode(BACK)) == (DoorMode.LOCKED, DoorMode.LOCKED_DOWN)
    assert (await site.say(lockdown(site))).outcome is OrderOutcome.REFUSED


async def test_a_disk_that_takes_nothing_keeps_no_old_key_in_force(site: Site) -> None:
    await site.say(hold(site))
    site.file.failing = StoreError("told to fail")
    await site.site.take_mandate(mandate(2))
    assert site.mode() is DoorMode.LOCKED


# ---- the clock


async def test_without_a_trusted_clock_only_what_shuts_is_taken(site: Site) -> None:
    site.clock.trust = ClockState.BEHIND_RECORDS
    assert (await site.say(hold(site))).outcome is OrderOutcome.REFUSED
    assert (await site.say(SiteRelease(1, None))).outcome is OrderOutcome.REFUSED
    assert (await site.say(lockdown(site))).outcome is OrderOutcome.TAKEN
    assert (await site.say(DoorsOrder(DoorOrder.LOCKDOWN, 1, None))).outcome is OrderOutcome.REFUSED
    assert site.mode() is DoorMode.LOCKED_DOWN


async def test_an_order_that_was_overtaken_comes_too_late_also_after_a_restart(
    site: Site,
) -> None:
    end = site.made(DoorsOrder(DoorOrder.LOCKDOWN, 1, None))
    await site.say(lockdown(site))
    site.restart()
    assert (await site.give_signed(end)).outcome is OrderOutcome.REFUSED
    assert site.mode() is DoorMode.LOCKED_DOWN


def test_each_verdict_has_an_answer() -> None:
    assert set(ANSWERS) | {SiteVerdict.TAKE, SiteVerdict.SAME} == set(SiteVerdict)


# ---- all orders of events

STEPS = (
    "hold",
    "end hold",
    "lockdown",
    "end lockdown",
    "backend lockdown",
    "backend end",
    "technician",
    "technician ends",
    "fire",
    "fire ends",
    "restart",
    "old file",
    "new key",
    "clock doubted",
    "clock trusted",
    "time",
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_in_all_orders_of_events_the_site_opens_only_what_it_may(steps: list[str]) -> None:
    """What the site holds open is open by an order that is in time, by the key of now, and below
    all that shuts; and a lockdown of the site stands until it ends by its time or its order."""

    async def play() -> None:
        site = Site()
        await site.site.take_mandate(mandate(1))
        version = 1
        until = {DoorOrder.HOLD_OPEN: 0, DoorOrder.LOCKDOWN: 0}
        old = site.file.documents
        for step in steps:
            site.clock.advance(1)
            order = DoorOrder.HOLD_OPEN if "hold" in step else DoorOrder.LOCKDOWN
            match step:
                case "hold" | "lockdown":
                    old = site.file.documents
                    ends = site.in_an_hour()
                    result = await site.say(DoorsOrder(order, 1, ends), version)
                    if result.outcome is OrderOutcome.TAKEN:
                        until[order] = ends
                case "end hold" | "end lockdown":
                    old = site.file.documents
                    result = await site.say(DoorsOrder(order, 1, None), version)
                    if result.outcome is OrderOutcome.TAKEN:
                        until[order] = 0
                case "backend lockdown" | "backend end":
                    await site.give(DoorOrder.LOCKDOWN, on="end" not in step[8:])
                case "technician":
                    await site.technician.lock_down(FRONT, "technician", 1000, lambda: True)
                case "technician ends":
                    await site.technician.end(FRONT, 1000, lambda: True)
                case "fire" | "fire ends":
                    site.keeper.fire(FRONT, step == "fire")
                case "restart":
                    site.restart()
                case "old file":
                    # what shuts may be lost or come back by that; what opens may not
                    if site.file.documents != old:
                        until = {DoorOrder.HOLD_OPEN: 0, DoorOrder.LOCKDOWN: -1}
                    site.file.documents = old
                    site.restart()
                case "new key":
                    version = min(version + 1, 3)
                    with_new = mandate(version)
                    if version > site.site.mandate_version:
                        await site.site.take_mandate(with_new)
                        until[DoorOrder.HOLD_OPEN] = 0
                case "clock doubted":
                    site.clock.trust = ClockState.BEHIND_RECORDS
                case "clock trusted":
                    site.clock.trust = ClockState.TRUSTED
                case "time":
                    site.clock.advance(HOUR / 2)
            await site.look()
            now = site.clock.wall()
            trusted = site.clock.trust is ClockState.TRUSTED
            stands = {one.order for one in site.standing.standing(FRONT) if one.source == "site"}
            if DoorOrder.HOLD_OPEN in stands:
                assert trusted
                assert now < until[DoorOrder.HOLD_OPEN]
            if until[DoorOrder.LOCKDOWN] > now:
                assert DoorOrder.LOCKDOWN in stands
            if until[DoorOrder.LOCKDOWN] == 0:
                assert DoorOrder.LOCKDOWN not in stands
            version = max(1, site.site.mandate_version)

    asyncio.run(play())


def test_nothing_is_held_of_nothing() -> None:
    assert (Held().disabled(), Held().at_doors(lambda _point: (), 0)) == ({}, {})
    assert OperatorRight.LOCK_DOWN in ALL_RIGHTS
