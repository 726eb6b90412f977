"""Decide, record, then strike: what the backend and repetitions may do, and what a failing disk or
door leaves.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.grant import IN_BROWSER, Access, Grant, read_grant
from hubcore.access.once import OP_SECONDS, OPS_AN_ASKER, OPS_MAX, Asked, Key, OpTable
from hubcore.access.words import Action, Denial, Mode
from hubcore.backend.answers import ORDER_OUTCOMES
from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.door.state import DoorState
from hubcore.errors import StoreError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind, StoredRecord, Value
from hubcore.evidence.timefloor import CONTRADICTED
from hubcore.ports.clock import ClockState
from hubd.doors.judge import ORDER_SECONDS_MAX
from hubd.doors.recall import ORDER_REMEMBERED_SECONDS, with_ages
from hubd.doors.unlock import LATE_SECONDS, RECORD_SECONDS
from hubsim import site
from hubsim.site import OPEN_AND_QUERY
from tests.fakes.clock import NOON
from tests.pair import SITE, DeskHub, make_wallet, settle


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


@pytest.fixture
def grant(hub: DeskHub) -> Grant:
    return read_grant(make_wallet(hub.issuer).grant, hub.issuer.verify_key, SITE)


def proof(
    hub: DeskHub, grant: Grant, op: bytes, point: int = 1, action: Action = Action.OPEN
) -> Claim:
    return Claim.under(
        grant,
        access_point=point,
        action=action,
        op=op,
        strength=Strength.FULL,
        arrived=hub.clock.monotonic(),
    )


def order(
    hub: DeskHub, id_: bytes, seconds: int | None = None, point: int = 1, lasts: float = 30
) -> from_backend.Release:
    return from_backend.Release(id_, point, int(hub.clock.wall() + lasts), seconds, "operator-7")


async def test_an_order_is_obeyed_once_however_many_came_between(hub: DeskHub) -> None:
    """A backend that lost an answer asks again within the order's life; others may have been
    ordered meanwhile.
    """
    orders = [order(hub, bytes([number]) * 16, seconds=1, lasts=55) for number in range(30)]
    for one in orders:
        assert (await hub.unlock.release(one)).outcome is ReleaseOutcome.RELEASED
        hub.clock.advance(1.6)  # so that the strike has its rests
    hub.clock.advance(10.0)  # every pulse is over: a further one would count
    before = hub.strikes
    for one in orders:
        assert (await hub.unlock.release(one)).outcome is ReleaseOutcome.RELEASED
    assert hub.strikes == before
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    for one in orders:  # whether the strike was driven before the restart nobody knows
        assert (await hub.unlock.release(one)).outcome is ReleaseOutcome.FAILED
    assert hub.strikes == before


async def test_an_order_is_obeyed_once_however_full_the_memory_is(hub: DeskHub) -> None:
    """A memory that is full of live orders refuses new ones; it does not forget the first, which
    would strike again.
    """
    first = order(hub, bytes(16))
    assert (await hub.unlock.release(first)).outcome is ReleaseOutcome.RELEASED
    for number in range(1, OPS_MAX):
        assert (
            await hub.unlock.release(order(hub, number.to_bytes(16, "big")))
        ).outcome is ReleaseOutcome.RELEASED
    hub.clock.advance(20.0)
    strikes = hub.strikes
    for number in range(OPS_MAX, OPS_MAX + 20):
        assert (
            await hub.unlock.release(order(hub, number.to_bytes(16, "big")))
        ).outcome is ReleaseOutcome.BUSY
    assert (await hub.unlock.release(first)).outcome is ReleaseOutcome.RELEASED
    assert hub.strikes == strikes


async def test_a_release_is_watched_no_longer_than_it_is_driven(hub: DeskHub) -> None:
    """The driver caps a release; a door that is believed released for longer would hide a forced
    opening.
    """
    await hub.unlock.release(order(hub, bytes(16), seconds=3600))
    hub.clock.advance(9.9)
    assert hub.doors["front"].active
    hub.clock.advance(0.2)
    assert not hub.doors["front"].active
    ((_, _, seconds),) = hub.watch.released_at
    assert seconds <= 10.0


@pytest.mark.parametrize(
    ("point", "lasts", "outcome"),
    [
        (1, -1, ReleaseOutcome.LATE),
        (1, ORDER_SECONDS_MAX + 2, ReleaseOutcome.LATE),
        (9, 30, ReleaseOutcome.REFUSED),
    ],
)
async def test_an_order_late_or_for_another_hub_moves_nothing(
    hub: DeskHub, point: int, lasts: float, outcome: ReleaseOutcome
) -> None:
    assert (await hub.unlock.release(order(hub, bytes(16), None, point, lasts))).outcome is outcome
    assert hub.strikes == 0
    assert [record.kind for record in hub.records()] == [RecordKind.REMOTE]


def test_each_denial_has_its_outcome_for_the_backend() -> None:
    """BUSY asks for another try; LATE, FAILED and REFUSED do not, so none of them may stand in for
    it.
    """
    assert set(ORDER_OUTCOMES) == set(Denial)
    told = {
        outcome: {why for why in Denial if ORDER_OUTCOMES[why] is outcome}
        for outcome in ReleaseOutcome
    }
    assert told[ReleaseOutcome.BUSY] == {Denial.BUSY}
    assert told[ReleaseOutcome.LATE] == {Denial.TOO_LATE}
    assert told[ReleaseOutcome.FAILED] == {Denial.DOOR_FAULT}
    assert told[ReleaseOutcome.RELEASED] == set()


async def test_an_order_that_is_late_at_the_strike_is_late(hub: DeskHub) -> None:
    hub.log.on_taken = lambda _record: hub.clock.advance(31.0)
    result = await hub.unlock.release(order(hub, bytes(16)))
    assert (result.outcome, result.detail) == (ReleaseOutcome.LATE, "too late")
    assert hub.strikes == 0


@pytest.mark.parametrize("mode", [Mode.LOCKDOWN, Mode.NO_ENTRY])
async def test_an_order_against_a_lockdown_moves_nothing(hub: DeskHub, mode: Mode) -> None:
    hub.policy.modes[1] = mode
    assert (await hub.unlock.release(order(hub, bytes(16)))).outcome is ReleaseOutcome.REFUSED
    assert hub.strikes == 0


async def test_an_order_without_a_clock_moves_nothing(hub: DeskHub) -> None:
    hub.clock.trust = ClockState.BEHIND_RECORDS
    assert (await hub.unlock.release(order(hub, bytes(16)))).outcome is ReleaseOutcome.REFUSED
    assert hub.strikes == 0


@pytest.mark.parametrize("strength", Strength)
async def test_a_clock_that_only_the_backend_doubts_serves_a_phone_by_the_full_path_alone(
    hub: DeskHub, grant: Grant, strength: Strength
) -> None:  # judge, law 3
    hub.clock.trust = ClockState.CONTRADICTED
    claim = replace(proof(hub, grant, bytes(8)), strength=strength)
    outcome = await hub.unlock.present(claim, lambda: True)
    full = strength is Strength.FULL
    assert outcome.why is (None if full else Denial.TIME_UNTRUSTED)
    assert hub.strikes == int(full)
    (record,) = hub.records()
    assert record.detail["clock"] == CONTRADICTED == ClockState.CONTRADICTED.value
    released = await hub.unlock.release(order(hub, bytes(16)))
    assert released.outcome is ReleaseOutcome.REFUSED
    assert hub.strikes == int(full)


async def test_an_order_on_a_policy_that_cannot_be_read_is_refused_and_recorded(
    hub: DeskHub,
) -> None:
    hub.policy.failing = StoreError("the policy cannot be read")
    assert (await hub.unlock.release(order(hub, bytes(16)))).outcome is ReleaseOutcome.FAILED
    assert hub.strikes == 0
    assert [(record.kind, record.detail["why"]) for record in hub.records()] == [
        (RecordKind.REMOTE, "door-fault")
    ]


async def test_a_policy_that_cannot_be_read_opens_nothing(hub: DeskHub, grant: Grant) -> None:
    hub.policy.failing = StoreError("the policy cannot be read")
    outcome = await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    assert outcome.why is Denial.DOOR_FAULT
    assert hub.strikes == 0


async def test_a_record_that_never_becomes_durable_moves_nothing(
    hub: DeskHub, grant: Grant
) -> None:
    began = asyncio.get_running_loop().time()
    hub.log.hold()
    outcome = await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    assert outcome.why is Denial.DOOR_FAULT
    assert hub.strikes == 0
    assert asyncio.get_running_loop().time() - began < 2 * RECORD_SECONDS + 1


@pytest.mark.parametrize("gone", ["late", "left"])
async def test_who_waits_too_long_or_leaves_meanwhile_moves_nothing(
    hub: DeskHub, grant: Grant, gone: str
) -> None:
    there = [True]

    def durable(_record: Record) -> None:
        if gone == "late":
            hub.clock.advance(LATE_SECONDS + 0.1)
        else:
            there[0] = False

    hub.log.on_durable = durable
    outcome = await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: there[0])
    assert not outcome.allowed
    assert hub.strikes == 0
    assert [record.kind for record in hub.records()] == [RecordKind.ACCESS, RecordKind.FAULT]


async def test_what_can_wait_waits_until_a_door_is_opened_and_not_for_long(
    hub: DeskHub, grant: Grant
) -> None:
    await hub.unlock.at_rest()
    hub.log.hold()
    claim = proof(hub, grant, bytes(8))
    opening = asyncio.ensure_future(hub.unlock.present(claim, lambda: True))
    waiting = asyncio.ensure_future(hub.unlock.at_rest())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    hub.log.step()
    assert (await opening).allowed
    await waiting
    claim = proof(hub, grant, bytes([1] * 8))
    opening = asyncio.ensure_future(hub.unlock.present(claim, lambda: True))
    await asyncio.sleep(0)
    await hub.unlock.at_rest()
    assert not opening.done(), "a disk that hangs holds up nothing else"
    hub.log.step()
    await opening


async def test_what_was_not_done_is_not_an_answer(hub: DeskHub, grant: Grant) -> None:
    """The link broke just before the strike: the same operation, asked again, is decided again, and
    then moves.
    """
    for moment in ("before the decision", "right before the strike"):
        there = {"the phone"} if moment == "right before the strike" else set[str]()
        hub.log.on_durable = lambda _record, there=there: there.clear()
        first = await hub.unlock.present(
            proof(hub, grant, moment.encode()[-8:]), lambda there=there: bool(there)
        )
        assert first.why is Denial.TOO_LATE
        before = hub.strikes
        assert (
            await hub.unlock.present(proof(hub, grant, moment.encode()[-8:]), lambda: True)
        ).allowed
        assert hub.strikes == before + 1
        hub.clock.advance(10)
        assert (
            await hub.unlock.present(proof(hub, grant, moment.encode()[-8:]), lambda: True)
        ).allowed
        assert hub.strikes == before + 1


async def test_a_retry_that_waits_for_a_try_that_came_to_nothing_stands_for_itself(
    hub: DeskHub, grant: Grant
) -> None:
    hub.log.hold()
    there = [True]
    first = asyncio.create_task(_awaited(hub, proof(hub, grant, bytes(8)), lambda: there[0]))
    await settle()
    retries = [
        asyncio.create_task(_awaited(hub, proof(hub, grant, bytes(8)), lambda: True))
        for _ in range(3)
    ]
    await settle()
    there[0] = False
    hub.log.move_on()
    assert (await first).why is Denial.TOO_LATE
    assert [(await retry).allowed for retry in retries] == [True, True, True]
    assert hub.strikes == 1


async def _awaited(hub: DeskHub, one: Claim, alive: Callable[[], bool]) -> ClaimOutcome:
    return await hub.unlock.present(one, alive)


@pytest.mark.parametrize("moment", ["before the decision", "right before the strike", "unrecorded"])
async def test_after_a_restart_what_was_not_done_may_be_asked_again(
    hub: DeskHub, grant: Grant, moment: str
) -> None:
    there = {"the phone"} if moment == "right before the strike" else set[str]()
    hub.log.on_taken = lambda _record: there.clear()
    if moment == "unrecorded":
        hub.log.failing = StoreError("the disk is full")
    await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: bool(there))
    hub.log.failing = None
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    assert hub.strikes == 1
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    hub.clock.advance(10)
    assert (
        await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    ).why is Denial.DOOR_FAULT
    assert hub.strikes == 1


@pytest.mark.parametrize(
    "said", [{"moved": None}, {"moved": True}, {"why": "door-fault"}, {"why": "of-a-later-one"}]
)
async def test_after_a_restart_what_may_have_moved_is_a_fault(
    hub: DeskHub, grant: Grant, said: dict[str, Value]
) -> None:
    allowed: dict[str, Value] = {
        "asker": grant.credential,
        "op": bytes(8),
        "point": 1,
        "action": 1,
        "why": None,
    }
    fault: dict[str, Value] = {
        "of": bytes(8),
        "of_kind": "access",
        "asker": grant.credential,
        "point": 1,
        "fault": "",
    }
    for kind, detail in (
        (RecordKind.ACCESS, allowed),
        (RecordKind.FAULT, {**fault, "why": "too-late", **said}),
    ):
        await hub.log.append(Record.at(kind, hub.clock.wall(), hub.clock.monotonic(), detail))
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    assert (
        await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    ).why is Denial.DOOR_FAULT
    assert hub.strikes == 0


@pytest.mark.parametrize("set_by_seconds", [130.0, 10**6, -60.0])
async def test_a_clock_that_is_set_ages_no_operation(
    hub: DeskHub, grant: Grant, set_by_seconds: float
) -> None:
    assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    hub.clock.advance(20)
    hub.clock.offset += set_by_seconds
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    assert (
        await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    ).why is Denial.DOOR_FAULT
    assert hub.strikes == 1


# Per record: what comes before it (nothing, the daemon's start, a boot and the start) and how long
# after the last.
moments = st.lists(
    st.tuples(st.sampled_from(["", "start", "boot"]), st.floats(0, 500)), max_size=12
)


@given(moments, st.booleans(), st.floats(0, 500))
def test_no_record_is_taken_for_older_than_it_is(
    before: list[tuple[str, float]], booted: bool, since_seconds: float
) -> None:
    time = boot = 0.0
    stored = list[StoredRecord]()
    made = list[float]()
    for what, seconds in before:
        time += seconds
        boot = time - min(seconds, 20.0) if what == "boot" else boot
        record = Record.at(RecordKind.STARTED if what else RecordKind.DOOR, NOON, time - boot, {})
        stored.append(StoredRecord(len(stored) + 1, record.encode(), bytes(32)))
        made.append(time)
    time += since_seconds
    boot = time - min(since_seconds, 20.0) if booted else boot
    aged = with_ages(stored, time - boot)
    for moment, (_, least_seconds) in zip(made[len(made) - len(aged) :], aged, strict=True):
        assert least_seconds <= time - moment + 0.1
    for moment in made[: len(made) - len(aged)]:
        assert time - moment > ORDER_REMEMBERED_SECONDS - 0.1
    if not booted and all(what != "boot" for what, _ in before):  # then the ages are known
        assert all(
            abs(time - moment - least) < 0.1
            for moment, (_, least) in zip(made[::-1], aged[::-1], strict=False)
        )


async def test_who_is_revoked_hears_no_repeated_yes(hub: DeskHub, grant: Grant) -> None:
    """Told like any revoked phone, recorded, and the operation still never moves a door again."""
    assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    hub.clock.advance(10)
    hub.policy.credentials.add(grant.credential)
    again = await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    assert (again.why, again.door) == (Denial.CREDENTIAL_REVOKED, DoorState.UNKNOWN)
    assert [record.detail["why"] for record in hub.records()] == [None, "credential-revoked"]
    hub.policy.credentials.clear()
    assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))
    assert (
        await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    ).why is Denial.DOOR_FAULT
    assert hub.strikes == 1


async def test_a_ticket_hears_again_what_the_full_path_was_told(hub: DeskHub) -> None:
    """NEED_FULL would make the phone ask with a new operation, which would move the door again for
    one wish.
    """
    wallet = make_wallet(hub.issuer, access=(Access(2, OPEN_AND_QUERY, ()),))
    one = proof(hub, read_grant(wallet.grant, hub.issuer.verify_key, SITE), bytes(8), point=2)
    assert (await hub.unlock.present(one, lambda: True)).allowed
    assert (await hub.unlock.present(replace(one, strength=Strength.SHORT), lambda: True)).allowed
    assert hub.strikes == 1


@pytest.mark.parametrize(("mark", "said"), [(0, None), (IN_BROWSER, True)])
async def test_a_key_in_a_browser_opens_as_any_other_and_stands_in_the_record(
    hub: DeskHub, mark: int, said: bool | None
) -> None:
    wallet = make_wallet(hub.issuer, access=(Access(1, OPEN_AND_QUERY | mark, ()),))
    grant = read_grant(wallet.grant, hub.issuer.verify_key, SITE)
    assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    assert hub.strikes == 1
    (record,) = [one for one in hub.records() if one.kind is RecordKind.ACCESS]
    assert record.detail.get(Fact.BROWSER) is said


NIGHT = Rule(0b1111111, 0, 300)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("revoked", Denial.CREDENTIAL_REVOKED),
        ("lockdown", Denial.LOCKDOWN),
        ("schedule", Denial.OUT_OF_SCHEDULE),
        ("clock", Denial.TIME_UNTRUSTED),
        ("unreadable", Denial.DOOR_FAULT),
    ],
)
async def test_what_comes_into_force_while_the_record_is_written_holds(
    hub: DeskHub, what: str, why: Denial
) -> None:
    hub.policy.schedules[7] = Schedule((Rule(0b1111111, 0, 1440),))
    wallet = make_wallet(hub.issuer, access=(Access(1, OPEN_AND_QUERY, (7,)),))
    grant = read_grant(wallet.grant, hub.issuer.verify_key, SITE)

    def meanwhile(_record: Record) -> None:
        match what:
            case "revoked":
                hub.policy.credentials.add(grant.credential)
            case "lockdown":
                hub.policy.modes[1] = Mode.LOCKDOWN
            case "schedule":
                hub.policy.schedules[7] = Schedule((NIGHT,))
            case "clock":
                hub.clock.trust = ClockState.BEHIND_RECORDS
            case "unreadable":
                hub.policy.failing = StoreError("the policy cannot be read")

    hub.log.on_taken = meanwhile
    outcome = await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)
    assert outcome.why is why
    assert hub.strikes == 0
    assert [record.kind for record in hub.records()] == [RecordKind.ACCESS, RecordKind.FAULT]


async def test_a_door_that_fails_is_recorded_and_the_answer_stays(
    hub: DeskHub, grant: Grant
) -> None:
    hub.doors["front"].faults.broken = "the strike's wire is cut"
    one = proof(hub, grant, b"12345678")
    assert (await hub.unlock.present(one, lambda: True)).why is Denial.DOOR_FAULT
    hub.doors["front"].faults.broken = ""
    assert (await hub.unlock.present(one, lambda: True)).why is Denial.DOOR_FAULT
    assert hub.strikes == 0
    assert hub.records()[-1].detail["fault"] == "the strike's wire is cut"


async def test_a_cancelled_unlock_answers_who_waits_for_the_same(
    hub: DeskHub, grant: Grant
) -> None:
    hub.log.hold()
    one = proof(hub, grant, bytes(8))
    first = asyncio.create_task(hub.unlock.present(one, lambda: True))
    await settle()
    second = asyncio.create_task(hub.unlock.present(one, lambda: True))
    await settle()
    first.cancel()
    async with asyncio.timeout(2):
        assert not (await second).allowed
    hub.log.move_on()
    await settle()
    assert hub.strikes == 0


async def test_no_order_of_fields_lets_two_credentials_share_an_operation(hub: DeskHub) -> None:
    for credential in ("a", "a/", "b", "remote", "access/a"):
        grant = read_grant(make_wallet(hub.issuer, credential).grant, hub.issuer.verify_key, SITE)
        hub.clock.advance(20)
        assert (await hub.unlock.present(proof(hub, grant, bytes(8)), lambda: True)).allowed
    assert hub.strikes == 5


@pytest.mark.parametrize(
    "body",
    [
        {"asker": "c0ffee00c0ffee00", "op": bytes(8), "point": 1, "action": 99, "why": None},
        {
            "asker": "c0ffee00c0ffee00",
            "op": bytes(8),
            "point": 1,
            "action": 1,
            "why": "of-a-later-version",
        },
        {"asker": "c0ffee00c0ffee00", "op": bytes(8), "point": 1, "action": 1, "why": 7},
        {
            "of": bytes(8),
            "of_kind": "of-a-later-version",
            "asker": "x",
            "point": 1,
            "why": None,
            "fault": "",
        },
    ],
)
async def test_records_of_a_later_version_do_not_stop_a_start(
    hub: DeskHub, body: dict[str, object]
) -> None:
    await hub.log.append(Record(RecordKind.ACCESS, int(hub.clock.wall() * 1000), 0, body))  # type: ignore[arg-type]
    hub.start_unlock().remember(hub.log.newest(hub.log.last() + 1, 10_000))


def fill(
    table: OpTable[str],
    asker: str,
    count: int,
    now: float,
    answered: bool = True,
    moved: bool = False,
) -> list[Asked]:
    results = []
    for number in range(count):
        key = (asker, number.to_bytes(8, "big"))
        results.append(table.ask(key, (1, 1), now))
        if answered and results[-1] is Asked.NEW:
            table.answered(key, "yes", moved)
    return results


def steps(work: Callable[[], object]) -> int:
    """Return how many bytecodes of `hubcore.access.once` the work takes, its loops and
    comprehensions included.
    """
    taken = 0

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal taken
        if not frame.f_code.co_filename.endswith("hubcore/access/once.py"):
            return None
        frame.f_trace_opcodes = True
        taken += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return taken


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("askers", [1, OPS_MAX // OPS_AN_ASKER])
def test_an_ask_takes_no_more_steps_however_full_the_memory_is(askers: int, moved: bool) -> None:
    def steps_of_20(fill_to: int) -> int:
        table: OpTable[str] = OpTable(OPS_MAX // askers)
        for asker in range(askers):
            fill(table, str(asker), fill_to // askers, 0.0, moved=moved)
        assert len(table._ops) == fill_to

        def ask() -> None:
            for number in range(20):
                key = str(number % askers), b"one more" + number.to_bytes(2, "big")
                if table.ask(key, (1, 1), 1.0) is Asked.NEW:
                    table.answered(key, "yes", moved=False)

        return steps(ask)

    assert steps_of_20(OPS_MAX) <= 2 * steps_of_20(OPS_MAX // 16)


def test_what_has_made_room_is_not_kept() -> None:
    """The queue of ends is bounded too, whatever is asked in vain within OP_SECONDS; and is gone
    through seldom.
    """
    table: OpTable[str] = OpTable()
    for asker in range(4):
        fill(table, str(asker), 20 * OPS_AN_ASKER, 0.0)
        assert len(table._ends) <= 2 * OPS_AN_ASKER * (asker + 1)
    taken = steps(lambda: fill(table, "0", 10_000, 1.0))
    assert taken <= 10_000 * 1000
    assert table.ask(("0", b"one more"), (1, 1), 1 + OP_SECONDS + 0.1) is Asked.NEW
    assert (len(table._ops), len(table._askers), len(table._removable), len(table._ends)) == (
        1,
        1,
        0,
        0,
    )


class Plain:
    """The laws of `OpTable` by looking through everything, each time: an oracle for small
    tables.
    """

    def __init__(self, an_asker: int) -> None:
        self.an_asker = an_asker
        self.ops: dict[
            Key, list[Any]
        ] = {}  # content, at, answer, stays; in the order of their answers

    def ask(self, key: Key, content: tuple[int, int], now: float) -> Asked:
        over = [
            k
            for k, (_, at, answer, _) in self.ops.items()
            if answer is not None and now - at > OP_SECONDS
        ]
        for one in over:
            del self.ops[one]
        if key in self.ops:
            return Asked.SAME if self.ops[key][0] == content else Asked.CONFLICT
        own = [one for one in self.ops if one[0] == key[0]]
        yielding = [one for one in own if not self.ops[one][3]]
        if len(own) >= self.an_asker:
            if not yielding:
                return Asked.FULL
            del self.ops[yielding[0]]
        self.ops[key] = [content, now, None, True]
        return Asked.NEW

    def answered(self, key: Key, answer: str, moved: bool) -> None:
        content, at, _, _ = self.ops.pop(key)
        self.ops[key] = [content, at, answer, moved]


ASKS = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 5),
    st.integers(1, 2),
    st.sampled_from([0.0, 0.0, 1.0, 61.0, 121.0]),
)
ENDS = st.sampled_from(["moved", "denied", "nothing", "at work"])


@given(st.lists(st.tuples(ASKS, ENDS, st.integers(0, 3)), max_size=60))
def test_a_table_in_any_order_of_asks_and_answers_keeps_its_laws(
    asked: list[tuple[tuple[str, int, int, float], str, int]],
) -> None:
    table: OpTable[str] = OpTable(3)
    plain = Plain(3)
    now = 0.0
    at_work: list[Key] = []
    for (asker, op, point, pause), end, which in asked:
        now += pause
        key = asker, bytes([op])
        said = table.ask(key, (point, 1), now)
        assert said is plain.ask(key, (point, 1), now)
        if said is Asked.NEW:
            at_work.append(key)
        if at_work and end != "at work":
            done = at_work.pop(which % len(at_work))
            if end == "nothing":
                table.forget(done)
                del plain.ops[done]
            else:
                table.answered(done, end, end == "moved")
                plain.answered(done, end, end == "moved")
        assert {one: (found.content, found.answer) for one, found in table._ops.items()} == {
            one: (content, answer) for one, (content, _, answer, _) in plain.ops.items()
        }
        assert {one: found.count for one, found in table._askers.items()} == Counter(
            one[0] for one in plain.ops
        )


def test_operations_have_their_ceilings() -> None:
    table: OpTable[str] = OpTable()
    assert set(fill(table, "a", OPS_AN_ASKER, 0.0, answered=False)) == {Asked.NEW}
    assert table.ask(("a", b"one more"), (1, 1), 0.0) is Asked.FULL
    for asker in range(OPS_MAX):
        fill(table, str(asker), 1, 1.0)
    assert len(table._ops) <= OPS_MAX
    # what is at work is never forgotten
    assert table.ask(("a", bytes(8)), (1, 1), 1.0) is Asked.SAME
    assert table.ask(("a", bytes(8)), (1, 2), 1.0) is Asked.CONFLICT


@pytest.mark.parametrize(("an_asker", "askers"), [(OPS_AN_ASKER, 1), (OPS_MAX, 1), (1, OPS_MAX)])
def test_what_has_moved_a_door_is_remembered_as_long_as_was_promised(
    an_asker: int, askers: int
) -> None:
    """A memory that is full of what has moved doors refuses what is new; it does not forget the
    oldest.
    """
    table: OpTable[str] = OpTable(an_asker)
    for asker in range(askers):
        fill(table, str(asker), min(an_asker, OPS_MAX // askers), 0.0, moved=True)
    assert table.ask(("0", b"one more"), (1, 1), 1.0) is Asked.FULL
    assert table.ask(("0", bytes(8)), (1, 1), OP_SECONDS) is Asked.SAME
    assert table.ask(("0", b"one more"), (1, 1), OP_SECONDS + 0.1) is Asked.NEW


def test_what_moved_nothing_makes_room() -> None:
    table: OpTable[str] = OpTable()
    fill(table, "a", 1, 0.0, moved=True)
    fill(table, "a", OPS_AN_ASKER - 1, 0.0)
    assert set(fill(table, "a", 3 * OPS_AN_ASKER, 1.0)[OPS_AN_ASKER:]) == {Asked.NEW}
    assert table.ask(("a", bytes(8)), (1, 1), 2.0) is Asked.SAME


def test_what_was_not_done_is_asked_for_the_first_time_again() -> None:
    table: OpTable[str] = OpTable()
    fill(table, "a", 1, 0.0, answered=False)
    table.forget(("a", bytes(8)))
    assert table.ask(("a", bytes(8)), (2, 4), 0.0) is Asked.NEW


def test_a_restart_remembers_what_moved_before_what_did_not() -> None:
    table: OpTable[str] = OpTable()
    table.remember(("a", bytes(8)), (1, 1), 0.0, "fault", moved=True)
    table.remember(("a", bytes(8)), (1, 1), 1.0, "denied", moved=False)
    for number in range(2 * OPS_MAX):
        table.remember((str(number), bytes(8)), (1, 1), 2.0, "denied", moved=False)
    assert table.answer(("a", bytes(8))) == "fault"
    assert len(table._ops) <= OPS_MAX


def test_operations_end() -> None:
    table: OpTable[str] = OpTable()
    fill(table, "a", 1, 0.0)
    assert table.ask(("a", bytes(8)), (1, 1), OP_SECONDS) is Asked.SAME
    assert table.ask(("a", bytes(8)), (1, 1), OP_SECONDS + 0.1) is Asked.NEW


async def test_an_unknown_access_point_is_a_denial(hub: DeskHub, grant: Grant) -> None:
    for point in (0, 3, 2**32 - 1):
        outcome = await hub.unlock.present(proof(hub, grant, os.urandom(8), point), lambda: True)
        assert outcome.why is Denial.NO_GRANT
