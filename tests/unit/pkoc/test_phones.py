"""Phones of others at a hub: links, the policy, the record and the door, without a real radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.cards import Card, card_digest, public_key_digest
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.access.words import Denial, Mode
from hubcore.calendar.schedule import Schedule
from hubcore.errors import LinkError, PeerError, ProofError, SequenceError, StoreError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.phone.link import FIRST_READ_SECONDS
from hubcore.phone.sealing import BLE_GATT
from hubcore.pkoc.certificate import uncompressed
from hubcore.pkoc.reader import PHASE_SECONDS, ReaderPhase
from hubcore.pkoc.turn import TURN_SECONDS
from hubcore.policy.policy import PointRules
from hubcore.ports.clock import ClockState
from hubcore.ports.radio import LinkId
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.phones.dropping import DROP_TRIES, Dropper
from hubd.phones.links import SWEEP_SECONDS, Links
from hubd.pkoc.hellos import HELLO_SECONDS
from hubd.pkoc.phones import PkocPhones
from hubd.pkoc.rights import KeyRights
from hubd.upkeep.lately.traces import Traces
from hubsim.pkoc.elements import write_long
from hubsim.pkoc.phone import Answer, PkocPhone
from hubsim.site import make_key
from tests.fakes.radio import FakeRadio
from tests.pair import DAY, DeskHub
from tests.unit.pkoc.bench import Reader, key, reader
from tests.unit.test_links import Peer, Rsa

CARD_KEY = bytes(range(32))
A = LinkId("A", 1)
B = LinkId("B", 2)
C = LinkId("C", 3)
PLACES = 2
LINKS_MAX = 3


@dataclass
class Rig:
    hub: DeskHub
    reader: Reader = field(default_factory=lambda: reader(at_once=PLACES))
    refused: list[PeerError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.radio = FakeRadio(on_drop=self.radio_drops)
        self.beside = PkocPhones(
            side=self.reader.side,
            radio=self.radio,
            places=PLACES,
            decide=KeyRights(
                "pkoc",
                1,
                CARD_KEY,
                policy=self.hub.policy,
                log=self.hub.log,
                clock=self.hub.clock,
                tell=self.hub.tell,
                present=self.hub.unlock.present,
            ).decide,
            dropper=Dropper(self.radio, self.hub.tell, 0.01),
            refused=self.refused.append,
            tell=self.hub.tell,
            clock=self.hub.clock,
            every_seconds=0.001,
        )
        self.links = Links(
            side=self.hub.side,
            radio=self.radio,
            transport=BLE_GATT,
            links_max=LINKS_MAX,
            rsa=Rsa(),
            present=self.hub.unlock.present,
            door_state=lambda point: self.hub.watch.state(str(point)),
            strike_seconds={1: 5.0},
            refused=self.refused.append,
            take_revocations=self.hub.carried_intake().take,
            tell=self.hub.tell,
            traced=Traces({1: "front"}, self.hub.clock),
            clock=self.hub.clock,
            beside=self.beside,
            drop_pause_seconds=0.01,
        )

    def radio_drops(self, link: LinkId) -> None:
        if link not in self.radio.gone:
            self.radio.leave(link)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.links.run(lambda _: None, lambda: None))
        await until(lambda: self.radio.pkoc is not None)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def let_in(
        self, own: ec.EllipticCurvePrivateKey, point: int = 1, rules: tuple[int, ...] = ()
    ) -> None:
        """Give a phone a row of the policy."""
        now = int(self.hub.clock.wall())
        digest = public_key_digest(CARD_KEY, uncompressed(own.public_key()))
        self.hub.policy.cards[digest] = Card(
            digest=digest,
            credential="stranger-7",
            not_before=now - 10,
            expires=now + 1000,
            access=(Access(point, 1, rules),),
        )

    async def hello(self) -> bytes:
        """Subscribe, and return the next hello."""
        before = len(self.radio.pkoc_sent)
        assert self.radio.pkoc is not None
        self.radio.pkoc.listens(True)
        await until(lambda: len(self.radio.pkoc_sent) > before)
        return self.radio.pkoc_sent[-1]

    async def writes(self, link: LinkId, data: bytes) -> bytes:
        """Write as a phone; return what is notified next."""
        before = len(self.radio.pkoc_sent)
        assert self.radio.pkoc is not None
        self.radio.pkoc.pkoc_frame(link, data)
        await until(lambda: len(self.radio.pkoc_sent) > before)
        return self.radio.pkoc_sent[before]

    async def goes(self, phone: PkocPhone, link: LinkId) -> Answer | None:
        """Let a phone come and go through a visit; return its answer."""
        self.radio.come(link)
        first = phone.heard(await self.hello())
        assert first is not None
        second = phone.heard(await self.writes(link, first))
        assert second is not None
        phone.heard(await self.writes(link, second))
        return phone.answer

    def decisions(self) -> list[Record]:
        return [one for one in self.hub.records() if one.kind is RecordKind.ACCESS]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (several things may make it true)
            await asyncio.sleep(0.001)


@pytest.fixture
def rig() -> Rig:
    return Rig(DeskHub(make_key()))


async def test_a_phone_with_a_row_in_the_policy_opens_the_door_and_the_record_says_how(
    rig: Rig,
) -> None:
    own = key()
    rig.let_in(own)
    async with rig.serving():
        assert await rig.goes(rig.reader.phone(own), A) is Answer.GRANTED
    assert rig.hub.doors["front"].strikes == 1
    (record,) = rig.decisions()
    assert record.detail[Fact.PATH] == "pkoc"
    assert record.detail[Fact.READER] == "pkoc"
    assert record.detail[Fact.ASKER] == "stranger-7"
    assert record.detail[Fact.ALLOWED] is True


async def test_a_phone_of_nobody_is_denied_by_the_same_answer_and_recorded(rig: Rig) -> None:
    own = key()
    async with rig.serving():
        assert await rig.goes(rig.reader.phone(own), A) is Answer.DENIED
    assert rig.hub.strikes == 0
    (record,) = rig.decisions()
    point = uncompressed(own.public_key())
    assert record.detail[Fact.GRANT] == public_key_digest(CARD_KEY, point)
    assert record.detail[Fact.WHY] == str(Denial.UNKNOWN_CREDENTIAL)
    assert record.detail[Fact.ASKER] == "reader/pkoc"
    assert point[1:33] not in record.encode()  # rights, law 3


async def test_every_byte_of_the_key_counts(rig: Rig) -> None:
    """No number that is cut out of it: a row of a key with another last byte lets nobody in."""
    own = key()
    point = bytearray(uncompressed(own.public_key()))
    digests = set[bytes]()
    for at in range(65):
        changed = bytes(point[:at] + bytes([point[at] ^ 1]) + point[at + 1 :])
        digests.add(public_key_digest(CARD_KEY, changed))
    assert len(digests) == 65
    assert public_key_digest(CARD_KEY, bytes(point)) not in digests


async def test_no_card_number_is_a_phones_key(rig: Rig) -> None:
    """A reader on a wire may tell 65 bytes that nobody has proven."""
    own = key()
    point = uncompressed(own.public_key())
    rig.let_in(own)
    assert rig.hub.policy.card(card_digest(CARD_KEY, 8 * len(point), point)) is None


JUDGED = {
    "no grant": Denial.NO_GRANT,
    "revoked": Denial.CREDENTIAL_REVOKED,
    "disabled": Denial.CREDENTIAL_DISABLED,
    "expired": Denial.CREDENTIAL_EXPIRED,
    "two factors": Denial.FACTOR_NEEDED,
    "lockdown": Denial.LOCKDOWN,
    "schedule": Denial.OUT_OF_SCHEDULE,
    "untrusted time": Denial.TIME_UNTRUSTED,
}


def _forbid(hub: DeskHub, why: str) -> None:
    match why:
        case "revoked":
            hub.policy.credentials.add("stranger-7")
        case "disabled":
            hub.policy.out_of_use.add("stranger-7")
        case "expired":
            hub.clock.offset += 5000
        case "two factors":
            demand = Demand((Factor.CARD | Factor.PIN, Factor.PHONE))
            hub.policy.points[1] = PointRules(demands=(demand,))
        case "lockdown":
            hub.policy.modes[1] = Mode.LOCKDOWN
        case "schedule":
            hub.policy.schedules[7] = Schedule(())
        case "untrusted time":
            hub.clock.trust = ClockState.BEHIND_RECORDS


@pytest.mark.parametrize("why", JUDGED)
async def test_a_phone_is_judged_like_a_card(rig: Rig, why: str) -> None:
    own = key()
    rules = (7,) if why == "schedule" else ()
    rig.let_in(own, point=2 if why == "no grant" else 1, rules=rules)
    _forbid(rig.hub, why)
    async with rig.serving():
        assert await rig.goes(rig.reader.phone(own), A) is Answer.DENIED
    assert rig.hub.strikes == 0
    (record,) = rig.decisions()
    assert record.detail[Fact.WHY] == str(JUDGED[why])


@pytest.mark.parametrize("hours", [0.5, 0.4])
async def test_a_phone_is_denied_where_the_hub_was_offline_for_too_long(hours: float) -> None:
    """As a card is, by the door's own setting."""
    hub = DeskHub(make_key())
    point = Point(1, "front", False, 5.0, offline_seconds_max=0.45 * 3600)
    hub.unlock = Unlock(
        rules=SiteRules({1: point}, ZoneInfo("Europe/Berlin"), 90 * DAY),
        policy=hub.policy,
        log=hub.log,
        clock=hub.clock,
        tell=hub.tell,
        doors=hub.doors,
        watch=hub.watch,
        persons=Persons(hub.clock),
        offline_seconds=lambda: hours * 3600,
    )
    rig = Rig(hub)
    own = key()
    rig.let_in(own)
    async with rig.serving():
        answer = await rig.goes(rig.reader.phone(own), A)
    (record, *_) = rig.decisions()
    if hours < 0.45:
        assert answer is Answer.GRANTED
    else:
        assert answer is Answer.DENIED
        assert record.detail[Fact.WHY] == str(Denial.OFFLINE_TOO_LONG)


async def test_a_policy_that_cannot_be_read_opens_nothing(rig: Rig) -> None:
    own = key()
    rig.let_in(own)
    rig.hub.policy.failing = StoreError("told to fail")
    async with rig.serving():
        assert await rig.goes(rig.reader.phone(own), A) is Answer.DENIED
    assert rig.hub.strikes == 0


async def test_nothing_is_said_while_nobody_listens_or_nobody_is_there(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        await asyncio.sleep(0.02)
        assert rig.radio.pkoc_sent == []
        await rig.hello()
        rig.radio.leave(A)
        await asyncio.sleep(0.02)
        said = len(rig.radio.pkoc_sent)
        await asyncio.sleep(0.02)
        assert len(rig.radio.pkoc_sent) == said


async def test_a_silent_phone_is_said_hello_to_for_a_while_only(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        await rig.hello()
        rig.hub.clock.advance(HELLO_SECONDS + 0.1)
        await asyncio.sleep(0.02)
        said = len(rig.radio.pkoc_sent)
        await asyncio.sleep(0.02)
        assert len(rig.radio.pkoc_sent) == said


async def test_a_phone_that_subscribes_second_hears_a_hello_too(rig: Rig) -> None:
    """BlueZ tells nothing of it."""
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        rig.radio.leave(A)
        before = len(rig.radio.pkoc_sent)
        rig.radio.come(B)
        await until(lambda: len(rig.radio.pkoc_sent) > before)


async def test_no_hello_while_a_phone_is_amid_its_visit(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        said = len(rig.radio.pkoc_sent)
        rig.radio.come(B)
        assert rig.radio.pkoc is not None
        rig.radio.pkoc.listens(True)
        await asyncio.sleep(0.02)
        assert len(rig.radio.pkoc_sent) == said


async def test_each_hello_after_an_answer_has_a_new_key(rig: Rig) -> None:
    async with rig.serving():
        own = key()
        await rig.goes(rig.reader.phone(own), A)
        old = {message[9:42] for message in rig.radio.pkoc_sent if message[:1] == b"\x0c"}
        rig.radio.leave(A)
        rig.radio.come(B)
        new = await rig.hello()
        assert new[9:42] not in old


async def test_a_slow_phone_that_heard_the_same_hello_is_met_after_the_quick_one(
    rig: Rig,
) -> None:
    own = [key(), key()]
    for one in own:
        rig.let_in(one)
    async with rig.serving():
        rig.radio.come(A)
        rig.radio.come(B)
        hello = await rig.hello()
        slow = rig.reader.phone(own[1])
        first = slow.heard(hello)
        assert first is not None
        quick = rig.reader.phone(own[0])
        quick_first = quick.heard(hello)
        assert quick_first is not None
        quick_second = quick.heard(await rig.writes(A, quick_first))
        assert quick_second is not None
        assert await rig.writes(A, quick_second) == b"\x04\x01\x03"
        await rig.hello()
        second = slow.heard(await rig.writes(B, first))
        assert second is not None


async def test_a_phone_that_speaks_the_hubs_own_protocol_is_not_heard_in_the_other(
    rig: Rig,
) -> None:
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        assert rig.radio.listener is not None
        assert rig.radio.listener.info(A)
        assert rig.radio.pkoc is not None
        with pytest.raises(SequenceError):
            rig.radio.pkoc.pkoc_frame(A, first)


async def test_a_phone_of_others_is_not_heard_in_the_hubs_own_protocol(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        assert rig.radio.listener is not None
        assert rig.radio.listener.info(A) == b""
        with pytest.raises(SequenceError):
            rig.radio.listener.frame(A, b"\x01", 247)
        assert len(rig.links) == 0


async def test_a_write_before_any_hello_is_refused(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        assert rig.radio.pkoc is not None
        with pytest.raises(SequenceError):
            rig.radio.pkoc.pkoc_frame(A, b"\x07\x00")


async def test_a_broken_message_is_refused_and_the_phone_is_dropped(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        await rig.hello()
        assert rig.radio.pkoc is not None
        with pytest.raises(PeerError):
            rig.radio.pkoc.pkoc_frame(A, b"\x07\x01")
        await until(lambda: A in rig.radio.dropped)
        assert len(rig.refused) == 1
        assert len(rig.beside) == 0


async def test_a_failed_proof_is_answered_and_dropped_and_the_next_phone_is_served(
    rig: Rig,
) -> None:
    own = key()
    rig.let_in(own)
    async with rig.serving():
        rig.radio.come(A)
        phone = rig.reader.phone(own)
        first = phone.heard(await rig.hello())
        assert first is not None
        second = phone.heard(await rig.writes(A, first))
        assert second is not None
        assert await rig.writes(A, second[:-1] + bytes([second[-1] ^ 1])) == b"\x04\x01\x02"
        await until(lambda: A in rig.radio.dropped)
        assert await rig.goes(rig.reader.phone(own), B) is Answer.GRANTED


async def test_more_phones_than_places_are_refused(rig: Rig) -> None:
    async with rig.serving():
        for link in (A, B, C):
            rig.radio.come(link)
        hello = await rig.hello()
        for link in (A, B):
            first = rig.reader.phone().heard(hello)
            assert first is not None
            await rig.writes(link, first)
        first = rig.reader.phone().heard(hello)
        assert first is not None
        assert rig.radio.pkoc is not None
        with pytest.raises(SequenceError, match="all 2 places"):
            rig.radio.pkoc.pkoc_frame(C, first)
        assert rig.links.unanswered() == 2


async def test_an_own_phone_goes_through_its_visit_while_all_of_their_places_are_taken(
    rig: Rig,
) -> None:
    async with rig.serving():
        peer = Peer(cast(Any, rig), "own")
        peer.connect()
        assert peer.info()
        rig.radio.come(B)  # hears the hello, too
        await _meets(rig, A)
        first = rig.reader.phone().heard(rig.radio.pkoc_sent[0])
        assert first is not None
        await rig.writes(B, first)
        assert len(rig.beside) == PLACES
        assert len(rig.links) + len(rig.beside) == LINKS_MAX
        decided = await peer.unlock()
        assert decided is not None
        assert decided.verdict.allowed
        assert rig.hub.doors["front"].strikes == 1


async def test_they_take_places_of_the_radios_links(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        for number in range(2, 2 + LINKS_MAX):
            rig.radio.come(LinkId("other", number))
        assert len(rig.links) + len(rig.beside) == LINKS_MAX


async def _meets(rig: Rig, link: LinkId) -> bytes:
    """Let a stranger begin a visit; return the proof that it could write."""
    phone = rig.reader.phone()
    rig.radio.come(link)
    first = phone.heard(await rig.hello())
    assert first is not None
    second = phone.heard(await rig.writes(link, first))
    assert second is not None
    return second


@pytest.mark.parametrize("end", ["answered", "failed", "out of turn", "too slow"])
async def test_a_visit_that_is_over_takes_no_place_however_long_the_phone_stays(
    rig: Rig, end: str
) -> None:
    """links, law 2: no own phone is sent away for strangers whom the radio does not drop."""
    own = LinkId("own", 9)
    rig.radio.drop_fails = LinkError("told to fail")
    async with rig.serving():
        rig.radio.come(own)
        assert rig.radio.listener is not None
        assert rig.radio.listener.info(own)
        for link in (A, B):
            second = await _meets(rig, link)
            if end == "answered":
                await rig.writes(link, second)
            elif end == "failed":
                await rig.writes(link, second[:-1] + bytes([second[-1] ^ 1]))
            elif end == "out of turn":
                assert rig.radio.pkoc is not None
                with pytest.raises(PeerError):
                    rig.radio.pkoc.pkoc_frame(link, b"\x07\x00")
            else:
                rig.hub.clock.advance(PHASE_SECONDS[ReaderPhase.PROVING])
                rig.beside.sweep()
            assert len(rig.beside) == 0
        assert rig.beside.has(A)
        assert rig.beside.has(B)
        assert rig.links.connected() == 3, "whoever is there is counted, of either service"
        rig.radio.come(LinkId("own", 10))
        rig.radio.come(LinkId("own", 11))
        assert len(rig.links) == LINKS_MAX
        assert own not in rig.radio.dropped
        assert rig.radio.listener.info(own)


async def test_who_has_proven_nothing_makes_room_before_an_own_phone_that_has_not_failed(
    rig: Rig,
) -> None:
    own = LinkId("own", 9)
    async with rig.serving():
        rig.radio.come(own)
        assert rig.radio.listener is not None
        assert rig.radio.listener.info(own)
        rig.radio.come(B)  # hears the hello, too
        await _meets(rig, A)
        first = rig.reader.phone().heard(rig.radio.pkoc_sent[0])
        assert first is not None
        await rig.writes(B, first)
        for number, sent_away in ((10, A), (11, B)):
            rig.radio.come(LinkId("own", number))
            await until(lambda gone=sent_away: gone in rig.radio.dropped)  # type: ignore[misc]
        assert rig.radio.dropped == [A, B]
        assert rig.refused == []
        assert rig.radio.listener.info(own)


async def test_who_has_proven_a_key_is_not_sent_away_for_another(rig: Rig) -> None:
    rig.hub.log.hold()
    async with rig.serving():
        second = await _meets(rig, A)
        assert rig.radio.pkoc is not None
        rig.radio.pkoc.pkoc_frame(A, second)
        await until(lambda: len(rig.hub.log.held) == 1)
        for number in range(2, 2 + LINKS_MAX):
            rig.radio.come(LinkId("other", number))
        await until(lambda: LinkId("other", 2) in rig.radio.dropped)
        assert A not in rig.radio.dropped
        rig.hub.log.move_on()


WRITES = 1000


@pytest.mark.parametrize("why", ["no hello", "no place", "own protocol"])
async def test_who_cannot_be_served_is_counted_once_and_dropped_once(rig: Rig, why: str) -> None:
    """links, law 5."""
    async with rig.serving():
        assert rig.radio.listener is not None
        assert rig.radio.pkoc is not None
        first = b"\x07\x00"
        if why == "no place":
            for link in (A, B):
                rig.radio.come(link)
            hello = await rig.hello()
            for link in (A, B):
                first = rig.reader.phone().heard(hello) or b""
                await rig.writes(link, first)
        rig.radio.come(C)
        if why == "own protocol":
            assert rig.radio.listener.info(C)
        for _ in range(WRITES):
            with pytest.raises(SequenceError):
                rig.radio.pkoc.pkoc_frame(C, first)
        await until(lambda: C in rig.radio.gone)
        assert rig.radio.dropped == [C]
        assert len(rig.refused) == 1
        assert C not in rig.links._sent_away


@pytest.mark.parametrize("end", ["answered", "failed", "too slow"])
async def test_writes_after_the_end_are_counted_once_and_the_phone_is_dropped_once(
    rig: Rig, end: str
) -> None:
    """visit, law 5."""
    async with rig.serving():
        second = await _meets(rig, A)
        if end == "answered":
            await rig.writes(A, second)
            assert rig.refused == []
        elif end == "failed":
            assert rig.radio.pkoc is not None
            rig.radio.pkoc.pkoc_frame(A, second[:-1] + bytes([second[-1] ^ 1]))
        else:
            rig.hub.clock.advance(PHASE_SECONDS[ReaderPhase.PROVING])
            rig.beside.sweep()
        assert rig.radio.pkoc is not None
        for _ in range(WRITES):
            with pytest.raises(SequenceError):
                rig.radio.pkoc.pkoc_frame(A, second)
        await until(lambda: A in rig.radio.gone)
        assert rig.radio.dropped == [A]
        assert len(rig.refused) == 1


async def test_a_phone_that_stops_amid_its_visit_is_sent_away(rig: Rig) -> None:
    async with rig.serving():
        rig.radio.come(A)
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        rig.hub.clock.advance(PHASE_SECONDS[ReaderPhase.PROVING])
        await until(lambda: A in rig.radio.dropped)
        await until(lambda: len(rig.beside) == 0)


async def test_two_phones_that_stop_amid_their_visits_keep_no_other_out(rig: Rig) -> None:
    """hellos, law 5: one begins when the other's time is nearly over."""
    each = PHASE_SECONDS[ReaderPhase.PROVING] + SWEEP_SECONDS
    assert 2 * each < min(HELLO_SECONDS, FIRST_READ_SECONDS)
    async with rig.serving():
        rig.radio.come(A)
        rig.radio.come(B)
        hello = await rig.hello()
        firsts = [rig.reader.phone().heard(hello) for _ in range(2)]
        rig.radio.come(C)
        phone = rig.reader.phone()
        for link, first in zip((A, B), firsts, strict=True):
            assert first is not None
            await rig.writes(link, first)
            said = len(rig.radio.pkoc_sent)
            rig.hub.clock.advance(each)
        await until(lambda: len(rig.radio.pkoc_sent) > said)
        first = phone.heard(rig.radio.pkoc_sent[-1])
        assert first is not None
        second = phone.heard(await rig.writes(C, first))
        assert second is not None
        phone.heard(await rig.writes(C, second))
        assert phone.answer is Answer.DENIED
    (record,) = rig.decisions()
    assert record.detail[Fact.WHY] == str(Denial.UNKNOWN_CREDENTIAL)


async def test_a_strangers_first_write_that_fails_is_answered_to_nobody(rig: Rig) -> None:
    """reader, law 4: an honest phone amid its visit goes on."""
    own = key()
    rig.let_in(own)
    async with rig.serving():
        rig.radio.come(B)
        phone = rig.reader.phone(own)
        rig.radio.come(A)
        first = phone.heard(await rig.hello())
        assert first is not None
        second = phone.heard(await rig.writes(A, first))
        assert second is not None
        said = len(rig.radio.pkoc_sent)
        assert rig.radio.pkoc is not None
        with pytest.raises(ProofError):
            rig.radio.pkoc.pkoc_frame(B, write_long(0x07, b"\x04" + b"\x01" * 64))
        await until(lambda: B in rig.radio.gone)
        assert len(rig.radio.pkoc_sent) == said
        phone.heard(await rig.writes(A, second))
        assert phone.answer is Answer.GRANTED


@pytest.mark.parametrize("who", ["who heard it", "who came later"])
async def test_a_turn_that_was_answered_is_open_to_who_has_heard_it_and_to_nobody_else(
    rig: Rig, who: str
) -> None:
    """turn, law 4."""
    async with rig.serving():
        if who == "who heard it":
            rig.radio.come(B)
        rig.radio.come(A)
        hello = await rig.hello()
        firsts = [rig.reader.phone().heard(hello) for _ in range(2)]
        assert firsts[0] is not None
        assert firsts[1] is not None
        await rig.writes(A, firsts[0])
        if who == "who heard it":
            await rig.writes(B, firsts[1])
            return
        rig.radio.come(B)
        assert rig.radio.pkoc is not None
        with pytest.raises(SequenceError):
            rig.radio.pkoc.pkoc_frame(B, firsts[1])


async def test_a_turn_is_let_go_when_its_time_is_over_and_nobody_comes(rig: Rig) -> None:
    """hellos, law 6."""
    async with rig.serving():
        rig.radio.come(A)
        await rig.hello()
        rig.radio.leave(A)
        turn = rig.beside._hellos.turn
        assert turn is not None
        rig.hub.clock.advance(TURN_SECONDS)
        rig.beside.sweep()
        assert turn._private is None
        assert rig.beside._hellos.turn is None


async def test_a_radio_that_fails_harms_no_later_phone(rig: Rig) -> None:
    own = key()
    rig.let_in(own)
    async with rig.serving():
        rig.radio.notify_fails = LinkError("told to fail")
        rig.radio.come(A)
        assert rig.radio.pkoc is not None
        rig.radio.pkoc.listens(True)
        await asyncio.sleep(0.01)
        rig.radio.leave(A)
        rig.radio.notify_fails = None
        assert await rig.goes(rig.reader.phone(own), B) is Answer.GRANTED


async def test_a_phone_that_leaves_before_its_record_is_durable_moves_nothing(rig: Rig) -> None:
    own = key()
    rig.let_in(own)
    rig.hub.log.hold()
    async with rig.serving():
        phone = rig.reader.phone(own)
        rig.radio.come(A)
        first = phone.heard(await rig.hello())
        assert first is not None
        second = phone.heard(await rig.writes(A, first))
        assert second is not None
        assert rig.radio.pkoc is not None
        rig.radio.pkoc.pkoc_frame(A, second)
        await until(lambda: len(rig.hub.log.held) == 1)
        rig.radio.leave(A)
        rig.hub.log.move_on()
        await until(lambda: len(rig.hub.log.stored) == 2)
    assert rig.hub.strikes == 0


async def test_a_phone_that_does_not_go_is_dropped_a_number_of_times(rig: Rig) -> None:
    """visit, law 4: however often its time is found to be over."""
    async with rig.serving():
        rig.radio.come(A)
        rig.radio.drop_fails = LinkError("told to fail")
        first = rig.reader.phone().heard(await rig.hello())
        assert first is not None
        await rig.writes(A, first)
        for _ in range(5):
            rig.hub.clock.advance(PHASE_SECONDS[ReaderPhase.PROVING])
            rig.beside.sweep()
        await until(lambda: len(rig.radio.dropped) == DROP_TRIES)
        await asyncio.sleep(0.05)
        assert len(rig.radio.dropped) == DROP_TRIES
