"""Alarms that a bridge tells: kept until their record comes, in any order, within bounds."""

from __future__ import annotations

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Notice
from hubcore.timing.pace import Rate
from hubsite.bridge import alarms as told_alarms
from hubsite.bridge.answer import BridgeNow, read_now
from hubsite.bridge.models import BridgeAlarm
from hubsite.bridge.watching.hearing import Hearing
from hubsite.records import kept
from hubsite.records.models import Chain, Record
from hubsite.records.showing import alarms as shown_alarms
from tests.site.chains import NOW, message
from tests.site.fakebridge import alarm_from
from tests.site.records.test_by_the_bridge import LOG, engine_away
from tests.site.server import begun

pytestmark = pytest.mark.once


DAY = 86_400
ENDLESS = Rate(burst=1e9, per_second=1e9)
ALARMS = (1, 3, 4)
NUMBERS = st.sampled_from(ALARMS)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("records"), st.integers(1, len(LOG))),
        st.tuples(st.just("told"), st.frozensets(NUMBERS)),
        st.tuples(st.just("lies"), NUMBERS),
        st.tuples(st.just("falsifies"), NUMBERS),
        st.tuples(st.just("misdates"), NUMBERS),
        st.tuples(st.just("seen"), st.none()),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=12,
)


class Model:
    """What has to be so: which alarms have their records, which were told, which were seen."""

    def __init__(self) -> None:
        self.hearing = Hearing(ENDLESS, ENDLESS)
        self.head = 0
        self.told: set[int] = set()
        self.seen: set[int] = set()

    def do(self, kind: str, what: object) -> None:
        match kind, what:
            case "records", int(count):
                kept.take([message(1, LOG[:count])], NOW)
                self.head = max(self.head, count)
            case "told", frozenset(numbers):
                self._hear([alarm_from(LOG[number - 1]) for number in sorted(numbers)])
                self.told |= numbers
            case "lies", int(number):
                self._hear([{**alarm_from(LOG[number - 1]), "what": "door 'front': all is well"}])
            case "falsifies", int(number):
                self._hear([{**alarm_from(LOG[number - 1]), "hash": "0" * 64}])
            case "misdates", int(number):
                true = alarm_from(LOG[number - 1])
                self._hear([{**true, "at": true["at"] - 20 * DAY}])
            case "seen", _:
                shown_alarms.see("olga", [row.pk for row in shown_alarms.unseen()])
                told_alarms.see("bert", [row.pk for row in told_alarms.unseen()])
                self.seen |= self.shown
            case _:
                self.hearing = Hearing(ENDLESS, ENDLESS)

    def _hear(self, alarms: list[dict[str, object]]) -> None:
        answer = {"bridge": "bridge-1", "at": NOW, "alarms": alarms}
        self.hearing.hear(read_now(answer), NOW)

    @property
    def with_record(self) -> set[int]:
        return {number for number in ALARMS if number <= self.head}

    @property
    def shown(self) -> set[int]:
        return self.with_record | self.told

    def holds(self) -> None:
        records = {row.number: row for row in Record.objects.filter(is_alarm=True)}
        assert set(records) == self.with_record
        said = {one.number: one for one in BridgeAlarm.objects.all() if _is_true(one)}
        assert set(said) == self.told - self.with_record, "each is there once"
        for number in self.shown:
            row = records.get(number) or said[number]
            assert (row.seen_at is not None) == (number in self.seen), "seen stays seen"
        others = [one for one in BridgeAlarm.objects.all() if not _is_true(one)]
        for one in others:
            assert one.is_other == (one.number in self.with_record)


def _is_true(row: BridgeAlarm) -> bool:
    return told_alarms.is_of(row.identity, LOG[row.number - 1])


@given(EVENTS)
@hypothesis_settings(max_examples=30, deadline=None)
def test_in_whatever_order_an_alarm_comes_it_is_there_once_and_seen_stays_seen(
    events: list[tuple[str, object]],
) -> None:
    """alarms, laws 1, 2, 3 and 5; hearing, law 1; kept, law 6"""
    begun().fresh()
    model = Model()
    for kind, what in events:
        model.do(kind, what)
        model.holds()


def test_what_came_in_the_same_moment_as_its_record_is_settled() -> None:
    """hearing, `settle`"""
    kept.take([message(1, LOG)], NOW)
    row = alarm_from(LOG[2])
    BridgeAlarm.objects.create(
        hub="hub-1",
        number=3,
        chain_hash=row["hash"],
        words=row["what"],
        at=int(row["at"]),
        bridge="bridge-1",
        heard_at=NOW,
        seen_by="olga",
        seen_at=NOW,
    )
    Hearing().hear(read_now({"bridge": "bridge-1", "at": NOW}), NOW)
    assert not BridgeAlarm.objects.exists()
    assert Record.objects.get(number=3).seen_by == "olga"


def test_rows_have_a_ceiling_and_no_hub_pushes_out_another() -> None:
    """alarms, law 4; hearing, law 4"""
    ceilings = told_alarms.Ceilings(each=4, all=16)
    hearing = Hearing(ENDLESS, ENDLESS, ceilings)
    quiet = {**alarm_from(LOG[0]), "hub": "quiet"}
    for turn in range(1, 8):
        loud = [{**quiet, "hub": f"h{one}", "record": turn} for one in range(6)]
        said = read_now({"bridge": "bridge-1", "at": NOW, "alarms": [quiet, *loud]})
        hearing.hear(said, NOW)
        assert BridgeAlarm.objects.count() <= ceilings.all
    assert BridgeAlarm.objects.filter(hub="quiet").count() == 1
    mine = list(BridgeAlarm.objects.filter(hub="h1").values_list("number", flat=True))
    assert len(mine) <= ceilings.each
    assert max(mine) == 7
    before = set(BridgeAlarm.objects.values_list("pk", flat=True))
    Hearing(ENDLESS, ENDLESS, ceilings).hear(said, NOW)
    after = set(BridgeAlarm.objects.values_list("pk", flat=True))
    assert after == before, "a start changes none"
    alone = [{**quiet, "record": number} for number in range(8, 20)]
    many = Hearing(ENDLESS, ENDLESS, told_alarms.Ceilings(each=4))
    many.hear(read_now({"bridge": "bridge-1", "at": NOW, "alarms": alone}), NOW)
    mine = list(BridgeAlarm.objects.filter(hub="quiet").values_list("number", flat=True))
    assert sorted(mine) == [16, 17, 18, 19]


def test_an_alarm_that_is_told_with_another_time_was_not_seen() -> None:
    """alarms, laws 1 to 3; the page shows the time that the bridge says"""
    true = alarm_from(LOG[2])
    hearing = Hearing(ENDLESS, ENDLESS)
    hearing.hear(_said({**true, "at": true["at"] - 20 * DAY}), NOW)
    told_alarms.see("olga", [row.pk for row in told_alarms.unseen()])
    hearing.hear(_said(true), NOW)
    (unseen,) = told_alarms.unseen()
    assert unseen.at == NOW + 2
    kept.take([message(1, LOG)], NOW)
    assert Record.objects.get(number=3).seen_at is None
    assert [(row.is_other, row.seen_by) for row in BridgeAlarm.objects.all()] == [(True, "olga")]


def test_the_bridges_other_time_does_not_hide_what_the_engine_said_ahead() -> None:
    """showing.alarms, law 3"""
    engine_away()
    (follower,) = settings.HUBSITE_RUNNING.parts
    record = LOG[2]
    notice = Notice(record.number, record.body, record.hash)
    follower.ahead.hear("hub-1", codec.encode(notice))
    true = alarm_from(record)
    hearing = Hearing(ENDLESS, ENDLESS)
    hearing.hear(_said({**true, "at": true["at"] - 20 * DAY}), NOW)
    assert len(shown_alarms.waiting()) == 1
    hearing.hear(_said(true), NOW)
    assert shown_alarms.waiting() == []


def _said(*alarms: dict[str, object]) -> BridgeNow:
    return read_now({"bridge": "bridge-1", "at": NOW, "alarms": [*alarms]})


def _made_up(count: int, hub: str = "hub-1") -> list[dict[str, object]]:
    """Return alarms of records that no hub will ever reach."""
    one = {**alarm_from(LOG[0]), "hub": hub, "what": "made up"}
    return [{**one, "record": (1 << 63) - 1 - number} for number in range(count)]


def _see_all() -> None:
    while rows := told_alarms.unseen():
        told_alarms.see("olga", [row.pk for row in rows])


@pytest.mark.parametrize("are_seen_first", [True, False])
def test_what_a_bridge_made_up_hides_no_alarm_once_somebody_has_seen_it(
    are_seen_first: bool,
) -> None:
    """alarms, laws 4 and 6; hearing, law 4"""
    hearing = Hearing(ENDLESS, ENDLESS)
    hearing.hear(_said(alarm_from(LOG[0])), NOW)
    hearing.hear(_said(alarm_from(LOG[0]), *_made_up(told_alarms.CEILINGS.each)), NOW)
    honest = _said(alarm_from(LOG[0]), alarm_from(LOG[2]))
    if not are_seen_first:
        for _ in range(3):
            assert hearing.hear(honest, NOW) == 2, "it is told as long as there is no room"
        assert not BridgeAlarm.objects.filter(number__lte=len(LOG)).exists()
    _see_all()
    assert hearing.hear(honest, NOW) == 0
    assert {row.number for row in told_alarms.unseen()} == {1, 3}
    _see_all()
    hearing.hear(honest, NOW)
    assert told_alarms.unseen() == [], "seen stays seen"


def test_what_many_hubs_made_up_leaves_for_another_hub_once_it_was_seen() -> None:
    """alarms, law 4"""
    ceilings = told_alarms.Ceilings(each=2, all=4)
    hearing = Hearing(ENDLESS, ENDLESS, ceilings)
    hearing.hear(_said(*_made_up(2, "h1"), *_made_up(2, "h2")), NOW)
    _see_all()
    honest = _said(*[alarm_from(LOG[number - 1]) for number in (1, 3)])
    assert hearing.hear(honest, NOW) == 0
    assert {(row.hub, row.number) for row in told_alarms.unseen()} == {("hub-1", 1), ("hub-1", 3)}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.booleans()), min_size=1, max_size=18
    ),
    st.data(),
)
@hypothesis_settings(max_examples=15, deadline=None)
def test_while_a_bridge_says_the_same_rows_come_to_rest(
    drawn: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """alarms, law 4; hearing, law 4: no row is written for ever"""
    begun().fresh()
    ceilings = told_alarms.Ceilings(each=3, all=5)
    hearing = Hearing(ENDLESS, ENDLESS, ceilings)
    rows = [
        {**alarm_from(LOG[0]), "hub": hub, "record": record, "at": NOW + is_later}
        for hub, record, is_later in drawn
    ]
    cut = data.draw(st.integers(0, len(rows)))
    hearing.hear(_said(*rows[:cut]), NOW)
    told_alarms.see("olga", data.draw(st.lists(st.sampled_from([*_keys(), 0]))))
    for _ in range(len(rows) ** 2 + 2):
        before = _keys()
        left_out = hearing.hear(_said(*rows), NOW)
        assert len(_keys()) <= ceilings.all
        if _keys() == before:
            break
    assert _keys() == before
    known = {row.identity for row in BridgeAlarm.objects.all()}
    unseen = {one.identity for one in _said(*rows).alarms} - known
    assert left_out <= len(unseen)
    has_room = len(known) < ceilings.all
    assert not has_room or all(_rows_of(hub) == ceilings.each for hub, *_ in hearing._left_out)


def _keys() -> set[int]:
    return set(BridgeAlarm.objects.values_list("pk", flat=True))


def _rows_of(hub: str) -> int:
    return BridgeAlarm.objects.filter(hub=hub).count()


def test_what_was_never_looked_at_comes_before_what_found_no_room() -> None:
    """hearing, law 3"""
    hearing = Hearing(ENDLESS, Rate(burst=4, per_second=1e-9), told_alarms.Ceilings(each=2))
    full = _made_up(2)
    hearing.hear(_said(*full), NOW)
    low = alarm_from(LOG[0])
    assert hearing.hear(_said(low, *full), NOW) == 1
    hearing.hear(_said(low, *full, {**low, "hub": "hub-2"}), NOW)
    assert _rows_of("hub-2") == 1


def test_new_alarms_are_kept_at_a_pace_and_the_rest_in_later_turns() -> None:
    """hearing, law 3"""
    hearing = Hearing(Rate(burst=2, per_second=1e-9), ENDLESS)
    many = [{**alarm_from(LOG[0]), "record": number} for number in range(1, 9)]
    many.append({**alarm_from(LOG[0]), "hub": "hub-2"})
    said = read_now({"bridge": "bridge-1", "at": NOW, "alarms": many})
    for _ in range(3):
        hearing.hear(said, NOW)
        assert BridgeAlarm.objects.filter(hub="hub-1").count() == 2
        assert BridgeAlarm.objects.filter(hub="hub-2").count() == 1
    later = Hearing(Rate(burst=2, per_second=1e9), ENDLESS)
    for _ in range(4):
        later.hear(said, NOW)
    assert BridgeAlarm.objects.filter(hub="hub-1").count() == 8


def test_an_alarm_whose_record_went_by_its_age_leaves_nothing() -> None:
    """hearing, law 2"""
    kept.take([message(1, LOG)], NOW)
    Chain.objects.update(base_number=4, base_hash=LOG[3].hash)
    Record.objects.filter(number__lte=4).delete()
    Hearing().hear(read_now({"bridge": "b", "at": NOW, "alarms": [alarm_from(LOG[2])]}), NOW)
    assert not BridgeAlarm.objects.exists()
