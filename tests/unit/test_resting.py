"""A strike that must rest: who comes meanwhile waits for it or is told to come again, and never
gets in late.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Grant, read_grant
from hubcore.access.words import Action, Denial, Mode
from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.door.state import DoorState
from hubcore.evidence.records import RecordKind
from hubcore.ports.doors import InputEvent
from hubd.doors.drive import REST_WAIT_SECONDS, DoorMovers
from hubd.wiring.mover_group import MoverGroup
from hubsim import site
from hubsim.door.door import SimDoor, Times
from tests.fakes.mover import FakeMover
from tests.pair import SITE, DeskHub, make_wallet

pytestmark = pytest.mark.asyncio


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


@pytest.fixture
def grant(hub: DeskHub) -> Grant:
    return read_grant(make_wallet(hub.issuer).grant, hub.issuer.verify_key, SITE)


def proof(hub: DeskHub, grant: Grant, action: Action = Action.OPEN) -> Claim:
    return Claim.under(
        grant,
        access_point=1,
        action=action,
        op=os.urandom(16),
        strength=Strength.FULL,
        arrived=hub.clock.monotonic(),
    )


async def present(
    hub: DeskHub, grant: Grant, door: FakeMover, alive: Callable[[], bool] = lambda: True
) -> Denial | None:
    hub.doors["front"] = door  # type: ignore[assignment]
    return (await hub.unlock.present(proof(hub, grant), alive)).why


async def test_who_comes_in_a_short_rest_gets_in_after_it(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(rests=2, rest_seconds=0.01)
    assert await present(hub, grant, door) is None
    assert door.given == [5.0]


async def test_who_comes_in_a_long_rest_is_told_to_come_again(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(rests=1, rest_seconds=REST_WAIT_SECONDS + 0.1)
    assert await present(hub, grant, door) is Denial.BUSY
    assert door.given == []
    fault = hub.records()[-1]
    assert (fault.kind, fault.detail["why"]) == (RecordKind.FAULT, "busy")
    assert "rests" in str(fault.detail["fault"])


async def test_a_long_rest_that_is_known_is_a_denial_and_no_yes_is_recorded(
    hub: DeskHub, grant: Grant
) -> None:
    door = FakeMover(rests=1, rest_seconds=REST_WAIT_SECONDS + 0.1, rest_known=True)
    assert await present(hub, grant, door) is Denial.BUSY
    assert [(r.kind, r.detail["why"]) for r in hub.records()] == [(RecordKind.ACCESS, "busy")]
    hub.policy.modes[1] = Mode.LOCKDOWN
    assert await present(hub, grant, door) is Denial.LOCKDOWN
    assert door.rests == 1


async def test_a_rest_that_is_known_and_short_is_waited_for(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(rests=1, rest_seconds=0.01, rest_known=True)
    assert await present(hub, grant, door) is None


async def test_a_query_does_not_care_for_a_rest(hub: DeskHub, grant: Grant) -> None:
    hub.doors["front"] = FakeMover(rests=1, rest_seconds=30.0, rest_known=True)  # type: ignore[assignment]
    asked = proof(hub, grant, Action.QUERY)
    assert (await hub.unlock.present(asked, lambda: True)).allowed


@pytest.mark.parametrize("known", [True, False])
async def test_an_order_in_a_long_rest_is_busy_and_the_same_order_is_obeyed_after_it(
    hub: DeskHub, known: bool
) -> None:
    door = FakeMover(rests=1, rest_seconds=REST_WAIT_SECONDS + 0.1, rest_known=known)
    hub.doors["front"] = door  # type: ignore[assignment]
    order = from_backend.Release(bytes(16), 1, int(hub.clock.wall() + 30), None, "operator-7")
    result = await hub.unlock.release(order)
    assert (result.outcome, result.detail) == (ReleaseOutcome.BUSY, "busy")
    door.rests = 0
    assert (await hub.unlock.release(order)).outcome is ReleaseOutcome.RELEASED
    assert door.given == [5.0]


async def test_nobody_waits_for_ever_for_rests_that_come_again(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(rests=1000, rest_seconds=REST_WAIT_SECONDS / 20)
    assert await present(hub, grant, door) is Denial.BUSY
    assert door.rests >= 975
    assert door.given == []


async def test_a_lockdown_in_the_rest_keeps_the_strike_at_rest(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(
        on_asked=lambda _seconds: hub.policy.modes.update({1: Mode.LOCKDOWN}),
        rests=1,
        rest_seconds=0.01,
    )
    assert await present(hub, grant, door) is Denial.LOCKDOWN
    assert door.given == []


async def test_a_phone_that_has_gone_in_the_rest_moves_nothing(hub: DeskHub, grant: Grant) -> None:
    here = [True]
    door = FakeMover(on_asked=lambda _seconds: here.clear(), rests=1, rest_seconds=0.01)
    assert await present(hub, grant, door, lambda: bool(here)) is Denial.TOO_LATE
    assert door.given == []


async def test_what_would_be_late_after_the_rest_is_late(hub: DeskHub, grant: Grant) -> None:
    door = FakeMover(on_asked=lambda _seconds: hub.clock.advance(3.0), rests=1, rest_seconds=0.01)
    assert await present(hub, grant, door) is Denial.TOO_LATE
    assert door.given == []


class TwoStrikes:
    """The front door with two strikes: the left one tires in 5 s, and both may be told what is
    wrong with them.
    """

    def __init__(self, hub: DeskHub, left_rest_seconds: float) -> None:
        self.strikes: list[SimDoor] = []
        times = (Times(cap_seconds=5.0, rest_seconds=left_rest_seconds), Times(cap_seconds=60.0))

        def making(number: int) -> Callable[[Callable[[InputEvent], None]], SimDoor]:
            def make(publish: Callable[[InputEvent], None]) -> SimDoor:
                self.strikes.append(SimDoor("front", hub.clock.timeline, publish, times[number]))
                return self.strikes[-1]

            return make

        hub.doors["front"] = MoverGroup([making(0), making(1)], lambda _event: None)  # type: ignore[assignment]

    def rises(self) -> list[int]:
        return [strike.strikes for strike in self.strikes]


async def test_a_door_with_two_strikes_waits_for_the_longest_rest(
    hub: DeskHub, grant: Grant
) -> None:
    door = TwoStrikes(hub, left_rest_seconds=30.0)
    assert (await hub.unlock.present(proof(hub, grant), lambda: True)).allowed
    hub.clock.advance(6.0)
    assert (await hub.unlock.present(proof(hub, grant), lambda: True)).why is Denial.BUSY
    assert [(r.kind, r.detail.get("why")) for r in hub.records()] == [
        (RecordKind.ACCESS, None),
        (RecordKind.ACCESS, "busy"),
    ]
    assert door.rises() == [1, 1], "the right strike has rested, and waits for the left one"
    hub.clock.advance(30.0)
    assert (await hub.unlock.present(proof(hub, grant), lambda: True)).allowed
    assert door.rises() == [2, 2]


async def test_a_release_that_one_strike_did_not_follow_counts_as_moved(
    hub: DeskHub, grant: Grant
) -> None:
    door = TwoStrikes(hub, left_rest_seconds=0.5)
    door.strikes[1].faults.broken = "Strike right cannot be driven."
    claim = proof(hub, grant)
    assert (await hub.unlock.present(claim, lambda: True)).why is Denial.DOOR_FAULT
    assert not any(strike.active for strike in door.strikes)
    fault = hub.records()[-1]
    assert (fault.kind, fault.detail["fault"]) == (
        RecordKind.FAULT,
        "Strike right cannot be driven.",
    )
    door.strikes[1].faults.broken = ""
    assert (await hub.unlock.present(claim, lambda: True)).why is Denial.DOOR_FAULT
    assert door.rises() == [1, 0], (
        "the same operation moves a door once, also one that moved by half"
    )


# drive, law 4
async def test_a_door_whose_mover_does_not_answer_keeps_no_other_from_being_secured() -> None:
    never = asyncio.get_running_loop().create_future()
    silent = FakeMover()
    other = FakeMover()

    async def secure() -> None:
        await never

    silent.secure = secure  # type: ignore[method-assign]
    await other.release(5.0)
    movers = DoorMovers({"silent": silent, "other": other}, NoWatch(), lambda *_: None)
    securing = asyncio.create_task(movers.secure(["silent", "other"]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not other.driven
    assert not securing.done()
    never.set_result(None)
    await securing


class NoWatch:
    """Who watches no door."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        return

    def failed(self, door: str) -> None:
        return

    def state(self, door: str) -> DoorState:
        return DoorState.UNKNOWN
