"""What bridge and hub keep of each other, and what a hub sends: their rooms, one by one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from hubbridge.hubs.papers.mandates import KnownMandates
from hubbridge.hubs.state import ALARMS_MAX, MEASURED_MAX, HubState, HubStates
from hubbridge.told import EACH, LINES, Told
from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_hub import Measured, OrderResult, Telemetry
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.from_bridge import CarriedOrder, Witnessed
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.codec.cose import SigningKey
from hubcore.device.state import Quantity
from hubcore.door.phases import Happening
from hubcore.errors import ProofError, RollbackError, StoreError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord
from hubcore.timing.pace import Rate
from hubd.bridge.documents import DOCUMENTS, ORDERS_AT_WORK, WAITING, BridgeDocuments
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.receipts import ReceiptTaker
from hubd.bridge.sender import RecordsToBridge
from hubsim.site.documents import make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.bridgedhub import BEGINS, BRIDGE, ENDS, ISSUER, SITE
from tests.fakes.clock import FakeClock
from tests.fakes.documents import FakeDocumentFile

HUB = HubName(SITE, "hub-1")
PATIENCE_SECONDS = 20.0


def mandate(use: Use, key: SigningKey, version: int = 1) -> bytes:
    said = Mandate(
        site=SITE,
        holder=BRIDGE,
        use=use,
        version=version,
        key=key.verify_key,
        not_before=BEGINS,
        expires=ENDS,
    )
    return issue_mandate(said, ISSUER)


# What a bridge keeps.


@dataclass
class Disk:
    """Documents of a bridge; `failing` refuses to keep more."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    failing: bool = False

    async def documents(self, kind: str) -> dict[bytes, bytes]:
        return dict(self.kept)

    async def put_documents(self, kind: str, documents: dict[bytes, bytes]) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        self.kept = documents


async def test_a_bridges_mandates_prove_themselves_again_at_each_start() -> None:
    """mandates, laws 1 and 2"""
    key = make_key()
    disk = Disk()
    known = KnownMandates(SITE, ISSUER.verify_key, disk)
    assert await known.take(mandate(Use.ORDERS, key, 2))
    assert not await known.take(mandate(Use.ORDERS, key, 2))
    with pytest.raises(RollbackError):
        await known.take(mandate(Use.ORDERS, key, 1))
    with pytest.raises(ProofError):
        await known.take(issue_mandate(_mandate_of(make_key()), make_key()))
    disk.kept[b"9/somebody"] = issue_mandate(_mandate_of(make_key()), make_key())
    again = KnownMandates(SITE, ISSUER.verify_key, disk)
    await again.load()
    found = again.find(Use.ORDERS)
    assert found is not None
    assert found.version == 2
    assert len(again.documents()) == 1


def _mandate_of(key: SigningKey) -> Mandate:
    return Mandate(SITE, "thief", Use.ORDERS, 9, key.verify_key, BEGINS, ENDS)


async def test_a_mandate_that_the_disk_does_not_take_is_told_to_no_hub() -> None:
    """mandates, law 3"""
    known = KnownMandates(SITE, ISSUER.verify_key, Disk(failing=True))
    with pytest.raises(StoreError):
        await known.take(mandate(Use.ORDERS, make_key()))
    assert known.documents() == []
    assert known.find(Use.ORDERS) is None


def forced(at: int) -> bytes:
    detail = {Fact.DOOR: "front", Fact.WHAT: str(Happening.FORCED)}
    return Record.at(RecordKind.DOOR, float(at), 0.0, detail).encode()


def test_the_state_of_a_hub_has_ceilings() -> None:
    """state, law 2"""
    state = HubState()
    for number in range(3 * MEASURED_MAX):
        one = Measured(f"device-{number}", Quantity.BATTERY, number, 0)
        state.measures(Telemetry((one,)), 0.0)
        state.alarmed(number + 1, forced(number), ahead=True)
    assert len(state.measured) == MEASURED_MAX
    assert (f"device-{3 * MEASURED_MAX - 1}", int(Quantity.BATTERY)) in state.measured
    assert max(state.alarms) == 3 * MEASURED_MAX
    assert len(state.alarms) == ALARMS_MAX


def test_there_are_as_many_states_as_a_site_has_hubs() -> None:
    """state, law 2: one that is away leaves its place, the longest silent one first"""
    states = HubStates(3)
    for number in range(3):
        states.of(f"hub-{number}").heard_at = float(number)
    states.of("hub-0").connected = True
    states.of("hub-3")
    assert list(states.all()) == ["hub-0", "hub-2", "hub-3"]


def test_lines_for_people_come_at_no_peers_pace(capsys: pytest.CaptureFixture[str]) -> None:
    """told, its law"""
    clock = FakeClock()
    told = Told(clock)
    for _ in range(100):
        told.hurt("hub-1", "nonsense")
    told.hurt("hub-2", "nonsense")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == EACH.burst + 1
    assert lines[-1].endswith(f"({100 - int(EACH.burst)} lines were left out)")
    for number in range(1000):
        told.refused(f"10.0.{number // 256}.{number % 256}", "no handshake")
    assert len(capsys.readouterr().err.splitlines()) <= LINES.burst


# What a hub takes of a bridge.


async def test_a_hub_refuses_an_older_mandate_also_after_a_start() -> None:
    """bridge.mandates, laws 1 and 2"""
    key = make_key()
    file = FakeDocumentFile()
    here = MandatesHere(SITE, ISSUER.verify_key, file)
    await here.take(mandate(Use.RECEIPTS, key, 2))
    file.documents = [*file.documents, issue_mandate(_mandate_of(make_key()), make_key())]
    again = MandatesHere(SITE, ISSUER.verify_key, file)
    assert again.trouble
    with pytest.raises(RollbackError):
        await again.take(mandate(Use.RECEIPTS, key, 1))
    file.failing = StoreError("the disk is full")
    await again.take(mandate(Use.RECEIPTS, key, 3))
    found = again.find(Use.RECEIPTS)
    assert found is not None
    assert found.version == 3
    assert "full" in again.trouble


@dataclass
class SlowOrders:
    """Takes orders; those named `slow` take until `end` is set."""

    taken: list[bytes] = field(default_factory=list)
    end: asyncio.Event = field(default_factory=asyncio.Event)
    at_work: int = 0
    most: int = 0

    async def take_mandate(self, document: bytes) -> None:
        """Nothing is to be done."""

    async def take(self, document: bytes) -> OrderResult:
        if document == b"forged":
            raise ProofError("it does not prove itself")
        self.taken.append(document)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        if document == b"slow":
            await self.end.wait()
        self.at_work -= 1
        return OrderResult(bytes(16), OrderOutcome.TAKEN, "")


@dataclass
class Taking:
    """A hub's documents, which are taken."""

    orders: SlowOrders = field(default_factory=SlowOrders)
    counters: Counter[str] = field(default_factory=Counter)
    answers: list[OrderResult] = field(default_factory=list)

    def make(self, pace: Rate = DOCUMENTS) -> BridgeDocuments:
        clock = FakeClock()
        mandates = MandatesHere(SITE, ISSUER.verify_key, FakeDocumentFile())
        return BridgeDocuments(
            hub=HUB,
            mandates=mandates,
            ends=EndsHere(SITE, ISSUER.verify_key, FakeDocumentFile()),
            on_ends=lambda: None,
            receipts=ReceiptTaker(
                records=FakeAudit(),
                hub=HUB,
                mandates=mandates,
                clock=clock,
                counters=self.counters,
            ),
            site_orders=self.orders,
            clock=clock,
            answer=self.answers.append,
            counters=self.counters,
            pace=pace,
        )


async def taken(documents: BridgeDocuments, done: asyncio.Event) -> None:
    """Take until `done` is set."""
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        task = group.create_task(documents.run())
        await done.wait()
        task.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110, a state that many things change
            await asyncio.sleep(0.001)


async def test_no_more_documents_wait_than_have_room() -> None:
    """documents, law 1"""
    taking = Taking()
    documents = taking.make()
    for _ in range(WAITING + 7):
        documents.let_wait(CarriedOrder(b"order"), BRIDGE)
    assert taking.counters["documents_too_many"] == 7


async def test_documents_are_looked_at_with_a_pace() -> None:
    """documents, law 2"""
    taking = Taking()
    documents = taking.make(Rate(burst=1, per_second=50))
    for _ in range(6):
        documents.let_wait(CarriedOrder(b"order"), BRIDGE)
    loop = asyncio.get_running_loop()
    began = loop.time()
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(taken(documents, done))
        await until(lambda: len(taking.answers) == 6)
        done.set()
    assert loop.time() - began >= 5 / 50


async def test_a_slow_release_holds_up_no_later_order() -> None:
    """documents, laws 3 and 4"""
    taking = Taking()
    documents = taking.make()
    done = asyncio.Event()
    said = [b"slow", b"forged", b"first", b"second"]
    for one in said:
        documents.let_wait(CarriedOrder(one), BRIDGE)
    async with asyncio.TaskGroup() as group:
        group.create_task(taken(documents, done))
        await until(lambda: len(taking.answers) == 2)
        assert taking.orders.taken == [b"slow", b"first", b"second"]
        assert taking.counters["documents_refused"] == 1
        for _ in range(2 * ORDERS_AT_WORK):
            documents.let_wait(CarriedOrder(b"slow"), BRIDGE)
        await until(lambda: taking.orders.at_work == ORDERS_AT_WORK)
        taking.orders.end.set()
        await until(lambda: len(taking.answers) == 3 + 2 * ORDERS_AT_WORK)
        assert taking.orders.most == ORDERS_AT_WORK
        done.set()


async def test_the_newest_testimony_of_a_bridge_of_the_site_is_kept() -> None:
    """documents, law 5"""
    key = make_key()
    taking = Taking()
    documents = taking.make()

    def witnessed(number: int, by: SigningKey = key) -> Witnessed:
        head = Head(number, bytes([number]) * 32)
        said = SignedHead(HeadKind.TESTIMONY, BRIDGE, HUB, head, BEGINS + 1)
        return Witnessed(sign_head(said, by))

    done = asyncio.Event()
    documents.let_wait(witnessed(9), BRIDGE)  # no mandate is known yet
    documents.let_wait(CarriedMandate(mandate(Use.TESTIMONY, key)), BRIDGE)
    for message in (witnessed(5), witnessed(7), witnessed(6), witnessed(8, make_key())):
        documents.let_wait(message, BRIDGE)
    documents.let_wait(witnessed(8), "bridge-2")
    documents.let_wait(CarriedOrder(b"last"), BRIDGE)
    async with asyncio.TaskGroup() as group:
        group.create_task(taken(documents, done))
        await until(lambda: taking.answers)
        done.set()
    assert documents.testimony == Head(7, bytes([7]) * 32)
    assert taking.counters["documents_refused"] == 3


# What a hub sends.


@dataclass
class Sending:
    """A hub's records on their way to a bridge that does nothing by itself."""

    records: FakeAudit = field(default_factory=FakeAudit)
    clock: FakeClock = field(default_factory=FakeClock)
    said: list[int] = field(default_factory=list)
    takes: bool = True

    def __post_init__(self) -> None:
        self.sender = RecordsToBridge(
            records=self.records,
            clock=self.clock,
            pace=Pace(window=8),
            say=self.say,
            doors_first=self.doors_first,
        )

    def say(self, records: Sequence[StoredRecord]) -> int:
        if not self.takes:
            return 0
        self.said += [record.number for record in records]
        return len(records)

    async def doors_first(self) -> None:
        await asyncio.sleep(0)


async def sending(count: int) -> Sending:
    """So many records are in the log."""
    made = Sending()
    await made.records.fill(count)
    return made


async def test_records_go_in_order_also_what_the_backend_has() -> None:
    """sender, laws 1 and 2"""
    made = await sending(20)
    await made.records.acknowledge(range(1, 13))
    made.sender.begin(Head(3, bytes(32)))
    await made.sender.send()
    assert made.said == [4, 5, 6, 7, 8, 9, 10, 11]
    made.sender.held([4, 5])
    await made.sender.send()
    assert made.said[8:] == [12, 13]
    assert made.records.waiting() == 8
    made.sender.stop()
    made.sender.held([6])
    assert await made.sender.send() is None
    assert len(made.said) == 10


async def test_where_records_have_gone_it_begins_with_the_oldest() -> None:
    """sender, law 2"""
    made = await sending(20)
    made.records.went = 15
    made.sender.begin(Head(3, bytes(32)))
    await made.sender.send()
    assert made.said == [16, 17, 18, 19, 20]


async def test_what_is_not_held_in_time_goes_again() -> None:
    """sender, law 3"""
    made = await sending(3)
    made.sender.begin(Head())
    due = await made.sender.send()
    assert made.said == [1, 2, 3]
    made.sender.held([1])
    assert due is not None
    made.clock.go_to(due + 1)
    await made.sender.send()
    made.clock.advance(100)
    await made.sender.send()
    assert made.said[3:] == [2, 2]


async def test_a_full_bridge_gets_no_record_until_its_time_is_over() -> None:
    """sender, law 4"""
    made = await sending(3)
    made.sender.begin(Head())
    await made.sender.send()
    made.sender.full(60)
    assert made.sender.is_full
    until_seconds = await made.sender.send()
    assert until_seconds == made.clock.monotonic() + 60
    assert made.said == [1, 2, 3]
    made.clock.advance(60)
    await made.sender.send()
    assert made.said == [1, 2, 3, 1, 2, 3]


async def test_a_line_that_takes_nothing_is_tried_again() -> None:
    made = await sending(2)
    made.takes = False
    made.sender.begin(Head())
    again_at = await made.sender.send()
    assert again_at == made.clock.monotonic() + Pace().retry_seconds
    made.takes = True
    await made.sender.send()
    assert made.said == [1, 2]
