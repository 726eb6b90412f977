"""Alarms ahead of their records: which are told, when, how often, and that they change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.words import Action
from hubcore.backend.notices import EACH, REMEMBERED, Notices
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import HubMessage, Notice
from hubcore.door.phases import Happening
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.carried_alarms import BEGUN_BY_END
from hubcore.evidence.facts import Detail, Fact, RecordKind
from hubcore.evidence.records import Record
from hubd.backend.beside.notices import LOOKED_AT_ONCE, PACE, NoticeSender
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock

ORDINARY: Detail = {Fact.DOOR: "front", Fact.WHAT: str(Happening.ACCESS_TAKEN)}
FORCED: Detail = {Fact.DOOR: "front", Fact.WHAT: str(Happening.FORCED)}
THREAT: Detail = {
    Fact.ASKER: "anna",
    Fact.POINT: 3,
    Fact.ACTION: int(Action.OPEN),
    Fact.ALLOWED: True,
    Fact.DURESS: True,
}


def record(detail: Detail, kind: RecordKind = RecordKind.DOOR) -> Record:
    return Record.at(kind, 1_800_000_000.0, 5.0, detail)


# Which records are alarms.


@pytest.mark.parametrize("happening", Happening)
def test_an_alarm_of_a_door_is_its_beginning(happening: Happening) -> None:
    said = alarm_of(record({Fact.DOOR: "front", Fact.WHAT: str(happening)}).encode())
    assert bool(said) == (happening in set(BEGUN_BY_END.values()))


def test_a_threat_and_fire_are_alarms_and_their_ends_are_none() -> None:
    assert "send help" in alarm_of(record(THREAT, RecordKind.ACCESS).encode())
    unhurt: Detail = {**THREAT, Fact.DURESS: False}
    assert alarm_of(record(unhurt, RecordKind.ACCESS).encode()) == ""
    for on in (True, False):
        fire: Detail = {Fact.DOOR: "front", Fact.ORDER: "fire", Fact.ON: on}
        assert bool(alarm_of(record(fire, RecordKind.ORDER).encode())) == on
    asked: Detail = {Fact.ASKER: "duress-forced-fire", Fact.POINT: 1, Fact.ALLOWED: True}
    assert alarm_of(record(asked, RecordKind.ACCESS).encode()) == ""


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda b: b + b"duress")))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_alarm_or_none(body: bytes) -> None:  # alarms, law 2
    assert alarm_of(body) == ""


# What the hub says.


class Hub:
    """A log of records that wait, and what is said of them ahead."""

    def __init__(self, window: int = 0) -> None:
        self.log = FakeAudit()
        self.clock = FakeClock()
        self.said: list[Notice] = []
        self.takes = True
        self.sender = NoticeSender(
            records=self.log, clock=self.clock, pace=Pace(window=window), say=self._say
        )

    def _say(self, message: HubMessage) -> bool:
        assert isinstance(message, Notice)
        if self.takes:
            self.said.append(message)
        return self.takes

    async def append(self, *details: Detail) -> None:
        for detail in details:
            await self.log.append(record(detail))

    async def look(self, sent: int = 0) -> float | None:
        """Look on as long as there is something to look at now."""
        while (at := await self.sender.send(sent)) is not None and at <= self.clock.monotonic():
            pass
        return at

    @property
    def numbers(self) -> list[int]:
        return [notice.number for notice in self.said]


async def test_an_alarm_behind_many_records_is_told_once_ahead_of_them() -> None:
    hub = Hub()
    await hub.append(*[ORDINARY] * (2 * LOOKED_AT_ONCE), FORCED, *[ORDINARY] * 10)
    assert await hub.look(sent=16) is None
    assert hub.numbers == [2 * LOOKED_AT_ONCE + 1]
    (notice,) = hub.said
    stored = hub.log.stored[notice.number - 1]
    assert (notice.body, notice.hash) == (stored.body, stored.hash)
    await hub.append(ORDINARY, FORCED)
    await hub.look(sent=16)
    assert len(hub.said) == 2
    assert hub.log.waiting() == len(hub.log.stored)  # law 1: each waits as before


async def test_what_goes_up_at_once_needs_no_notice() -> None:  # law 2
    hub = Hub(window=256)
    await hub.append(*[FORCED] * 258)
    assert await hub.look(sent=2) is None
    assert hub.said == []
    await hub.append(ORDINARY)
    await hub.look(sent=2)
    assert hub.numbers[0] == 3


async def test_on_a_new_uplink_all_that_wait_are_told_again_and_no_other() -> None:  # law 3
    hub = Hub()
    await hub.append(FORCED, ORDINARY, FORCED)
    await hub.look()
    await hub.log.acknowledge([1])
    hub.sender.rewind()
    await hub.look()
    assert hub.numbers == [1, 3, 3]


async def test_an_uplink_that_takes_nothing_loses_none() -> None:
    hub = Hub()
    await hub.append(FORCED)
    hub.takes = False
    at = await hub.look()
    assert at is not None
    hub.takes = True
    hub.clock.advance(1.0)
    await hub.look()
    assert hub.numbers == [1]


async def test_very_many_alarms_go_at_a_pace_and_none_is_left_out() -> None:  # law 4
    hub = Hub()
    many = int(PACE.burst) + 5
    await hub.append(*[FORCED] * many)
    await hub.look()
    assert len(hub.said) == PACE.burst
    for _ in range(2 * many):
        hub.clock.advance(1.0)
        await hub.look()
    assert hub.numbers == list(range(1, many + 1))


@given(
    alarms=st.lists(st.booleans(), max_size=40),
    steps=st.lists(st.sampled_from(["look", "sent", "again", "deaf", "hears"]), max_size=20),
)
@settings(max_examples=60, deadline=None)
async def test_in_any_order_each_alarm_that_was_not_sent_is_told(
    alarms: list[bool], steps: list[str]
) -> None:
    hub = Hub()
    await hub.append(*[FORCED if alarm else ORDINARY for alarm in alarms])
    sent = 0
    for step in steps:
        match step:
            case "look":
                await hub.look(sent)
            case "sent":
                sent = min(sent + 3, len(alarms))
            case "again":
                hub.sender.rewind()
                sent = 0
            case "deaf" | "hears":
                hub.takes = step == "hears"
        hub.clock.advance(1.0)
    hub.takes = True
    while await hub.look(sent) is not None:
        hub.clock.advance(1.0)
    told = set(hub.numbers)
    assert told <= {number for number, alarm in enumerate(alarms, 1) if alarm}
    assert told >= {number for number, alarm in enumerate(alarms, 1) if alarm and number > sent}


# What a backend tells people.


def notice(number: int, detail: Detail = FORCED) -> Notice:
    return Notice(number, record(detail).encode(), number.to_bytes(32, "big"))


def test_a_backend_tells_of_each_alarm_once_and_of_none_that_is_durable() -> None:  # law 2
    notices = Notices()
    said = notices.sentence("hub-1", notice(9), durable=3, now=0.0)
    assert "door 'front': forced" in said
    assert "ahead of its record 9 and not proven yet" in said
    assert notices.sentence("hub-1", notice(9), durable=3, now=1.0) == ""
    assert notices.sentence("hub-2", notice(9), durable=3, now=1.0)
    assert notices.sentence("hub-1", notice(8), durable=8, now=1.0) == ""
    assert notices.sentence("hub-1", notice(10, ORDINARY), durable=3, now=1.0) == ""


def test_a_hub_sets_no_pace_and_takes_none_from_others() -> None:  # law 3
    notices = Notices()
    told = [notices.sentence("hub-1", notice(number), 0, 0.0) for number in range(1, 1000)]
    assert sum(map(bool, told)) == EACH.burst
    assert notices.sentence("hub-2", notice(1), 0, 0.0)


def test_what_was_told_is_forgotten_one_day() -> None:
    notices = Notices()
    now = 0.0
    for number in range(1, REMEMBERED + 10):
        now += 1.0
        assert notices.sentence("hub-1", notice(number), 0, now)
    assert len(notices._told) == REMEMBERED
