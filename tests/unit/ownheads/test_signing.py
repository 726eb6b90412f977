"""When a hub signs its own head for a bridge, by a clock of the test."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.bridge.backend.from_bridge import Forwarded
from hubcore.bridge.backend.words import BATCH_BYTES, BATCH_RECORDS
from hubcore.bridge.from_hub import OwnHead
from hubcore.bridge.signedhead import prove_own_head
from hubcore.bridge.stretch import fits, reach
from hubcore.evidence.records import BODY_BYTES, Head
from hubd.bridge.heads import HEAD_SECONDS, HEADS, RETRY_SECONDS, OwnHeads
from hubsim.site.documents import make_key
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock

HUB = HubName("site-1", "hub-1")
KEY = make_key()


@dataclass
class Desk:
    """A hub that signs, its log and its clock; `held` is what the bridge has said to hold."""

    clock: FakeClock = field(default_factory=FakeClock)
    records: FakeAudit = field(default_factory=FakeAudit)
    held: int = 0
    signed: list[Head] = field(default_factory=list)
    takes: bool = True
    turns: int = 0

    def __post_init__(self) -> None:
        self.heads = OwnHeads(
            records=self.records,
            hub=HUB,
            key=KEY,
            clock=self.clock,
            held=lambda: self.held,
            say=self.say,
            doors_first=self.doors,
        )

    def say(self, message: OwnHead) -> bool:
        if self.takes:
            self.signed.append(prove_own_head(message.document, HUB, KEY.verify_key).head)
        return self.takes

    async def doors(self) -> None:
        self.turns += 1

    @property
    def numbers(self) -> list[int]:
        return [one.number for one in self.signed]


async def desk_with(count: int) -> Desk:
    desk = Desk()
    await desk.records.fill(count)
    desk.heads.begin(0)
    return desk


async def test_the_last_record_has_its_head_without_another_record() -> None:
    """heads, laws 1 and 3"""
    desk = await desk_with(3)
    assert await desk.heads.give() is None  # nothing is held yet
    desk.held = 1
    assert await desk.heads.give() is None
    assert desk.numbers == [1]
    assert desk.turns == 1
    desk.held = 3
    at = await desk.heads.give()
    assert at == desk.clock.monotonic() + HEAD_SECONDS
    desk.clock.advance(HEAD_SECONDS)
    assert await desk.heads.give() is None
    assert desk.numbers == [1, 3]
    (newest,) = desk.records.newest(4, 1)
    assert desk.signed[-1] == Head(3, newest.hash)


async def test_an_outage_is_signed_a_stretch_at_a_time() -> None:
    """heads, law 2"""
    desk = await desk_with(3 * BATCH_RECORDS + 5)
    desk.held = 3 * BATCH_RECORDS + 5
    assert await desk.heads.give() is not None
    assert desk.numbers == [64, 128, 192]
    desk.clock.advance(HEAD_SECONDS)
    await desk.heads.give()
    assert desk.numbers == [64, 128, 192, 197]


async def test_a_bridge_that_needs_all_again_gets_it_in_its_pace() -> None:
    """heads, law 4"""
    desk = await desk_with(2 * BATCH_RECORDS)
    desk.held = 2 * BATCH_RECORDS
    until = None
    for _ in range(int(HEADS.burst)):
        desk.heads.begin(0)
        until = await desk.heads.give()
    assert len(desk.signed) == HEADS.burst
    assert until == desk.clock.monotonic() + 1 / HEADS.per_second
    desk.clock.advance(1.0)
    for _ in range(int(HEADS.burst)):
        desk.heads.begin(0)
        await desk.heads.give()
    assert len(desk.signed) == HEADS.burst + HEADS.per_second


async def test_what_the_connection_does_not_take_is_signed_later() -> None:
    desk = await desk_with(2)
    desk.held = 2
    desk.takes = False
    assert await desk.heads.give() == desk.clock.monotonic() + RETRY_SECONDS
    desk.takes = True
    assert await desk.heads.give() is None
    assert desk.numbers == [2]
    desk.heads.stop()
    desk.held = 9
    assert await desk.heads.give() is None


async def test_records_that_have_gone_need_no_head() -> None:
    desk = await desk_with(BATCH_RECORDS + 6)
    desk.records.went = 6
    desk.held = BATCH_RECORDS + 6
    assert await desk.heads.give() is None
    assert desk.numbers == [BATCH_RECORDS + 6]
    desk.records.went = desk.held = BATCH_RECORDS + 6
    desk.heads.begin(0)
    desk.clock.advance(HEAD_SECONDS)
    assert await desk.heads.give() is None
    assert len(desk.signed) == 1


@given(st.lists(st.integers(1, BODY_BYTES), min_size=1, max_size=200))
def test_a_stretch_is_one_message_to_the_backend(lengths: list[int]) -> None:
    """stretch, law 1: whatever the records weigh"""
    count = reach(lengths)
    assert 1 <= count <= BATCH_RECORDS
    sent = [
        uplink.encode(Evidence((1 << 63) - 1, bytes(length), bytes(32)))
        for length in lengths[:count]
    ]
    assert Forwarded("h" * 32, tuple(sent), bytes(1024))
    assert sum(map(len, sent)) <= BATCH_BYTES
    is_all = count == len(lengths)
    assert is_all or not fits(count + 1, sum(lengths[: count + 1]))
