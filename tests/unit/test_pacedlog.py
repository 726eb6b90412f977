"""Evidence at no peer's pace: each release has its record; what moves nothing is paced, summed, and
not lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Grant, read_grant
from hubcore.access.once import TRIERS_MAX, TRIES, Tries
from hubcore.access.words import Action, Denial, Mode
from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.errors import AuditError, ProofError, SequenceError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.phone.messages import Reason
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.timing.pace import Bucket, Paces, Rate
from hubd.evidence.paced import EACH, WHOLE, PacedLog
from hubd.evidence.refusals import SEVERAL, SUMS_MAX, Refusals, SumKey
from hubd.recording import record_now
from hubsim import site
from tests.fakes.mover import FakeMover
from tests.pair import SITE, DeskHub, Phone, make_wallet

RATES = st.builds(Rate, st.integers(1, 20).map(float), st.sampled_from([0.1, 0.5, 1.0, 7.0]))
COMING = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30)), max_size=200)


class Paced:
    """A hub whose decisions go through a paced log, with the clock in the test's hand."""

    def __init__(self) -> None:
        self.hub = DeskHub(site.make_key())
        self.room = True
        self.refusals = Refusals(
            self.hub.log, self.hub.clock, lambda _event, _facts: None, lambda: self.room
        )
        self.log = PacedLog(self.hub.log, self.refusals, self.hub.clock, lambda: self.room)
        self.hub.start_unlock(log=self.log)
        self._orders = 0

    async def order(self, point: int = 1) -> ReleaseOutcome:
        self._orders += 1
        clock = self.hub.clock
        id_ = self._orders.to_bytes(16, "big")
        by = f"operator-{self._orders}"
        self.hub.policy.operators[by] = Operator(OperatorRight.RELEASE)
        release = from_backend.Release(id_, point, int(clock.wall() + 30), None, by)
        return (await self.hub.unlock.release(release)).outcome

    def counted(self, kind: RecordKind) -> int:
        """How many decisions of this kind the records tell of, alone or in sums."""
        alone = sum(record.kind is kind for record in self.hub.records())
        sums = [r.detail for r in self.hub.records() if r.detail.get("summed") == str(kind)]
        return alone + sum(s["count"] for s in sums if isinstance(s["count"], int))


@given(RATES, RATES, st.integers(1, 8), COMING)
def test_no_order_of_sources_takes_more_than_the_rates_give(
    each: Rate, whole: Rate, sources: int, coming: list[tuple[int, float]]
) -> None:
    paces = Paces(each=each, whole=whole, sources_max=sources)
    times = list(accumulate(pause for _, pause in coming))
    taken = [
        (at, source)
        for (source, _), at in zip(coming, times, strict=True)
        if paces.take(source, at)
    ]
    for first, (began, _) in enumerate(taken):
        for last, (at, _) in enumerate(taken[first:], first):
            assert last - first + 1 <= whole.burst + whole.per_second * (at - began) + 1e-6
    assert len(paces) <= sources
    if sources > 5:  # then no source is forgotten
        for source, count in Counter(source for _, source in taken).items():
            own = [at for at, other in taken if other == source]
            assert count <= each.burst + each.per_second * (own[-1] - own[0]) + 1e-6


def test_a_clock_that_steps_back_gives_no_token() -> None:
    bucket = Bucket(Rate(1, 1.0))
    assert [bucket.take(at) for at in (10.0, 9.0, 9.5, 11.5)] == [True, False, False, True]


def test_a_token_that_is_given_back_is_one_and_never_more_than_the_burst() -> None:
    paces = Paces(each=Rate(1, 0), whole=Rate(2, 0), sources_max=2)
    assert [paces.take("a", 0.0) for _ in range(2)] == [True, False]
    paces.give_back("a")
    paces.give_back("a")
    paces.give_back("nobody")
    assert [paces.take("a", 0.0) for _ in range(2)] == [True, False]
    assert [paces.take("b", 0.0), paces.take("c", 0.0)] == [True, False]


async def test_refused_orders_are_written_at_the_hubs_pace_and_none_is_lost() -> None:
    """The backend orders 9,000 releases of a locked door in a minute, each in another operator's
    name.
    """
    paced = Paced()
    paced.hub.policy.modes[1] = Mode.LOCKDOWN
    for _ in range(60):
        for _ in range(150):
            assert await paced.order() is ReleaseOutcome.REFUSED
        paced.hub.clock.advance(1.0)
    await paced.refusals.write()
    assert len(paced.hub.records()) <= EACH.burst + 60 * EACH.per_second + SUMS_MAX + 1
    assert paced.counted(RecordKind.REMOTE) == 60 * 150
    said = [record.detail for record in paced.hub.records() if record.kind is RecordKind.REFUSED]
    assert {(s["source"], s["why"]) for s in said} <= {("backend", "lockdown"), ("backend", "busy")}
    (lockdown,) = [s for s in said if s["why"] == "lockdown"]
    began = paced.hub.clock.wall() - 60
    assert isinstance(lockdown["first"], int)
    assert isinstance(lockdown["last"], int)
    assert began * 1000 <= lockdown["first"] <= lockdown["last"] <= paced.hub.clock.wall() * 1000


async def test_a_phone_without_the_right_writes_at_the_hub_s_pace() -> None:
    paced = Paced()
    wallet = make_wallet(paced.hub.issuer, days=(-30, -1))
    for _ in range(40):
        visit = await Phone(paced.hub, wallet).visit()
        assert visit.verdict is not None
        assert visit.verdict.reason is Reason.GRANT_TIME
        paced.hub.clock.advance(16.0)
    await paced.refusals.write()
    alone = [record for record in paced.hub.records() if record.kind is RecordKind.ACCESS]
    assert len(alone) <= EACH.burst + 40 * 16 * EACH.per_second
    assert paced.counted(RecordKind.ACCESS) == 40
    (summed,) = [r.detail for r in paced.hub.records() if r.kind is RecordKind.REFUSED]
    assert (summed["source"], summed["why"]) == ("c0ffee00c0ffee00", "credential-expired")


async def test_queries_are_answered_and_summed() -> None:
    paced = Paced()
    wallet = make_wallet(paced.hub.issuer)
    for _ in range(40):
        visit = await Phone(paced.hub, wallet).visit(action=Action.QUERY)
        assert visit.verdict is not None
        assert visit.verdict.reason is Reason.OK
        paced.hub.clock.advance(9.0)
    await paced.refusals.write()
    assert len(paced.hub.records()) <= EACH.burst + 40 * 9 * EACH.per_second + 1
    assert paced.counted(RecordKind.ACCESS) == 40


async def test_each_release_has_a_record_of_its_own_whatever_was_paced_before() -> None:
    paced = Paced()
    paced.hub.policy.modes[1] = Mode.LOCKDOWN
    for _ in range(300):
        await paced.order()
    paced.hub.policy.modes.clear()
    before = len(paced.hub.records())
    for number in range(20):
        assert await paced.order() is ReleaseOutcome.RELEASED
        assert len(paced.hub.records()) == before + number + 1


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("known", [False, True])
async def test_orders_for_a_strike_at_rest_are_written_at_the_hub_s_pace(
    known: bool, together: bool
) -> None:
    paced = Paced()
    resting = FakeMover(rests=10_000, rest_seconds=30.0, rest_known=known)
    paced.hub.doors["front"] = resting  # type: ignore[assignment]
    if together:
        outcomes = set(await asyncio.gather(*(paced.order() for _ in range(3000))))
    else:
        outcomes = {await paced.order() for _ in range(3000)}
    assert outcomes == {ReleaseOutcome.BUSY}
    await paced.refusals.write()
    in_vain = 0 if known else TRIES.burst
    assert len(paced.hub.records()) <= 2 * in_vain + EACH.burst + 1
    assert paced.counted(RecordKind.REMOTE) == 3000


async def leaves(paced: Paced, grant: Grant, op: bytes) -> Denial | None:
    """Ask like a phone that is there for the decision and gone before the strike."""
    here = [True, False]
    return await asks(paced, grant, op, lambda: here.pop(0) if here else False)


async def asks(
    paced: Paced, grant: Grant, op: bytes, alive: Callable[[], bool] = lambda: True
) -> Denial | None:
    claim = Claim.under(
        grant,
        access_point=1,
        action=Action.OPEN,
        op=op,
        strength=Strength.FULL,
        arrived=paced.hub.clock.monotonic(),
    )
    return (await paced.hub.unlock.present(claim, alive)).why


async def test_a_phone_that_leaves_before_each_strike_writes_at_the_hub_s_pace() -> None:
    paced = Paced()
    anna, ben = (
        read_grant(make_wallet(paced.hub.issuer, name).grant, paced.hub.issuer.verify_key, SITE)
        for name in ("anna", "ben")
    )
    for number in range(3000):
        assert await leaves(paced, anna, number.to_bytes(8, "big")) in (
            Denial.TOO_LATE,
            Denial.BUSY,
        )
        paced.hub.clock.advance(0.1)
    await paced.refusals.write()
    spent_seconds = 3000 * 0.1
    in_vain = TRIES.burst + spent_seconds * TRIES.per_second
    assert (
        len(paced.hub.records()) <= 2 * in_vain + EACH.burst + spent_seconds * EACH.per_second + 1
    )
    assert paced.counted(RecordKind.ACCESS) == 3000
    assert paced.hub.strikes == 0
    assert await asks(paced, ben, bytes(8)) is None  # another is none the worse for it
    paced.hub.clock.advance(1 / TRIES.per_second)
    for number in range(3):  # and who moves the door may go on
        assert await asks(paced, anna, b"later" + number.to_bytes(3, "big")) is None


@pytest.mark.parametrize("same", [True, False])
async def test_a_few_tries_in_vain_in_a_row_cost_an_honest_phone_nothing(same: bool) -> None:
    """As many as TRIES.burst at once, less the one that opens; it comes through whether it asks
    with the same op.
    """
    paced = Paced()
    wallet = make_wallet(paced.hub.issuer)
    grant = read_grant(wallet.grant, paced.hub.issuer.verify_key, SITE)
    for number in range(int(TRIES.burst) - 1):
        await leaves(paced, grant, bytes(8) if same else number.to_bytes(8, "big"))
    assert await asks(paced, grant, bytes(8)) is None
    assert paced.hub.strikes == 1


TRIED = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 60)), max_size=120)


@given(RATES, TRIED)
def test_no_order_of_tries_is_in_vain_more_often_than_the_rate_gives(
    rate: Rate, tried: list[tuple[int, bool, float]]
) -> None:
    """Each asker begins tries, and each of them moves a door at some time, or never does."""
    tries = Tries(rate)
    under_way: Counter[int] = Counter()
    began: dict[int, list[float]] = {}
    now = 0.0
    for asker, moves, pause in tried:
        now += pause
        if moves and under_way[asker]:
            under_way[asker] -= 1
            tries.moved(str(asker))
            began[asker].pop()
        elif tries.begin(str(asker), now):
            under_way[asker] += 1
            began.setdefault(asker, []).append(now)
        else:
            assert under_way[asker] > rate.burst - 1, "refused, and it was not in vain"
        for since in (0.0, *began.get(asker, [])[:1]):
            count = sum(at >= since for at in began.get(asker, []))
            assert count <= rate.burst + rate.per_second * (now - since) + 1e-6


def test_tries_are_bounded_in_memory() -> None:
    tries = Tries()
    for number in range(3 * TRIERS_MAX):
        assert tries.begin(str(number), 0.0)
    assert len(tries) == TRIERS_MAX


async def test_all_sources_together_have_a_pace() -> None:
    paced = Paced()
    for number in range(2000):
        detail = {"asker": f"c{number}", "op": bytes(8), "point": 1, "action": 1, "why": "no-grant"}
        await paced.log.append(Record(RecordKind.ACCESS, 0, 0, detail))  # type: ignore[arg-type]
    assert len(paced.hub.records()) == WHOLE.burst
    await paced.refusals.write()
    assert len(paced.hub.records()) == WHOLE.burst + SUMS_MAX + 1
    assert paced.counted(RecordKind.ACCESS) == 2000
    assert SEVERAL in {record.detail.get("source") for record in paced.hub.records()}


async def test_without_room_releases_are_written_and_the_rest_is_kept_until_there_is() -> None:
    paced = Paced()
    paced.room = False
    assert await paced.order(point=9) is ReleaseOutcome.REFUSED
    paced.refusals.count(ProofError("no"))
    await paced.refusals.write()
    assert paced.hub.records() == []
    try:
        paced.log.append(Record(RecordKind.DOOR, 0, 0, {"door": "front", "what": "forced"}))
        raise AssertionError("a door event took the rest of the disk")
    except AuditError:
        pass
    assert await paced.order() is ReleaseOutcome.RELEASED
    assert [record.kind for record in paced.hub.records()] == [RecordKind.REMOTE]
    paced.room = True
    await paced.refusals.write()
    assert paced.counted(RecordKind.REMOTE) == 2
    assert [r.detail.get("ProofError") for r in paced.hub.records()] == [None, 1, None]


async def test_sums_that_a_stop_interrupts_are_written_then() -> None:  # refusals, law 3
    paced = Paced()
    paced.refusals.add(SumKey(RecordKind.ACCESS, "c1", "no-grant"))
    paced.refusals.add(SumKey(RecordKind.ACCESS, "c2", "no-grant"))
    paced.hub.log.hold()
    writing = asyncio.create_task(paced.refusals.write())
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    paced.hub.log.move_on()
    await paced.refusals.write()
    assert {record.detail["source"] for record in paced.hub.records()} == {"c1", "c2"}


async def test_sums_that_the_disk_refuses_are_written_later_with_their_times() -> None:
    paced = Paced()
    clock = paced.hub.clock
    key = SumKey(RecordKind.ACCESS, "c1", "no-grant")
    began = int(clock.wall() * 1000)
    paced.refusals.add(key)
    paced.refusals.count(SequenceError("no"))
    paced.hub.log.failing = AuditError("no room")
    clock.advance(5.0)
    await paced.refusals.write()
    assert paced.hub.records() == []
    paced.hub.log.failing = None
    paced.refusals.add(key)
    paced.refusals.count(SequenceError("no"))
    await paced.refusals.write()
    strangers, known = (record.detail for record in paced.hub.records())
    assert strangers == {"SequenceError": 2, "first": began, "last": began + 5000}
    assert known == {
        "summed": "access",
        "source": "c1",
        "why": "no-grant",
        "count": 2,
        "first": began,
        "last": began + 5000,
    }


async def test_a_fault_of_a_device_waits_for_room_and_a_fault_of_a_release_does_not() -> None:
    paced = Paced()  # paced, law 3
    clock = paced.hub.clock
    of_device = {Fact.DEVICE: "light", Fact.FAULT: "dead", Fact.STANDS: True}
    of_release = {Fact.OP: b"12345678", Fact.MOVED: False}
    paced.room = False
    with pytest.raises(AuditError, match="nearly full"):
        await paced.log.append(record_now(clock, RecordKind.FAULT, of_device))
    assert await paced.log.append(record_now(clock, RecordKind.FAULT, of_release))
    paced.room = True
    assert await paced.log.append(record_now(clock, RecordKind.FAULT, of_device))
