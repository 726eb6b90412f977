"""The talk with the backend, against a link in memory and a clock that stands until it is moved."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from hubcore.access.precedence import DoorOrder
from hubcore.backend.outbox import HELD_MAX, Outbox
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import UplinkPhase
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate, SiteDocument
from hubcore.backend.uplink.from_hub import Evidence, Hello, OrderResult, Ping, PolicyResult, Result
from hubcore.backend.uplink.words import Cause, OrderOutcome, ReleaseOutcome
from hubcore.device.command import Verb
from hubcore.device.state import DeviceState, Position, Quantity, Reading
from hubcore.device.telemetry import TelemetryTable
from hubcore.errors import ConfigError, HardwareError, SignatureError, StoreError
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord
from hubd.backend.identity import Identity
from hubd.backend.oldest import LOOK_SECONDS
from hubd.backend.orders import Orders
from hubd.backend.sender import SENT_AT_ONCE, TAKEN_BACK_AT_ONCE, RecordSender
from hubd.backend.sync import Sync
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.uplink import FakeUplink
from tests.vectors.cases_wire import SIDES, bytes_of

pytestmark = pytest.mark.asyncio

RELEASE = from_backend.Release(bytes(16), 1, 2_000_000_000, None, "operator")


class Site:
    """One hub's sync with everything around it."""

    def __init__(self, log: FakeAudit | None = None, **pace: float) -> None:
        self.link = FakeUplink()
        self.log = log or FakeAudit()
        self.clock = FakeClock()
        self.orders: asyncio.Queue[from_backend.Release] = asyncio.Queue()
        self.results: asyncio.Queue[Result | Exception] = asyncio.Queue()
        self.policies: list[bytes] = []
        self.looked_at: list[float] = []
        """When each policy was looked at, in seconds."""
        self.policy_gate = asyncio.Event()
        self.policy_gate.set()
        self.version = 3
        self.orders_for_doors: list[from_backend.Order] = []
        self.stand_gate = asyncio.Event()
        self.stand_gate.set()
        self.begun: asyncio.Queue[from_backend.Release | from_backend.Act] = asyncio.Queue()
        self.act_results: asyncio.Queue[from_hub.ActResult] = asyncio.Queue()
        self.telemetry = TelemetryTable()
        orders = Orders(
            release=self.release,
            accept_policy=self.accept,
            policy_version=lambda: self.version,
            policy_digest=lambda: bytes(32),
            stand=self.stand,
            act=self.act,
        )
        identity = Identity("hub-1", "site-1", bytes(16), "0.1.0")
        self.appended = asyncio.Event()
        self.doors_rest = asyncio.Event()
        self.doors_rest.set()
        self.sent_when_doors_rested: list[int] = []
        self.sync = Sync(
            uplink=self.link,
            records=self.log,
            orders=orders,
            identity=identity,
            clock=self.clock,
            pace=Pace(**pace),  # type: ignore[arg-type]
            appended=self.appended,
            telemetry=self.telemetry,
            doors_at_rest=self.at_rest,
        )

    async def at_rest(self) -> None:
        self.sent_when_doors_rested.append(self.sync.state.counters.get("sent", 0))
        await self.doors_rest.wait()

    async def act(self, order: from_backend.Act) -> from_hub.ActResult:
        self.begun.put_nowait(order)
        return await self.act_results.get()

    async def release(self, order: from_backend.Release) -> Result:
        self.orders.put_nowait(order)
        self.begun.put_nowait(order)
        result = await self.results.get()
        if isinstance(result, Exception):
            raise result
        return result

    async def accept(self, document: bytes, _carrier: object) -> int:
        await self.policy_gate.wait()
        self.policies.append(document)
        self.looked_at.append(time.monotonic())
        if document == b"too much":
            raise MemoryError
        if document == b"forged":
            raise SignatureError("the signature is not the issuer's")
        self.version += 1
        return self.version

    async def stand(self, order: from_backend.Order) -> from_hub.OrderResult:
        self.orders_for_doors.append(order)
        await self.stand_gate.wait()
        if order.by == "out of order":
            raise StoreError("the disk is away")
        return from_hub.OrderResult(order.id, OrderOutcome.TAKEN, "")

    def hear(self, message: from_backend.BackendMessage) -> None:
        self.link.say(codec.encode(message))

    async def next(self) -> from_hub.HubMessage:
        """Wait for what the hub says next."""
        return codec.decode_from_hub(await self.link.next())

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.appended.set()

    async def up(self) -> Hello:
        self.link.connect()
        hello = await self.next()
        assert isinstance(hello, Hello)
        self.welcome(int(self.clock.wall() * 1000))
        return hello

    def welcome(self, time_ms: int = 1, durable: int | None = None) -> None:
        """Say Welcome, and that the backend has all that it acknowledged, or so much."""
        number = self.log.newest_acknowledged() if durable is None else durable
        found = self.log.newest(number + 1, 1) if number else []
        digest = found[0].hash if found else bytes(32)
        self.hear(from_backend.Welcome(time_ms, number, digest))

    async def order(self) -> from_backend.Release:
        async with asyncio.timeout(2):
            return await self.orders.get()

    async def numbers(self, count: int) -> list[int]:
        records = [await self.next() for _ in range(count)]
        assert all(isinstance(record, Evidence) for record in records)
        return [record.number for record in records if isinstance(record, Evidence)]

    async def append(self) -> None:
        """Append a record at this moment."""
        await self.log.append(
            Record.at(RecordKind.DOOR, self.clock.wall(), self.clock.monotonic(), {})
        )
        self.appended.set()

    async def settle(self) -> None:
        """Let every task run until it waits again."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Let every task run until it waits again; then nothing more may have been said."""
        for _ in range(50):
            await asyncio.sleep(0)
        assert self.link.said.empty()


@contextlib.asynccontextmanager
async def site(log: FakeAudit | None = None, **pace: float) -> AsyncIterator[Site]:
    here = Site(log, **pace)
    running = asyncio.create_task(here.sync.run())
    await here.link.served()
    try:
        yield here
        assert not running.done()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_hello_first_and_records_only_after_welcome():
    async with site() as here:
        await here.log.fill(2)
        here.link.connect()
        assert await here.next() == Hello(
            2, "hub-1", "site-1", bytes(16), "0.1.0", 3, bytes(32), 2, here.log.head().hash, 2
        )
        await here.quiet()
        here.welcome(5)
        assert await here.numbers(2) == [1, 2]
        assert here.sync.state.phase is UplinkPhase.SPEAKING
        assert here.sync.state.why == ""


async def test_a_record_is_kept_until_its_own_number_is_acknowledged():
    async with site() as here:
        await here.log.fill(3)
        await here.up()
        await here.numbers(3)
        here.hear(from_backend.Acknowledge((1, 3)))
        await here.quiet()
        assert here.log.acknowledged == {1, 3}
        assert here.sync.state.waiting == 1
        here.link.cut("cable")
        await here.up()
        assert await here.numbers(1) == [2]


async def test_a_new_record_goes_at_once():
    async with site() as here:
        await here.up()
        await here.quiet()
        await here.log.fill(1)
        here.appended.set()
        assert await here.numbers(1) == [1]


async def test_the_window_bounds_what_is_unanswered():
    async with site(window=4) as here:
        await here.log.fill(10)
        await here.up()
        assert await here.numbers(4) == [1, 2, 3, 4]
        await here.quiet()
        here.hear(from_backend.Acknowledge((1, 2)))
        assert await here.numbers(2) == [5, 6]
        await here.quiet()


async def test_without_acknowledgement_one_record_comes_again_ever_more_slowly():
    async with site(window=4, acknowledge_seconds=10, silent_seconds=1e6, ping_seconds=1e6) as here:
        await here.log.fill(6)
        await here.up()
        await here.numbers(4)
        here.later(9.9)
        await here.quiet()
        here.later(0.2)
        assert await here.numbers(1) == [1]
        here.later(19.9)
        await here.quiet()
        here.later(0.2)
        assert await here.numbers(1) == [1]
        here.hear(from_backend.Acknowledge((1,)))
        assert await here.numbers(4) == [2, 3, 4, 5]
        assert here.sync.state.counters["resends"] == 2


async def test_after_a_new_link_what_was_not_acknowledged_goes_again_in_order():
    async with site(window=3) as here:
        await here.log.fill(5)
        await here.up()
        assert await here.numbers(3) == [1, 2, 3]
        here.link.cut("cable")
        assert (here.sync.state.phase, here.sync.state.why) == (UplinkPhase.DOWN, "cable")
        hello = await here.up()
        assert (hello.last_record, hello.waiting) == (5, 5)
        assert await here.numbers(3) == [1, 2, 3]
        here.hear(from_backend.Acknowledge((1, 2, 3)))
        assert await here.numbers(2) == [4, 5]
        assert here.log.receipts == [1, 2, 3]


async def test_an_acknowledgement_of_what_was_never_sent_is_counted_and_ignored():
    async with site(window=2) as here:
        await here.log.fill(5)
        await here.up()
        await here.numbers(2)
        here.hear(from_backend.Acknowledge((4, 99, 1, 1)))
        assert await here.numbers(1) == [3]
        assert here.log.acknowledged == {1}
        assert here.sync.state.counters["acknowledged_unasked"] == 3


async def test_an_acknowledgement_waits_while_the_disk_fails():
    async with site(retry_seconds=0.01) as here:
        await here.log.fill(1)
        await here.up()
        await here.numbers(1)
        here.log.failing = StoreError("disk full")
        here.hear(from_backend.Acknowledge((1,)))
        await here.quiet()
        assert here.log.acknowledged == set()
        assert here.sync.state.counters["store_errors"] >= 1
        here.log.failing = None
        here.later(1)
        await here.quiet()
        assert here.log.acknowledged == {1}


async def test_an_acknowledgement_that_comes_while_another_is_written_is_not_lost():
    async with site() as here:
        await here.log.fill(2)
        await here.up()
        await here.numbers(2)
        here.log.disk.clear()
        here.hear(from_backend.Acknowledge((1,)))
        await here.quiet()
        here.hear(from_backend.Acknowledge((2,)))
        here.log.disk.set()
        await here.quiet()
        assert here.log.receipts == [1, 2]


async def test_no_welcome_is_told_and_hello_comes_again():
    async with site(welcome_seconds=10) as here:
        await here.log.fill(1)
        here.link.connect()
        await here.next()
        here.later(10)
        assert isinstance(await here.next(), Hello)
        state = here.sync.state
        assert state.phase is UplinkPhase.GREETING
        assert state.connected
        assert "no Welcome within 10 s" in state.why
        here.welcome()
        assert isinstance(await here.next(), Ping), "the Welcome was too late to tell the time"
        assert await here.numbers(1) == [1]


async def test_a_silent_backend_is_pinged_then_greeted_anew():
    async with site(ping_seconds=30, silent_seconds=60) as here:
        await here.up()
        await here.quiet()
        here.later(30)
        ping = await here.next()
        assert isinstance(ping, Ping)
        here.hear(from_backend.Pong(ping.nonce, int(here.clock.wall() * 1000)))
        here.later(30)
        assert isinstance(await here.next(), Ping)
        here.later(30)
        assert isinstance(await here.next(), Hello)
        assert here.sync.state.phase is UplinkPhase.SILENT
        assert "nothing heard" in here.sync.state.why
        here.welcome()
        assert here.sync.state.phase is UplinkPhase.SPEAKING


async def test_the_clock_offset_is_taken_in_the_middle_of_the_round_trip():
    async with site() as here:
        here.link.connect()
        await here.next()
        here.clock.advance(4)
        here.welcome(int((here.clock.wall() - 2 + 7) * 1000))
        assert here.sync.state.clock_offset_seconds == pytest.approx(7)
        assert here.sync.state.last_welcome == here.clock.wall()


async def test_a_release_is_handed_over_and_its_result_sent_back():
    async with site() as here:
        await here.up()
        here.hear(RELEASE)
        assert await here.order() == RELEASE
        answer = Result(RELEASE.id, ReleaseOutcome.RELEASED, "")
        here.results.put_nowait(answer)
        assert await here.next() == answer


async def test_a_release_asked_again_is_handed_over_again():
    async with site() as here:
        await here.up()
        for _ in range(2):
            here.hear(RELEASE)
            assert await here.order() == RELEASE
            here.results.put_nowait(Result(RELEASE.id, ReleaseOutcome.RELEASED, ""))
            assert isinstance(await here.next(), Result)


async def test_a_release_that_fails_is_answered_with_the_cause():
    async with site() as here:
        await here.up()
        here.hear(RELEASE)
        here.results.put_nowait(HardwareError("line 4 is taken by another program\n" + "x" * 300))
        answer = await here.next()
        assert isinstance(answer, Result)
        assert answer.outcome is ReleaseOutcome.FAILED
        assert answer.detail.startswith("line 4 is taken")


async def test_releases_are_bounded_and_hold_up_no_record():
    async with site(releases_in_flight=2, releases_waiting=1) as here:
        await here.up()
        for n in range(2):
            here.hear(from_backend.Release(bytes([n] * 16), 1, 2_000_000_000, None, "op"))
            await here.order()
        for n in range(2, 5):
            here.hear(from_backend.Release(bytes([n] * 16), 1, 2_000_000_000, None, "op"))
        busy = [await here.next() for _ in range(2)]
        assert [(m.id[0], m.outcome) for m in busy if isinstance(m, Result)] == [
            (3, ReleaseOutcome.BUSY),
            (4, ReleaseOutcome.BUSY),
        ]
        assert here.orders.empty()
        await here.log.fill(1)
        here.appended.set()
        assert await here.numbers(1) == [1]


async def test_nothing_is_obeyed_before_welcome_or_after_the_link_went():
    async with site() as here:
        here.hear(RELEASE)
        here.link.connect()
        await here.next()
        here.hear(RELEASE)
        here.hear(from_backend.NewPolicy(b"new"))
        await here.quiet()
        assert here.orders.empty()
        assert here.policies == []
        assert here.sync.state.counters["out_of_turn"] == 3


@pytest.mark.parametrize("said", [codec.encode(from_hub.Ping(bytes(8))), b"\xff", b""])
async def test_what_is_out_of_turn_or_no_message_wakes_nobody(said: bytes) -> None:
    async with site() as here:
        await here.up()
        await here.quiet()
        assert not here.appended.is_set()
        here.link.say(said)
        assert not here.appended.is_set(), "the log is read at the backend's pace"
        counters = here.sync.state.counters
        assert counters.get("out_of_turn", 0) + counters.get("undecodable", 0) == 1


async def test_a_policy_is_accepted_or_its_refusal_told():
    async with site() as here:
        await here.up()
        here.hear(from_backend.NewPolicy(b"good"))
        assert await here.next() == PolicyResult(4, "")
        assert here.sync.state.policy_refused == ""
        here.hear(from_backend.NewPolicy(b"forged"))
        assert await here.next() == PolicyResult(4, "the signature is not the issuer's")
        assert here.sync.state.policy_refused == "the signature is not the issuer's"


async def test_what_the_issuer_says_of_bridges_goes_to_who_proves_it_also_after_a_halt():
    taken: list[SiteDocument] = []
    async with site() as here:
        here.hear(CarriedEnds(b"early"))
        here.sync.carries(taken.append)
        await here.up()
        here.hear(CarriedMandate(b"mandate"))
        here.hear(from_backend.Halt(Cause.FORK, 1, bytes(32), "why"))
        here.hear(CarriedEnds(b"ends"))
        await here.settle()
    assert taken == [CarriedMandate(b"mandate"), CarriedEnds(b"ends")]


async def test_after_a_refused_policy_none_is_looked_at_for_a_while_that_grows():
    async with site(refused_seconds=0.05, refused_cap_seconds=0.1) as here:
        await here.up()
        for _ in range(4):
            here.hear(from_backend.NewPolicy(b"forged"))
            await here.next()
        pauses = [later - earlier for earlier, later in itertools.pairwise(here.looked_at)]
        assert pauses[0] >= 0.05
        assert min(pauses[1:]) >= 0.1
        here.hear(from_backend.NewPolicy(b"good"))
        here.hear(from_backend.NewPolicy(b"better"))
        assert await here.next() == PolicyResult(4, "")
        assert here.policies[-1] == b"better"


async def test_a_policy_for_which_there_is_no_memory_ends_nothing():
    async with site() as here:
        await here.up()
        here.hear(from_backend.NewPolicy(b"too much"))
        answer = await here.next()
        assert isinstance(answer, PolicyResult)
        assert (answer.version, "memory" in answer.refused) == (3, True)


HALT = from_backend.Halt(Cause.FORK, 9, bytes(range(32)), "record 1 is held with other bytes")


@pytest.mark.parametrize("when", ["greeting", "speaking", "silent"])
async def test_after_a_halt_no_record_goes_up_and_no_release_is_done_until_a_welcome(when: str):
    async with site(silent_seconds=60, ping_seconds=1e6, halted_seconds=60) as here:
        await here.log.fill(2)
        if when == "greeting":
            here.link.connect()
            await here.next()
        else:
            await here.up()
            await here.numbers(2)
        if when == "silent":
            here.later(60)
            assert isinstance(await here.next(), Hello)
        here.hear(HALT)
        await here.quiet()
        state = here.sync.state
        assert (state.phase, state.halt, state.known) == (
            UplinkPhase.HALTED,
            "fork",
            f"9:{bytes(range(32)).hex()}",
        )
        here.hear(RELEASE)
        answer = await here.next()
        assert isinstance(answer, Result)
        assert (answer.outcome, "fork" in answer.detail) == (ReleaseOutcome.REFUSED, True)
        assert here.orders.empty()
        here.hear(from_backend.NewPolicy(b"good"))
        assert await here.next() == PolicyResult(4, "")
        here.later(59)
        await here.quiet()
        here.later(2)
        assert isinstance(await here.next(), Hello)
        here.welcome()
        assert await here.numbers(3) == [1, 2, 3]
        assert here.sync.state.halt is None


async def test_a_halt_outlasts_the_link():
    async with site() as here:
        await here.up()
        here.hear(HALT)
        here.link.cut("cable")
        assert here.sync.state.halt == "fork"
        here.link.connect()
        here.hear(RELEASE)
        await here.next()
        assert here.orders.empty()
        assert here.sync.state.halt == "fork"


async def test_a_release_that_waits_when_a_halt_comes_is_refused():
    async with site(releases_in_flight=1) as here:
        await here.up()
        here.hear(RELEASE)
        await here.order()
        later = from_backend.Release(bytes([7] * 16), 1, 2_000_000_000, None, "op")
        here.hear(later)
        here.hear(HALT)
        refused = await here.next()
        assert isinstance(refused, Result)
        assert (refused.id, refused.outcome, "fork" in refused.detail) == (
            later.id,
            ReleaseOutcome.REFUSED,
            True,
        )
        here.results.put_nowait(Result(RELEASE.id, ReleaseOutcome.RELEASED, ""))
        assert await here.next() == Result(RELEASE.id, ReleaseOutcome.RELEASED, "")
        assert here.orders.empty()


def lockdown(number: int, by: str = "op") -> from_backend.Order:
    return from_backend.Order(
        bytes([number] * 16), by, 1, DoorOrder.LOCKDOWN, 1, 2_000_000_000, None
    )


async def test_orders_for_doors_are_carried_out_in_turn_and_bounded():
    async with site(orders_waiting=2) as here:
        await here.up()
        here.stand_gate.clear()
        here.hear(lockdown(0))
        while not here.orders_for_doors:  # noqa: ASYNC110 - no event says that it began
            await asyncio.sleep(0)
        for number in range(1, 5):
            here.hear(lockdown(number))
        busy = [await here.next() for _ in range(2)]
        here.stand_gate.set()
        taken = [await here.next() for _ in range(3)]
        answers = [(m.id[0], m.outcome) for m in busy + taken if isinstance(m, OrderResult)]
        assert answers == [
            (3, OrderOutcome.BUSY),
            (4, OrderOutcome.BUSY),
            (0, OrderOutcome.TAKEN),
            (1, OrderOutcome.TAKEN),
            (2, OrderOutcome.TAKEN),
        ]
        assert [order.id[0] for order in here.orders_for_doors] == [0, 1, 2]


async def test_an_order_for_a_door_that_raises_is_answered_as_failed():
    async with site() as here:
        await here.up()
        here.hear(lockdown(1, by="out of order"))
        assert await here.next() == OrderResult(
            bytes([1] * 16), OrderOutcome.FAILED, "the disk is away"
        )


async def test_an_order_for_a_door_that_waits_when_a_halt_comes_is_refused():
    async with site() as here:
        await here.up()
        here.stand_gate.clear()
        here.hear(lockdown(0))
        while not here.orders_for_doors:  # noqa: ASYNC110 - no event says that it began
            await asyncio.sleep(0)
        here.hear(lockdown(1))
        here.hear(HALT)
        refused = await here.next()
        assert isinstance(refused, OrderResult)
        assert (refused.id[0], refused.outcome) == (1, OrderOutcome.REFUSED)
        here.stand_gate.set()
        assert await here.next() == OrderResult(bytes(16), OrderOutcome.TAKEN, "")
        assert len(here.orders_for_doors) == 1


@pytest.mark.parametrize("then", ["lost", "lost and back", "welcome"])
async def test_a_release_that_waits_when_a_halt_comes_is_never_carried_out(then: str):
    async with site(releases_in_flight=1) as here:
        await here.up()
        here.hear(RELEASE)
        await here.order()
        here.hear(from_backend.Release(bytes([7] * 16), 1, 2_000_000_000, None, "op"))
        here.hear(HALT)
        if then == "welcome":
            here.welcome()
        else:
            here.link.cut("gone")
        if then == "lost and back":
            here.link.connect()
        here.results.put_nowait(Result(RELEASE.id, ReleaseOutcome.RELEASED, ""))
        for _ in range(50):
            await asyncio.sleep(0)
        assert here.orders.empty()
        assert here.sync.state.counters["releases_halted"] == 1


async def test_a_break_is_recorded_once_for_each_cause_however_often_it_is_said():
    async with site(
        halt_again_seconds=0, halted_seconds=1e6, silent_seconds=1e6, ping_seconds=1e6
    ) as here:
        await here.up()
        for number in range(20):
            for cause in Cause:
                here.hear(from_backend.Halt(cause, number, bytes(32), f"{number}"))
                await here.quiet()
        told = [Record.decode(stored.body) for stored in here.log.stored]
        assert [record.kind for record in told] == [RecordKind.BREAK] * 4
        causes = {record.detail["cause"] for record in told}
        assert causes == {"two_hubs", "fork", "gap", "tail_cut"}
        assert told[1].detail["known_hash"] == bytes(32)


async def test_halts_come_at_a_pace():
    async with site(halt_again_seconds=30) as here:
        await here.up()
        for number in range(100):
            here.hear(from_backend.Halt(Cause.GAP, number, bytes(32), f"{number}"))
            here.welcome()
        state = here.sync.state
        assert (state.counters["halts_too_often"], state.phase) == (99, UplinkPhase.SPEAKING)
        here.hear(HALT)
        assert here.sync.state.phase is UplinkPhase.HALTED, "another cause is heard at once"
        here.welcome()
        here.hear(HALT)
        assert here.sync.state.phase is UplinkPhase.SPEAKING
        here.later(31)
        here.hear(HALT)
        assert here.sync.state.phase is UplinkPhase.HALTED


async def test_a_break_that_the_disk_refuses_is_recorded_when_it_can_be():
    async with site(retry_seconds=0.01) as here:
        await here.up()
        here.log.failing = StoreError("disk full")
        here.hear(HALT)
        await here.quiet()
        assert here.log.stored == []
        here.log.failing = None
        here.later(1)
        await here.quiet()
        assert len(here.log.stored) == 1


async def test_for_how_long_the_oldest_record_waits_is_told():
    async with site(silent_seconds=1e6, ping_seconds=1e6, measure_seconds=1e6) as here:
        await here.up()
        await here.quiet()
        here.later(1000)
        await here.quiet()
        assert here.sync.state.unacknowledged_seconds is None, "nothing waits"
        await here.append()
        here.later(2)
        await here.append()
        await here.numbers(2)
        here.later(3)
        assert here.sync.state.unacknowledged_seconds == pytest.approx(5)
        here.link.cut("cable")
        here.later(100)
        await here.up()
        await here.numbers(2)
        assert here.sync.state.unacknowledged_seconds == pytest.approx(105), (
            "a link that comes and goes ends nothing"
        )
        here.hear(from_backend.Acknowledge((1,)))
        here.later(7)
        await here.quiet()
        assert here.sync.state.unacknowledged_seconds == pytest.approx(110), "since it was appended"
        here.hear(from_backend.Acknowledge((2,)))
        await here.quiet()
        assert here.sync.state.unacknowledged_seconds is None


async def test_a_receipt_now_and_then_hides_no_pile():
    """A backend that acknowledges one record in two minutes, while ten a minute come."""
    async with site(silent_seconds=1e6, ping_seconds=1e6, acknowledge_seconds=1e6) as here:
        await here.up()
        for minute in range(1, 31):
            for _ in range(10):
                await here.append()
                here.later(6)
            if minute % 2 == 0:
                here.hear(from_backend.Acknowledge((minute // 2,)))
            await here.settle()
        oldest = 16
        assert here.log.acknowledged == set(range(1, oldest))
        assert here.sync.state.unacknowledged_seconds == pytest.approx(1800 - 6 * (oldest - 1))


@pytest.mark.parametrize("number", [2, 3])
async def test_a_receipt_for_a_later_record_ends_nothing(number: int):
    async with site(silent_seconds=1e6, ping_seconds=1e6, acknowledge_seconds=1e6) as here:
        await here.up()
        for _ in range(3):
            await here.append()
        await here.numbers(3)
        here.later(200)
        here.hear(from_backend.Acknowledge((number,)))
        await here.settle()
        assert here.sync.state.unacknowledged_seconds == pytest.approx(200)


async def test_records_of_before_the_start_wait_since_the_start():
    """Their monotonic times may be of another boot."""
    log = FakeAudit()
    for mono_ms in (0, 10**9):
        await log.append(Record(RecordKind.DOOR, 1000, mono_ms, {}))
    async with site(log=log) as here:
        await here.up()
        await here.numbers(2)
        here.later(7)
        for number in (1, 2):
            assert here.sync.state.unacknowledged_seconds == pytest.approx(7)
            here.hear(from_backend.Acknowledge((number,)))
            await here.settle()
        assert here.sync.state.unacknowledged_seconds is None


async def test_whoever_waited_for_a_record_has_its_turn_before_it_goes_up():
    async with site(silent_seconds=1e6, ping_seconds=1e6) as here:
        await here.up()
        await here.settle()
        before = here.sync.state.counters["sent"]
        await here.log.append(Record(RecordKind.DOOR, 1000, 0, {}))
        at_its_turn: list[int] = []
        here.appended.set()
        asyncio.get_running_loop().call_soon(
            lambda: at_its_turn.append(here.sync.state.counters["sent"])
        )
        await here.settle()
        assert at_its_turn == [before]
        assert here.sync.state.counters["sent"] == before + 1


async def test_no_record_goes_up_while_a_door_is_being_opened():
    async with site(silent_seconds=1e6, ping_seconds=1e6) as here:
        await here.up()
        await here.settle()
        here.doors_rest.clear()
        await here.append()
        await here.quiet()
        here.doors_rest.set()
        assert await here.numbers(1) == [1]


async def test_a_long_queue_gives_the_doors_their_turn_after_a_few_records():
    async with site(silent_seconds=1e6, ping_seconds=1e6) as here:
        await here.log.fill(100)
        await here.up()
        await here.numbers(100)
        turns = here.sent_when_doors_rested
        assert max(after - before for before, after in pairwise(turns)) == SENT_AT_ONCE


async def test_an_order_alone_asks_nothing_of_the_log():
    async with site(silent_seconds=1e6, ping_seconds=1e6) as here:
        await here.up()
        await here.settle()
        here.log.failing = StoreError("nobody may ask")
        here.hear(RELEASE)
        await here.settle()
        assert "store_errors" not in here.sync.state.counters
        here.hear(from_backend.Acknowledge((1,)))
        await here.settle()
        assert here.sync.state.counters["store_errors"] > 0, "other messages do"


async def test_while_receipts_come_the_oldest_is_looked_for_once_a_second():
    async with site(silent_seconds=1e6, ping_seconds=1e6, acknowledge_seconds=1e6) as here:
        await here.up()
        for _ in range(5):
            await here.append()
            here.later(100)
        await here.settle()
        told = []
        for number in (1, 2, 3, 4):
            here.hear(from_backend.Acknowledge((number,)))
            await here.settle()
            told.append(here.sync.state.unacknowledged_seconds)
        assert told == [pytest.approx(500)] * 4, "no look yet"
        here.later(LOOK_SECONDS)
        await here.settle()
        assert here.sync.state.unacknowledged_seconds == pytest.approx(100 + LOOK_SECONDS)


async def test_records_that_cannot_be_read_wait_too():
    async with site() as here:
        here.log.failing = StoreError("the disk is away")
        await here.up()
        here.log.stored.append(StoredRecord(1, b"", bytes(32)))
        here.later(0)
        await here.settle()
        here.later(200)
        assert here.sync.state.unacknowledged_seconds == pytest.approx(200)
        here.log.failing = None
        here.log.stored.clear()
        await here.append()
        here.later(5)
        await here.settle()
        assert here.sync.state.unacknowledged_seconds == pytest.approx(5)


async def test_of_the_policies_waiting_only_the_last_is_kept():
    async with site() as here:
        await here.up()
        here.policy_gate.clear()
        here.hear(from_backend.NewPolicy(b"1"))
        await here.quiet()
        for document in (b"2", b"3", b"4"):
            here.hear(from_backend.NewPolicy(document))
        here.policy_gate.set()
        assert isinstance(await here.next(), PolicyResult)
        assert isinstance(await here.next(), PolicyResult)
        assert here.policies == [b"1", b"4"]


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 100, b"\x82\x13", codec.encode(Ping(bytes(8)))])
async def test_garbage_is_counted_and_ignored(garbage):
    async with site() as here:
        await here.up()
        here.link.say(garbage)
        assert here.sync.state.counters["undecodable"] == 1
        await here.log.fill(1)
        here.appended.set()
        assert await here.numbers(1) == [1]


async def test_a_full_link_loses_no_record_and_keeps_the_order():
    async with site(retry_seconds=5) as here:
        await here.up()
        await here.quiet()
        here.link.full = True
        await here.log.fill(3)
        here.appended.set()
        await here.quiet()
        here.link.full = False
        here.later(5)
        assert await here.numbers(3) == [1, 2, 3]


async def test_a_link_that_refuses_one_message_gets_no_record_out_of_order():
    async with site(retry_seconds=5) as here:
        await here.up()
        await here.quiet()
        here.link.refuse = [False, True]
        await here.log.fill(3)
        here.appended.set()
        assert await here.numbers(1) == [1]
        await here.quiet()
        here.later(5)
        assert await here.numbers(2) == [2, 3]


async def test_an_identity_that_no_hello_can_carry_is_the_installers_error():
    with pytest.raises(ConfigError, match="hub is no printable text"):
        Identity("h" * 33, "site", bytes(16), "0.1.0")


async def test_the_outbox_knows_no_receipt_twice():
    outbox = Outbox(2, 10.0, 40.0, 100.0)
    outbox.sent(1, 0.0)
    outbox.sent(2, 1.0)
    assert (outbox.room(), outbox.due()) == (0, 10.0)
    outbox.rewind()
    assert (outbox.room(), outbox.due(), outbox.after) == (2, None, 0)
    assert outbox.acknowledged(2, 1.0)
    assert not outbox.acknowledged(2, 4.0)
    outbox.sent(1, 5.0)
    waits = []
    for _ in range(4):
        due = outbox.due()
        assert due is not None
        assert not outbox.begin_again_if_overdue(due - 0.1)
        assert outbox.begin_again_if_overdue(due)
        waits.append(due)
        assert outbox.room() == 1
        outbox.sent(1, due)
    assert waits == [15.0, 35.0, 75.0, 115.0]


async def test_the_doors_have_their_turn_while_many_records_go_up():
    async with site() as here:
        await here.log.fill(256)
        here.link.connect()
        await here.next()
        here.welcome()
        turns = 0
        most = 0
        while here.link.said.qsize() < 256:
            before = here.link.said.qsize()
            await asyncio.sleep(0)
            most = max(most, here.link.said.qsize() - before)
            turns += 1
            assert turns < 1000
        assert most <= SENT_AT_ONCE


async def test_a_slow_line_that_brings_receipts_is_not_filled_with_repetitions():
    outbox = Outbox(100, 10.0, 40.0, 100.0)
    for number in range(1, 101):
        outbox.sent(number, 0.0)
    for number in range(1, 101):
        now = 9.0 * number
        assert not outbox.begin_again_if_overdue(now)
        assert outbox.acknowledged(number, now)
    outbox.sent(101, 901.0)
    assert outbox.begin_again_if_overdue(911.0), "no receipt for 10 s"


async def test_what_a_carrier_holds_makes_room_stays_unanswered_and_goes_again_later():
    outbox = Outbox(2, 10.0, 40.0, 100.0)
    outbox.sent(1, 0.0)
    outbox.sent(2, 0.0)
    assert outbox.held(1, 5.0)
    assert not outbox.held(1, 6.0), "said twice"
    assert not outbox.held(9, 6.0), "never sent"
    assert (outbox.room(), outbox.due()) == (1, 10.0)
    assert outbox.held(2, 6.0)
    assert (outbox.room(), outbox.due()) == (2, 105.0)
    assert outbox.acknowledged(2, 6.0), "held is no receipt"
    assert outbox.begin_again_if_overdue(105.0)
    assert (outbox.room(), outbox.after) == (1, 0)


async def test_a_carrier_that_holds_everything_costs_a_bounded_memory():
    outbox = Outbox(2, 10.0, 40.0, 100.0)
    for number in range(1, HELD_MAX + 1):
        outbox.sent(number, 0.0)
        assert outbox.held(number, 0.0)
    outbox.sent(HELD_MAX + 1, 0.0)
    assert not outbox.held(HELD_MAX + 1, 0.0)
    assert outbox.room() == 1


async def test_what_a_carrier_holds_is_not_forgotten_and_goes_again_on_a_new_connection():
    async with site(window=2) as here:
        await here.log.fill(4)
        await here.up()
        assert await here.numbers(2) == [1, 2]
        here.hear(from_backend.Held((1, 2)))
        assert await here.numbers(2) == [3, 4]
        assert here.log.waiting() == 4
        here.link.cut("gone")
        await here.up()
        assert await here.numbers(2) == [1, 2]
        here.hear(from_backend.Acknowledge((1, 2)))
        await here.settle()
        assert here.log.waiting() == 2


async def test_held_numbers_that_nobody_waits_for_count_as_nothing():
    async with site() as here:
        await here.log.fill(1)
        await here.up()
        assert await here.numbers(1) == [1]
        here.hear(from_backend.Held((7, 8)))
        await here.quiet()
        assert here.sync.state.counters["held_in_vain"] == 2


# What the backend has durably, against what is here.


async def test_a_backend_that_lost_records_gets_them_again_and_that_is_recorded_first():
    async with site() as here:
        await here.log.fill(5)
        await here.log.acknowledge([1, 2, 3, 4, 5])
        here.link.connect()
        assert isinstance(await here.next(), Hello)
        here.welcome(durable=3)
        assert await here.numbers(3) == [4, 5, 6]
        told = Record.decode(here.log.stored[5].body)
        assert (told.kind, told.detail["cause"], told.detail["known"]) == ("break", "restored", 3)
        assert told.detail["known_hash"] == here.log.stored[2].hash
        assert here.log.waiting() == 3
        here.hear(from_backend.Acknowledge((4, 5, 6)))
        here.link.cut("gone")
        await here.up()
        await here.quiet()
        assert len(here.log.stored) == 6, "it is told once"


async def test_what_was_lost_goes_again_when_the_talk_begins_anew_before_the_loss_is_recorded():
    """No record goes up before the Welcome either, for it would count as sent."""
    async with site() as here:
        await here.log.fill(5)
        await here.log.acknowledge([1, 2, 3, 4, 5])
        here.link.connect()
        assert isinstance(await here.next(), Hello)
        here.log.hold()
        here.welcome(durable=3)
        await here.settle()
        here.link.cut("gone")
        here.link.connect()
        await here.settle()
        here.log.move_on()
        assert isinstance(await here.next(), Hello)
        await here.quiet()
        here.welcome(durable=3)
        assert await here.numbers(3) == [4, 5, 6]


async def test_what_is_taken_back_goes_again_though_later_records_were_sent_in_this_round():
    """Sender, law 5."""
    log = FakeAudit()
    await log.fill(5)
    said: list[int] = []

    def say(message: from_hub.HubMessage) -> bool:
        said.append(message.number)  # type: ignore[union-attr]
        return True

    async def doors_first() -> None:
        """No door is at work."""

    sender = RecordSender(
        records=log,
        clock=FakeClock(),
        pace=Pace(),
        say=say,
        counters=Counter(),
        doors_first=doors_first,
    )
    await sender.send()
    sender.acknowledged([1, 2, 3, 4, 5])
    await sender.note_receipts()
    sender.send_again(Head(log.stored[2].number, log.stored[2].hash))
    assert await sender.take_back()
    await sender.send()
    assert said == [1, 2, 3, 4, 5, 4, 5]


async def test_a_connected_hub_mends_a_backend_that_has_lost_records_at_once():
    async with site() as here:
        await here.log.fill(5)
        await here.up()
        await here.numbers(5)
        here.hear(from_backend.Acknowledge((1, 2, 3, 4, 5)))
        await here.quiet()
        here.welcome(durable=3)
        hello = await here.next()
        assert isinstance(hello, Hello)
        assert hello.last_record == 5
        here.welcome(durable=3)
        assert await here.numbers(3) == [4, 5, 6]
        told = Record.decode(here.log.stored[5].body)
        assert (told.kind, told.detail["cause"], told.detail["known"]) == ("break", "restored", 3)


async def test_a_backend_that_says_each_time_that_it_has_lost_more_fills_no_log():
    """Talk, law 10: of its Welcomes, the one after a Hello alone costs a record."""
    async with site(silent_seconds=1e6, ping_seconds=1e6, measure_seconds=1e6) as here:
        await here.log.fill(5)
        await here.up()
        await here.numbers(5)
        here.hear(from_backend.Acknowledge((1, 2, 3, 4, 5)))
        await here.quiet()
        for durable in (4, 3, 2, 1):
            here.welcome(durable=durable)
            await here.settle()
            here.later(10.0)
        said = [await here.next() for _ in range(here.link.said.qsize())]
        assert sum(isinstance(message, Hello) for message in said) == 1
        assert len(here.log.stored) == 6


async def test_a_policy_that_is_not_in_force_any_more_is_told_at_once_and_at_a_pace():
    """Sync, law 9: a look-up has met a damaged page, and its denial is a record."""
    async with site(greet_again_seconds=60.0, ping_seconds=1e6, silent_seconds=1e6) as here:

        async def all_said() -> list[from_hub.HubMessage]:
            await here.settle()
            return [await here.next() for _ in range(here.link.said.qsize())]

        async def hellos() -> list[int]:
            return [one.policy_version for one in await all_said() if isinstance(one, Hello)]

        await here.up()
        for _ in range(2):
            here.version = 0
            await here.append()
            assert await hellos() == [0]
            here.welcome()
            here.hear(from_backend.NewPolicy(b"the same again"))
            assert PolicyResult(1, "") in await all_said()
            here.later(30.0)
            assert await hellos() == [], "it was told that there is none"
            here.link.cut("cable")
            here.link.connect()
            assert await hellos() == [1]
            here.welcome()
            here.version = 0
            await here.append()
            assert await hellos() == [], "too soon"
            here.later(30.0)


async def test_a_loss_that_cannot_be_mended_says_how_many_records_are_gone():
    async with site() as here:
        await here.log.fill(5)
        await here.log.acknowledge([1, 2, 3, 4, 5])
        here.log.went = 4
        here.link.connect()
        await here.next()
        here.welcome(durable=1)
        await here.numbers(1)
        told = Record.decode(here.log.stored[5].body)
        assert (told.detail["cause"], told.detail["known"], told.detail["lost"]) == (
            "restored",
            1,
            3,
        )


async def test_a_backend_that_came_back_empty_gets_everything_again_a_step_at_a_time():
    count = 2 * TAKEN_BACK_AT_ONCE + 1
    async with site(window=8) as here:
        await here.log.fill(count)
        await here.log.acknowledge(range(1, count + 1))
        here.link.connect()
        await here.next()
        here.welcome(durable=0)
        assert await here.numbers(8) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert here.log.waiting() == count + 1
        assert here.log.steps == [TAKEN_BACK_AT_ONCE, TAKEN_BACK_AT_ONCE, 1]


async def test_a_receipt_that_the_disk_did_not_take_does_not_outlive_the_backend_that_gave_it():
    """It said that it holds 3, and was restored from a copy before the log could note that."""
    async with site() as here:
        await here.log.fill(3)
        await here.up()
        assert await here.numbers(3) == [1, 2, 3]
        here.log.disk.clear()
        here.hear(from_backend.Acknowledge((1, 2, 3)))
        await here.settle()
        here.link.cut("gone")
        here.link.connect()
        await here.settle()
        here.welcome(durable=2)
        here.log.disk.set()
        assert isinstance(await here.next(), Ping), "no Hello went before this Welcome"
        assert await here.numbers(2) == [3, 4]
        assert here.log.newest_acknowledged() == 2


@pytest.mark.parametrize(
    ("durable", "digest", "cause"),
    [(9, bytes(32), "tail_cut"), (2, bytes([7] * 32), "fork"), (0, bytes([7] * 32), "fork")],
)
async def test_a_welcome_of_another_chain_is_a_halt_by_the_hub_itself(
    durable: int, digest: bytes, cause: str
):
    async with site(halted_seconds=5.0) as here:
        await here.log.fill(3)
        here.link.connect()
        assert isinstance(await here.next(), Hello)
        here.hear(from_backend.Welcome(1, durable, digest))
        await here.quiet()
        assert (here.sync.state.phase, here.sync.state.halt) == (UplinkPhase.HALTED, cause)
        assert here.sync.state.known == f"{durable}:{digest.hex()}"
        assert Record.decode(here.log.stored[-1].body).detail["cause"] == cause
        here.hear(RELEASE)
        answer = await here.next()
        assert isinstance(answer, Result)
        assert answer.outcome is ReleaseOutcome.REFUSED
        here.later(5)
        assert isinstance(await here.next(), Hello)
        here.welcome()
        assert await here.numbers(4) == [1, 2, 3, 4]


def act(number: int, verb: Verb = Verb.ON) -> from_backend.Act:
    return from_backend.Act(number.to_bytes(16), "operator", "light", verb, None, 2_000_000_000)


async def test_a_command_of_devices_is_answered_and_those_too_many_are_refused():
    async with site(acts_in_flight=1, acts_waiting=1) as here:
        await here.up()
        here.hear(act(1))
        await here.settle()
        here.hear(act(2))
        here.hear(act(3))
        busy = await here.next()
        assert busy == from_hub.ActResult((3).to_bytes(16), (), "too many commands at once")
        done = from_hub.ActResult((1).to_bytes(16), (), "done")
        here.act_results.put_nowait(done)
        assert await here.next() == done


async def test_a_stop_waits_for_no_shutter_that_travels():  # orders, law 3
    async with site(acts_in_flight=1) as here:
        await here.up()
        here.hear(act(1, Verb.CLOSE))
        await here.settle()
        here.hear(act(2, Verb.CLOSE))
        here.hear(act(3, Verb.STOP))
        await here.settle()
        begun = [here.begun.get_nowait() for _ in range(here.begun.qsize())]
        assert [order.id for order in begun] == [(1).to_bytes(16), (3).to_bytes(16)]


async def test_a_halt_refuses_commands_that_wait():
    async with site(acts_in_flight=1) as here:
        await here.up()
        here.hear(act(1))
        await here.settle()
        here.hear(act(2))
        here.hear(HALT)
        refused = await here.next()
        assert isinstance(refused, from_hub.ActResult)
        assert refused.id == (2).to_bytes(16)
        assert refused.outcomes == ()


async def test_telemetry_goes_only_while_no_record_waits():
    async with site(telemetry_seconds=5.0) as here:
        await here.append()
        await here.up()
        assert await here.numbers(1) == [1]
        now = here.clock.monotonic()
        here.telemetry.stands("light", DeviceState(Position.ON, now), now)
        here.telemetry.read(Reading("light", Quantity.POWER, 12.5), now)
        here.later(6.0)
        await here.settle()
        assert here.link.said.empty()
        here.hear(from_backend.Acknowledge((1,)))
        await here.settle()
        here.later(6.0)
        said = await here.next()
        assert said == from_hub.Telemetry(
            (
                from_hub.Measured("light", Quantity.POSITION, 3, 12),
                from_hub.Measured("light", Quantity.POWER, 12_500, 12),
            )
        )
        here.later(6.0)
        await here.settle()
        assert here.link.said.empty(), "nothing new, nothing said"


async def test_telemetry_keeps_its_pace_and_goes_again_on_a_new_uplink():
    async with site(telemetry_seconds=5.0) as here:
        await here.up()
        await here.settle()
        said = 0
        for second in range(20):
            for value in range(100):
                here.telemetry.read(
                    Reading("light", Quantity.POWER, 100 * second + value), here.clock.monotonic()
                )
            here.later(1.0)
            await here.settle()
            while not here.link.said.empty():
                message = await here.next()
                assert isinstance(message, from_hub.Telemetry)
                assert message.values[0].value % 100_000 == 99_000, "the latest value alone"
                said += 1
        assert 3 <= said <= 5
        here.link.cut("gone")
        await here.up()
        here.later(6.0)
        again = await here.next()
        assert isinstance(again, from_hub.Telemetry)


async def test_of_the_files_of_messages_a_hub_ignores_what_is_none_and_speaks_on() -> None:
    side = next(side for side in SIDES if (side.talk, side.said_by) == ("uplink", "backend"))
    entries = json.loads(side.path.read_text("ascii"))["messages"]
    wrong = [bytes_of(entry) for entry in entries if entry["verdict"] == "invalid"]
    right = [bytes_of(entry) for entry in entries if entry["verdict"] == "valid"]
    async with site() as here:
        await here.up()
        for data in wrong:
            here.link.say(data)
        assert here.sync.state.counters["undecodable"] == len(wrong)
        await here.log.fill(1)
        here.appended.set()
        assert await here.numbers(1) == [1]
        for data in right:
            here.link.say(data)
        assert here.sync.state.counters["undecodable"] == len(wrong)


# hubd.backend.beside.notices
async def test_an_alarm_behind_72_hours_of_records_is_told_before_they_have_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with site() as here:
        await here.log.fill(3 * Pace().window)
        alarm = Record.at(RecordKind.DOOR, 1.0, 1.0, {"door": "front", "what": "forced"})
        number = await here.log.append(alarm)
        await here.up()
        assert await here.numbers(Pace().window) == list(range(1, Pace().window + 1))
        notice = await here.next()
        assert isinstance(notice, from_hub.Notice)
        assert (notice.number, notice.body) == (number, alarm.encode())
        await here.quiet()
        last = here.log.stored[number - 1]
        while here.log.waiting():
            waiting = [one.number for one in await here.log.unacknowledged(0, Pace().window)]
            here.hear(from_backend.Acknowledge(tuple(waiting)))
            await here.settle()
        said = []
        while not here.link.said.empty():
            said.append(await here.next())
        assert [one.number for one in said if isinstance(one, Evidence)][-1] == number
        assert Evidence(last.number, last.body, last.hash) in said
        assert not any(isinstance(one, from_hub.Notice) for one in said)
        shown = f"{here.sync.state} {capsys.readouterr()}".lower()
        assert "notice" not in shown  # law 5
        assert "alarm" not in shown
