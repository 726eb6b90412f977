"""Two persons, passback and duress on the way of an unlock: real use case, real watch of places."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import pytest

from hubcore.access.claim import Claim, Strength
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.two_person import WITHIN_SECONDS
from hubcore.access.words import Action, Denial
from hubcore.backend.uplink.from_backend import Release
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.door.state import DoorState
from hubcore.errors import AuditError
from hubcore.evidence.facts import Detail, EventName, Fact, shown
from hubcore.evidence.records import Record, RecordKind, Value
from hubcore.policy.policy import Operator, OperatorRight, PointRules
from hubcore.ports.stores import PolicyStore
from hubd.doors.drive import Watch
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.orders.passback import PassbackReset
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.mover import FakeMover
from tests.fakes.policy import FakePolicy
from tests.pair import settle

pytestmark = pytest.mark.asyncio

DAY = 86_400
OUTSIDE = 0
LAB = 1
IN = 1
OUT = 2
_OF_PERSONS = (RecordKind.ACCESS, RecordKind.PASSBACK)
TWO = PointRules(demands=(Demand(tuple(Factor), persons=2),))


class NoWatch:
    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None: ...

    def failed(self, door: str) -> None: ...

    def state(self, door: str) -> DoorState:
        return DoorState.SECURED


@dataclass
class Hub:
    """A door with a way in and a way out, and whoever comes.

    `points` and `store` take the place of its own access points and of its `policy`.
    `first_in` has the access points by which somebody came in by a claim.
    """

    watched: bool = False
    points: Mapping[int, Point] | None = None
    store: PolicyStore | None = None
    watch_with: Callable[[Hub], Watch] = lambda _hub: NoWatch()
    offline_seconds_max: float | None = None
    offline_seconds: Callable[[], float] = lambda: 0.0
    clock: FakeClock = field(default_factory=FakeClock)
    policy: FakePolicy = field(default_factory=FakePolicy)
    log: FakeAudit = field(default_factory=FakeAudit)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    told: list[tuple[EventName, Detail]] = field(default_factory=list)

    def __post_init__(self) -> None:
        points = self.points or {
            number: Point(
                number=number,
                door="front",
                fresh=False,
                strike_seconds=5.0,
                watched=self.watched,
                offline_seconds_max=self.offline_seconds_max,
            )
            for number in (IN, OUT)
        }
        self.mover = FakeMover()
        self.first_in: list[int] = []
        self.persons = Persons(self.clock, self.first_in.append)
        self.watch = self.watch_with(self)
        self.passback = PassbackReset(self.persons, self.log, self.clock, self.tell)
        self.unlock = Unlock(
            rules=SiteRules(points, ZoneInfo("UTC"), 90 * DAY),
            policy=self.store or self.policy,
            log=self.log,
            clock=self.clock,
            tell=lambda _event, _facts: None,
            doors={"front": self.mover},
            watch=self.watch,
            persons=self.persons,
            offline_seconds=self.offline_seconds,
        )

    def tell(self, event: EventName, facts: Detail) -> None:
        self.told.append((event, facts))

    async def order(self, point: int = IN) -> ReleaseOutcome:
        """Release the door from afar."""
        self.policy.operators["boss"] = Operator(OperatorRight.RELEASE)
        order = Release(
            id=next(self.numbers).to_bytes(16, "big"),
            by="boss",
            access_point=point,
            expires_at=int(self.clock.wall()) + 30,
            seconds=5,
        )
        return (await self.unlock.release(order)).outcome

    def why(self, who: str) -> Denial | None:
        """Tell why somebody would be denied at the way in; nothing is recorded."""
        return self.unlock.why_denied(self.claim(who))

    async def come(
        self,
        who: str,
        point: int = IN,
        action: Action = Action.OPEN,
        duress: bool = False,
        op: bytes | None = None,
    ) -> Denial | None:
        claim = self.claim(who, point, action, duress, op)
        outcome = await self.unlock.present(claim, lambda: True)
        return outcome.why

    def claim(
        self,
        who: str,
        point: int = IN,
        action: Action = Action.OPEN,
        duress: bool = False,
        op: bytes | None = None,
    ) -> Claim:
        return Claim(
            credential=who,
            grant_id=who.encode().ljust(8, b"-"),
            not_before=int(NOON) - DAY,
            expires=int(NOON) + DAY,
            entry=Access(point, 9, ()),
            access_point=point,
            action=action,
            op=op or next(self.numbers).to_bytes(8, "big"),
            strength=Strength.CARD,
            arrived=self.clock.monotonic(),
            duress=duress,
        )

    def newest(self) -> dict[str, Value]:
        records = [Record.decode(stored.body) for stored in self.log.stored]
        return dict([one.detail for one in records if one.kind in _OF_PERSONS][-1])


# Two persons.


async def test_two_persons_open_together_and_both_are_on_record() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    assert await hub.come("anna") is Denial.SECOND_PERSON_NEEDED
    assert await hub.come("ben") is None
    assert hub.newest()["asker"] == "ben"
    assert hub.newest()["partner"] == "anna"


async def test_one_person_twice_is_one_person() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    for _ in range(3):
        assert await hub.come("anna") is Denial.SECOND_PERSON_NEEDED
    assert "partner" not in hub.newest()


async def test_a_second_person_who_comes_late_is_a_first_one() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    assert await hub.come("anna") is Denial.SECOND_PERSON_NEEDED
    hub.clock.advance(WITHIN_SECONDS + 1)
    assert await hub.come("ben") is Denial.SECOND_PERSON_NEEDED
    assert await hub.come("anna") is None


async def test_a_third_person_is_a_first_one() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    await hub.come("anna")
    await hub.come("ben")
    assert await hub.come("carla") is Denial.SECOND_PERSON_NEEDED


async def test_one_who_waits_is_the_first_person_of_one_other_alone() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    assert await hub.come("first") is Denial.SECOND_PERSON_NEEDED
    hub.mover.holding = True
    second = asyncio.create_task(hub.come("second"))
    async with asyncio.timeout(10):
        while not hub.mover.held:  # noqa: ASYNC110 - the claim goes on by itself
            await asyncio.sleep(0)
        assert await hub.come("third") is Denial.SECOND_PERSON_NEEDED
        hub.mover.step()
        assert await second is None
    assert hub.mover.given == [5.0]


async def test_a_release_that_came_to_nothing_leaves_the_first_person_waiting() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    assert await hub.come("first") is Denial.SECOND_PERSON_NEEDED
    hub.mover.rests = 1
    hub.mover.rest_seconds = 60.0
    assert await hub.come("second") is Denial.BUSY
    assert await hub.come("third") is None


async def test_who_has_no_right_is_no_second_person_and_waits_for_nobody() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    hub.policy.credentials.add("mallory")
    assert await hub.come("mallory") is Denial.CREDENTIAL_REVOKED
    assert await hub.come("anna") is Denial.SECOND_PERSON_NEEDED
    assert await hub.come("mallory") is Denial.CREDENTIAL_REVOKED
    assert await hub.come("ben") is None


async def test_a_first_person_whose_denial_is_not_on_record_waits_for_nobody() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    hub.log.failing = AuditError("the disk is full")
    assert await hub.come("anna") is not None
    hub.log.failing = None
    assert await hub.come("ben") is Denial.SECOND_PERSON_NEEDED


async def test_a_query_makes_nobody_wait() -> None:
    hub = Hub()
    hub.policy.points[IN] = TWO
    assert await hub.come("anna", action=Action.QUERY) is None
    assert await hub.come("ben") is Denial.SECOND_PERSON_NEEDED


async def test_one_operation_at_two_access_points_is_a_conflict() -> None:
    hub = Hub()
    assert await hub.come("anna", op=b"the-same") is None
    assert await hub.come("anna", OUT, op=b"the-same") is Denial.OP_CONFLICT
    assert hub.mover.given == [5.0]


# Passback.


def with_passback(hub: Hub, kind: PassbackKind, seconds: int = 0) -> None:
    hub.policy.points[IN] = PointRules(passback=PassbackRule(kind, OUTSIDE, LAB, seconds))
    out = PassbackRule(PassbackKind.SOFT, LAB, OUTSIDE)
    hub.policy.points[OUT] = PointRules(passback=out)


async def test_a_card_handed_back_through_the_door_does_not_open_again() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    assert await hub.come("anna") is Denial.ANTI_PASSBACK
    assert await hub.come("ben") is None
    assert await hub.come("anna", OUT) is None
    assert await hub.come("anna") is None


async def test_a_soft_rule_lets_in_and_says_so_on_record() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.SOFT)
    assert await hub.come("anna") is None
    assert "passed_back" not in hub.newest()
    assert await hub.come("anna") is None
    assert hub.newest()["passed_back"] is True


async def test_a_timed_rule_ends_with_its_time() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.TIMED, seconds=60)
    assert await hub.come("anna") is None
    assert await hub.come("anna") is Denial.ANTI_PASSBACK
    hub.clock.advance(60)
    assert await hub.come("anna") is None


async def test_at_a_watched_door_only_who_went_through_is_inside() -> None:
    hub = Hub(watched=True)
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    assert await hub.come("anna") is None
    hub.persons.came_in(IN)
    assert await hub.come("anna") is Denial.ANTI_PASSBACK


async def test_a_door_that_opens_for_another_moves_only_that_other() -> None:
    hub = Hub(watched=True)
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    assert await hub.come("ben") is None
    hub.persons.came_in(IN)
    hub.persons.came_in(IN)
    assert await hub.come("anna") is None
    assert await hub.come("ben") is Denial.ANTI_PASSBACK


async def test_who_comes_in_by_an_order_from_afar_is_nobody_who_was_let_in_before() -> None:
    hub = Hub(watched=True)
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("guest") is None  # and does not go through
    assert await hub.order() is ReleaseOutcome.RELEASED
    hub.persons.came_in(IN)
    assert hub.first_in == []
    assert await hub.come("guest") is None


@pytest.mark.parametrize("watched", [True, False])
async def test_the_first_person_in_comes_by_a_claim_with_or_without_a_rule(watched: bool) -> None:
    hub = Hub(watched=watched)
    assert await hub.order() is ReleaseOutcome.RELEASED
    hub.persons.came_in(IN)
    assert hub.first_in == []
    assert await hub.come("anna") is None
    hub.persons.came_in(IN)
    assert hub.first_in == [IN]
    assert hub.persons.known() == 0


async def test_a_reset_lets_everybody_in_again() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    hub.persons.reset()
    assert await hub.come("anna") is None


async def test_a_denied_or_failed_release_moves_nobody() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    hub.policy.credentials.add("anna")
    assert await hub.come("anna") is Denial.CREDENTIAL_REVOKED
    hub.policy.credentials.clear()
    assert await hub.come("anna") is None


# Duress.


async def test_who_asks_again_after_coming_in_is_told_so_and_moves_nothing() -> None:
    """The answer was lost on the air: its phone asks the same operation again."""
    hub = Hub()
    hub.policy.points[IN] = replace(
        TWO, passback=PassbackRule(PassbackKind.HARD, from_area=OUTSIDE, to_area=LAB)
    )
    assert await hub.come("first") is Denial.SECOND_PERSON_NEEDED
    assert await hub.come("second", op=b"the-same") is None
    records = len(hub.log.stored)
    assert await hub.come("second", op=b"the-same") is None
    assert len(hub.log.stored) == records
    assert hub.mover.given == [5.0]
    hub.policy.credentials.add("second")
    assert await hub.come("second", op=b"the-same") is Denial.CREDENTIAL_REVOKED


async def test_duress_opens_and_only_the_record_says_so() -> None:
    hub = Hub()
    assert await hub.come("anna", duress=True) is None
    assert hub.newest()["duress"] is True
    detail = {Fact(name): value for name, value in hub.newest().items()}
    assert "duress" not in shown(detail)
    assert await hub.come("ben") is None
    assert "duress" not in hub.newest()


# Resets.


async def test_a_reset_is_on_record_before_anybody_is_let_in_for_it() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    for who in ("anna", "ben"):
        assert await hub.come(who) is None
    hub.log.hold()
    asked = asyncio.create_task(hub.passback.reset("anna", "technician", 1000))
    await settle()
    assert hub.why("anna") is Denial.ANTI_PASSBACK
    hub.log.move_on()
    assert await asked == 1
    assert hub.newest() == {
        "vouched_by": "technician",
        "uid": 1000,
        "credential": "anna",
        "count": 1,
    }
    assert hub.why("anna") is None
    assert hub.why("ben") is Denial.ANTI_PASSBACK


async def test_a_reset_that_cannot_be_recorded_changes_nothing() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    hub.log.failing = AuditError("the disk is full")
    with pytest.raises(AuditError):
        await hub.passback.reset(None, "technician", 1000)
    hub.log.failing = None
    assert hub.why("anna") is Denial.ANTI_PASSBACK


async def test_a_reset_of_all_counts_whose_place_was_known_or_about_to_be() -> None:
    hub = Hub(watched=True)
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    hub.persons.came_in(IN)
    assert await hub.come("ben") is None  # and has not gone through yet
    assert await hub.passback.reset(None, "technician", 1000) == 2
    assert hub.newest() == {"vouched_by": "technician", "uid": 1000, "count": 2}
    hub.persons.came_in(IN)
    for who in ("anna", "ben"):
        assert hub.why(who) is None


async def test_where_no_place_is_known_a_reset_leaves_no_record() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna") is None
    records = len(hub.log.stored)
    assert await hub.passback.reset("nobody", "technician", 1000) == 0
    assert len(hub.log.stored) == records
    assert hub.why("anna") is Denial.ANTI_PASSBACK


async def test_a_reset_shows_onlookers_no_whole_credential() -> None:
    hub = Hub()
    with_passback(hub, PassbackKind.HARD)
    assert await hub.come("anna-of-the-lab") is None
    await hub.passback.reset("anna-of-the-lab", "technician", 1000)
    ((event, facts),) = [told for told in hub.told if told[0] is EventName.PASSBACK]
    assert event == "passback"
    assert "anna-of-the-lab" not in str(shown(facts))
    assert hub.newest()["credential"] == "anna-of-the-lab"
