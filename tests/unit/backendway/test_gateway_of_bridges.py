"""What a gateway makes of what bridges bring: receipts, records, testimonies, doubts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from hubcore.access.words import HubName
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Evidence, Notice, Ping
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import FromBackend, HubHalted, HubKnown, HubReceipt
from hubcore.bridge.backend.from_bridge import Ahead, BornWitness, Doubted
from hubcore.bridge.mandate import Mandate, Mandates, Use, issue_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, prove_head, sign_head
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import FrameError, LinkError
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import GENESIS, Head, Record, StoredRecord
from hubgateway.bridges.evidence.receipts import ReceiptSigner, mandates_of
from hubgateway.bridges.evidence.records import BridgedRecords
from hubgateway.bridges.evidence.witness import EACH, BridgedWords
from hubgateway.keeper import Keeper
from hubgateway.rules import names
from hubgateway.rules.chain import Stop
from hubsim.site.documents import make_key
from tests.fakes.bridgedhub import BRIDGE, ENDS, ISSUER, SITE, head_of, make_log, own_head
from tests.fakes.clock import NOON, FakeClock
from tests.unit.test_gateway_keeper import FakeChains

HUB = "hub-1"
KEY = make_key()
HUB_KEY = make_key()


def mandate(use: Use, key: SigningKey, version: int = 1, expires: int = ENDS) -> Mandate:
    holder = BRIDGE if use is Use.TESTIMONY else "backend"
    return Mandate(SITE, holder, use, version, key.verify_key, int(NOON) - 10, expires)


FOR_RECEIPTS = mandate(Use.RECEIPTS, KEY, expires=int(NOON) + 86_400)


def signer(clock: FakeClock | None = None, *known: Mandate) -> ReceiptSigner:
    made = ReceiptSigner(SITE, KEY, clock or FakeClock())
    made.take(Mandates(known or (FOR_RECEIPTS,)))
    return made


def test_a_receipt_is_signed_by_a_mandate_for_this_very_key_alone() -> None:
    """receipts, law 2"""
    clock = FakeClock()
    head = Head(3, bytes(32))
    document = signer(clock).sign(HUB, head)
    assert document is not None
    proven = prove_head(HeadKind.RECEIPT, document, HubName(SITE, HUB), FOR_RECEIPTS)
    assert (proven.by, proven.head) == ("backend", head)
    without = ReceiptSigner(SITE, KEY, clock)
    assert without.sign(HUB, head) is None
    assert "no mandate" in without.why_not
    other = signer(clock, mandate(Use.RECEIPTS, make_key()))
    assert other.sign(HUB, head) is None
    assert "another key" in other.why_not
    ended = signer(clock, mandate(Use.RECEIPTS, KEY, expires=int(NOON) - 1))
    assert ended.sign(HUB, head) is None
    assert "not valid" in ended.why_not
    assert signer(clock).sign(HUB, Head()) is None


def test_the_same_head_is_signed_once_and_memory_is_bounded() -> None:
    """receipts, law 3"""
    made = ReceiptSigner(SITE, KEY, FakeClock(), remembered=2)
    made.take(Mandates((FOR_RECEIPTS,)))
    first = made.sign(HUB, Head(1, bytes(32)))
    assert made.sign(HUB, Head(1, bytes(32))) is first
    assert made.sign(HUB, Head(2, bytes(32))) != first
    for number in range(5):
        made.sign(f"hub-{number}", Head(1, bytes(32)))
    assert made.remembered == 2


def test_of_all_mandates_the_newest_that_proves_itself_holds() -> None:
    good = issue_mandate(mandate(Use.RECEIPTS, KEY, 2), ISSUER)
    older = issue_mandate(mandate(Use.RECEIPTS, make_key(), 1), ISSUER)
    forged = issue_mandate(mandate(Use.RECEIPTS, make_key(), 9), make_key())
    found = mandates_of([older, b"none", good, forged], SITE, ISSUER.verify_key)
    assert found.find(Use.RECEIPTS) == mandate(Use.RECEIPTS, KEY, 2)


@dataclass
class HubRows:
    """What the engine says of hubs."""

    known: set[str] = field(default_factory=lambda: {HUB})
    keys: dict[str, VerifyKey] = field(default_factory=lambda: {HUB: HUB_KEY.verify_key})
    stops: dict[str, Stop] = field(default_factory=dict)
    away: bool = False

    def is_known(self, hub: str) -> bool:
        if self.away:
            raise LinkError("away")
        return hub in self.known

    def key_of(self, hub: str) -> VerifyKey | None:
        return self.keys.get(hub)

    def stop_of(self, hub: str) -> Stop | None:
        return self.stops.get(hub)


@dataclass
class Way:
    """A gateway's way of records, and what people hear."""

    troubles: Iterable[str] = ()
    rows: HubRows = field(default_factory=HubRows)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chains = FakeChains(self.troubles)
        self.records = BridgedRecords(SITE, Keeper(self.chains), self.rows, signer(), self.tell)

    def tell(self, source: str, what: str) -> None:
        self.told.append((source, what))

    async def keep(
        self,
        records: list[StoredRecord],
        head: Head | None = None,
        key: SigningKey | None = None,
        *,
        to_receipt: bool = True,
    ) -> list[FromBackend]:
        """Bring records, with the head of the last one by the hub's key, or another one."""
        said = tuple(uplink.encode(Evidence(one.number, one.body, one.hash)) for one in records)
        document = own_head(HUB, head or head_of(records), key or HUB_KEY)
        return await self.records.keep(HUB, said, document, to_receipt=to_receipt)


def heads(said: list[FromBackend]) -> list[int]:
    """The numbers of the receipts."""
    name = HubName(SITE, HUB)
    return [
        prove_head(HeadKind.RECEIPT, one.document, name, FOR_RECEIPTS).head.number
        for one in said
        if isinstance(one, HubReceipt)
    ]


async def test_records_are_stored_once_and_answered_each_time() -> None:
    """records, laws 1 and 2"""
    log = make_log(30)
    way = Way()
    assert heads(await way.keep(log[:20])) == [20]
    assert heads(await way.keep(log[10:30])) == [30]
    assert heads(await way.keep(log[:5])) == [30]
    assert way.chains.stored == log
    asked = await way.records.answer(HUB, 7, head_of(log[:20]))
    assert heads(asked) == [30]
    assert asked[-1] == HubKnown(HUB, 7, 30, log[-1].hash)


async def test_what_follows_nothing_is_no_gap() -> None:
    """records, law 3: however often it comes"""
    log = make_log(30)
    way = Way()
    await way.keep(log[:10])
    for _ in range(4):
        said = await way.keep(log[20:])
        assert heads(said) == [10]
        assert said[-1] == HubKnown(HUB, 0, 10, log[9].hash)
    assert way.told == []
    await way.keep(log[10:])
    assert way.chains.stored == log


@pytest.mark.parametrize("trouble", ["lost", "unsure"])
async def test_what_the_engine_did_not_take_is_not_answered(trouble: str) -> None:
    """records, law 1"""
    log = make_log(10)
    way = Way(troubles=[trouble])
    with pytest.raises(LinkError):
        await way.keep(log)
    assert heads(await way.keep(log)) == [10]
    assert way.chains.stored == log


async def test_an_unknown_hub_and_a_stopped_one_get_nothing_in() -> None:
    """records, law 4"""
    log = make_log(3)
    way = Way()
    way.rows.known.clear()
    (said,) = await way.keep(log)
    assert isinstance(said, HubHalted)
    assert said.cause is None
    way.rows.known.add(HUB)
    way.rows.stops[HUB] = Stop(Cause.TWO_HUBS, "two machines")
    (said,) = await way.keep(log)
    assert said == HubHalted(HUB, Cause.TWO_HUBS, "two machines")
    assert await way.records.answer(HUB, 1, Head()) == [said]
    way.rows.away = True
    with pytest.raises(LinkError):
        await way.keep(log)
    assert way.chains.stored == []


async def test_another_record_is_a_fork_that_people_hear_of() -> None:
    """records, law 5"""
    log = make_log(10)
    other = make_log(12, b"other")
    way = Way()
    await way.keep(log)
    (said,) = await way.keep(other)
    assert isinstance(said, HubHalted)
    assert said.cause is Cause.FORK
    (said,) = await way.records.answer(HUB, 1, head_of(other[:10]))
    assert isinstance(said, HubHalted)
    assert [source for source, _ in way.told] == [HUB, HUB]
    assert way.chains.stored == log


@pytest.mark.parametrize("data", [uplink.encode(Ping(bytes(8))), b"", b"\x80", b"nonsense"])
async def test_what_is_no_record_is_none(data: bytes) -> None:
    way = Way()
    with pytest.raises(FrameError):
        await way.records.keep(HUB, (data,), b"head")


# Testimonies, alarms, doubts.


@dataclass
class Buckets:
    """Where the engine keeps values."""

    values: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def put(self, bucket: str, key: str, value: bytes) -> int:
        self.values[bucket, key] = value
        return 1


@dataclass
class FakeEngine:
    """An engine that notes what is published."""

    buckets: Buckets = field(default_factory=Buckets)
    subjects: list[str] = field(default_factory=list)

    async def tell(self, subject: str, data: bytes) -> None:
        self.subjects.append(subject)


@dataclass
class Words:
    """A gateway's words of bridges."""

    log: list[StoredRecord]
    clock: FakeClock = field(default_factory=FakeClock)
    engine: FakeEngine = field(default_factory=FakeEngine)
    told: list[tuple[str, str]] = field(default_factory=list)
    rows: HubRows = field(default_factory=HubRows)

    def __post_init__(self) -> None:
        chains = self.chains = FakeChains([])
        chains.stored = list(self.log)
        self.words = BridgedWords(
            site=SITE,
            engine=self.engine,  # type: ignore[arg-type]
            keeper=Keeper(chains),
            mandate=lambda bridge: mandate(Use.TESTIMONY, KEY) if bridge == BRIDGE else None,
            is_known=self.rows.is_known,
            tell=lambda source, what: self.told.append((source, what)),
            clock=self.clock,
        )


def seen_by(head: Head, key: SigningKey = KEY) -> BornWitness:
    said = SignedHead(HeadKind.TESTIMONY, BRIDGE, HubName(SITE, HUB), head, int(NOON))
    return BornWitness(HUB, sign_head(said, key))


async def test_a_testimony_is_kept_by_its_bridges_own_mandate() -> None:
    """witness, law 1"""
    log = make_log(5)
    desk = Words(log)
    good = seen_by(head_of(log))
    await desk.words.testimony(BRIDGE, good)
    kept = desk.engine.buckets.values
    assert kept == {(names.TESTIMONIES_BUCKET, f"{BRIDGE}.{HUB}"): good.document}
    assert desk.told == []
    await desk.words.testimony("bridge-2", good)
    await desk.words.testimony(BRIDGE, seen_by(Head(1, bytes(32)), make_key()))
    assert kept == {(names.TESTIMONIES_BUCKET, f"{BRIDGE}.{HUB}"): good.document}
    assert len(desk.told) == 2
    await desk.words.testimony(BRIDGE, seen_by(Head(5, GENESIS)))
    assert "FORK" in desk.told[-1][1]
    await desk.words.testimony(BRIDGE, seen_by(Head(9, GENESIS)))  # the engine has not that far
    assert len(desk.told) == 3


async def test_a_bridge_sets_no_pace() -> None:
    """witness, law 3"""
    desk = Words([])
    said = Doubted(HUB, Cause.FORK, 1, bytes(32), 2, bytes(32))
    for _ in range(100):
        await desk.words.doubt(BRIDGE, said)
        await desk.words.testimony(BRIDGE, seen_by(Head(9, GENESIS)))
    assert len(desk.told) == EACH.burst
    assert desk.engine.subjects == [f"{names.DOUBTS}.{HUB}"] * int(EACH.burst)


async def test_of_a_hub_that_is_not_known_nothing_is_kept_or_told() -> None:
    """witness, law 4"""
    desk = Words([])
    said = SignedHead(HeadKind.TESTIMONY, BRIDGE, HubName(SITE, "hub-9"), Head(1, GENESIS), 1)
    body = Record.at(RecordKind.ACCESS, NOON, 1.0, {Fact.DURESS: True}).encode()
    await desk.words.testimony(BRIDGE, BornWitness("hub-9", sign_head(said, KEY)))
    await desk.words.doubt(BRIDGE, Doubted("hub-9", Cause.FORK, 1, bytes(32), 2, bytes(32)))
    await desk.words.alarm(Ahead("hub-9", uplink.encode(Notice(7, body, bytes(32)))))
    assert (desk.told, desk.engine.subjects, desk.engine.buckets.values) == ([], [], {})


async def test_an_alarm_comes_ahead_once() -> None:
    detail = {Fact.DURESS: True, Fact.ASKER: "c1", Fact.POINT: 1}
    body = Record.at(RecordKind.ACCESS, NOON, 1.0, detail).encode()
    assert alarm_of(body)
    desk = Words([])
    for _ in range(2):
        await desk.words.alarm(Ahead(HUB, uplink.encode(Notice(7, body, bytes(32)))))
    assert len(desk.told) == 1
    assert desk.engine.subjects == [f"{names.NOTICES}.{HUB}"]
    with pytest.raises(FrameError):
        await desk.words.alarm(Ahead(HUB, uplink.encode(Ping(bytes(8)))))


async def test_a_bridge_makes_no_memory_by_names_of_its_own() -> None:
    """witness, law 4"""
    desk = Words([])
    desk.rows.known.clear()
    detail = {Fact.DURESS: True, Fact.ASKER: "c1", Fact.POINT: 1}
    body = Record.at(RecordKind.ACCESS, NOON, 1.0, detail).encode()
    await desk.words.alarm(Ahead(HUB, uplink.encode(Notice(7, body, bytes(32)))))
    await desk.words.testimony(BRIDGE, seen_by(Head(9, GENESIS)))
    await desk.words.doubt(BRIDGE, Doubted(HUB, Cause.FORK, 1, bytes(32), 2, bytes(32)))
    assert desk.told == []
    assert desk.engine.buckets.values == {}
    assert desk.engine.subjects == []
    desk.rows.away = True
    with pytest.raises(LinkError):
        await desk.words.doubt(BRIDGE, Doubted(HUB, Cause.FORK, 1, bytes(32), 2, bytes(32)))


async def test_a_receipt_that_may_wait_is_left_out_unless_something_is_amiss() -> None:
    """records, law 7"""
    log = make_log(30)
    way = Way()
    assert await way.keep(log[:10], to_receipt=False) == []
    assert heads(await way.keep(log[10:20])) == [20]
    said = await way.keep(log[25:], to_receipt=False)
    assert heads(said) == [20]
    assert said[-1] == HubKnown(HUB, 0, 20, log[19].hash)
