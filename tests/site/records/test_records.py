"""Records come here as far as they prove themselves, and each hub's alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import Notice
from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact, RecordKind
from hubcore.evidence.records import Head, StoredRecord, Walk
from hubsite.config import Records
from hubsite.records import chain, kept, letting
from hubsite.records.ahead import KEPT, Ahead
from hubsite.records.columns import UNREADABLE
from hubsite.records.engine import Message
from hubsite.records.models import Chain, HubDoor, Record
from tests.site.chains import NOW, access, at_door, head, made, message, told, visits

pytestmark = pytest.mark.once

DAY = 86_400


def numbers(hub: str = "hub-1") -> list[int]:
    return list(Record.objects.filter(hub=hub).order_by("id").values_list("number", flat=True))


def holds(hub: str = "hub-1") -> Head:
    """Walk a hub's rows from the chain's base; return where that ends."""
    of = Chain.objects.get(pk=hub)
    walk = Walk(start=of.base)
    for row in Record.objects.filter(hub=hub).order_by("number"):
        walk.take(row.stored, row.at * 1000)
    assert walk.finish() == of.head
    return of.head


def test_a_row_says_what_its_record_says() -> None:
    """models, law 1; columns, law 3"""
    records = told(
        access(allowed=False, point=7, credential="abc"),
        access(credential="reader/r1"),
        at_door("forced"),
        {"kind": RecordKind.REMOTE, Fact.ASKER: "olga", Fact.POINT: 7, Fact.ALLOWED: True},
        access(duress=True),
    )
    taken = kept.take([message(1, records)], NOW)
    assert (taken.records, taken.alarms, taken.strays) == (5, 2, [])
    rows = list(Record.objects.order_by("id"))
    assert [row.at for row in rows] == [NOW + place for place in range(5)]
    assert [row.credential for row in rows] == ["abc", "", "", "", "c1"]
    assert [row.access_point for row in rows] == [7, 1, None, 7, 1]
    assert [row.outcome for row in rows] == ["no-grant", "allowed", "forced", "allowed", "allowed"]
    assert [row.is_alarm for row in rows] == [False, False, True, False, True]
    assert [row.stored for row in rows] == records
    assert holds() == head(records)


HOSTILE: dict[str, Callable[[list[StoredRecord]], bytes]] = {
    "no CBOR": lambda _: b"\xff\xff",
    "nothing": lambda _: b"",
    "no records": lambda _: cbor.encode([]),
    "no message of a record": lambda _: cbor.encode([b"x"]),
    "too deep": lambda _: b"\x81" * 5000,
    "too large": lambda _: bytes(chain.BATCH_BYTES_MAX + 1),
    "a gap": lambda records: message(0, visits(1, before=Head(90, bytes(32)))).data,
    "a fork": lambda records: message(0, made([b"x", b"y"])).data,
    "an edit": lambda records: (
        message(0, [StoredRecord(4, records[2].body + b"x", records[2].hash)]).data
    ),
    "another chain": lambda records: message(0, visits(3, at=NOW + 5)).data,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_does_not_follow_is_said_and_stops_nobody(kind: str) -> None:
    """kept, laws 2 and 3; chain, laws 1 and 2"""
    records = visits(3)
    kept.take([message(1, records)], NOW)
    hostile = HOSTILE[kind](records)
    bad = [Message(2, hub, hostile) for hub in ("hub-1", "nobody-9", "a.b", "")]
    more = visits(2, before=head(records), at=NOW + 3)
    taken = kept.take([*bad, message(3, more), message(4, visits(2), hub="hub-2")], NOW)
    if kind not in ("another chain", "a fork"):
        assert len(taken.strays) == 3
        assert not Chain.objects.filter(pk="nobody-9").exists()
    found = Chain.objects.get(pk="hub-1")
    assert (found.refused, found.refused_place) == (1, 2)
    assert found.trouble
    assert numbers() == [1, 2, 3, 4, 5]
    assert numbers("hub-2") == [1, 2]
    assert holds() == head(more)
    assert kept.troubles() == [("hub-1", found.trouble, 1)]
    assert kept.place_read() == 4


def test_many_bad_messages_cost_no_rows() -> None:
    """kept, laws 2 and 3"""
    kept.take([message(1, visits(1))], NOW)
    for place in range(2, 12):
        bad = [Message(place, f"x{place}-{one}", b"\xff") for one in range(20)]
        kept.take([*bad, Message(place, "hub-1", b"\xff")], NOW)
    assert (Chain.objects.count(), Record.objects.count()) == (1, 1)
    assert Chain.objects.get().refused == 10
    assert Chain.objects.get().refused_place == 2


def test_bytes_that_are_no_record_are_kept_as_such() -> None:
    """columns, law 1: their chain holds, so they are what the hub has recorded"""
    records = made([b"no record", *[one.body for one in visits(1)]])
    kept.take([message(1, records)], NOW)
    assert list(Record.objects.order_by("id").values_list("kind", flat=True)) == [
        UNREADABLE,
        RecordKind.ACCESS,
    ]


def test_text_of_a_hub_is_cut_and_has_no_character_that_is_not_shown() -> None:
    """columns, law 2"""
    kept.take([message(1, told(at_door("forced", door="\x00\n" + 300 * "x")))], NOW)
    row = Record.objects.get()
    assert row.door == 2 * "\N{REPLACEMENT CHARACTER}" + 62 * "x"
    assert HubDoor.objects.get().door == row.door


def _takes_no_nul(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
    """Refuse what PostgreSQL refuses, in a column of text and in one of JSON."""
    if any(isinstance(one, str) and ("\0" in one or r"\u0000" in one) for one in params or ()):
        raise DataError("a NUL in a text")
    return execute(sql, params, many, context)


def test_no_text_of_a_hub_is_refused_by_a_database_or_as_long_as_the_hub_likes() -> None:
    """doors, law 6; of all that a hub writes into a row"""
    bad = "\0" + 300 * "x"
    cut = "\N{REPLACEMENT CHARACTER}" + 63 * "x"
    order = {"kind": RecordKind.ORDER, Fact.DOOR: "front", Fact.ON: True, Fact.UNTIL: -1}
    records = told(
        access(credential=bad),
        access(allowed=False, **{Fact.WHY: bad}),
        {**order, Fact.GIVEN_BY: bad, Fact.ORDER: bad},
        at_door("too_often", **{Fact.STATE: bad}),
    )
    with connection.execute_wrapper(_takes_no_nul):
        taken = kept.take([message(1, records)], NOW)
    assert taken.records == 4
    door = HubDoor.objects.get()
    assert (door.state, door.orders) == (cut, [[cut, cut, None]])


def test_what_the_database_refuses_is_counted_and_stops_nobody() -> None:
    """kept, law 4"""

    def refuse(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if "poison" in (params or ()):
            raise DataError("no such text")
        return execute(sql, params, many, context)

    first = visits(1)
    kept.take([message(1, first, hub="hub-2")], NOW)
    poison = told(access(credential="poison"), before=head(first), at=NOW + 1)
    other = told(access(credential="poison"))
    with connection.execute_wrapper(refuse):
        batch = [message(2, visits(2)), message(3, poison, hub="hub-2")]
        batch += [message(4, other, hub="hub-4"), message(5, visits(2), hub="hub-3")]
        taken = kept.take(batch, NOW)
    assert (taken.records, len(taken.strays), kept.place_read()) == (4, 1, 5)
    assert (numbers(), numbers("hub-2"), numbers("hub-3")) == ([1, 2], [1], [1, 2])
    chain = Chain.objects.get(pk="hub-2")
    assert (chain.refused, chain.refused_place, chain.head) == (1, 3, head(first))
    assert "the database does not take it" in chain.trouble


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_in_whatever_order_and_however_often_messages_come_each_record_is_once(
    data: st.DataObject,
) -> None:
    """chain, laws 2 and 3; kept, law 1: also of two gateways, each with its own cuts"""
    Record.objects.all().delete()
    Chain.objects.all().delete()
    records = visits(8)
    cuts = st.tuples(st.integers(0, 7), st.integers(1, 8))
    said = data.draw(st.lists(cuts, max_size=8))
    for place, (begin, count) in enumerate([*said, (0, 8)], 1):
        kept.take([message(place, records[begin : begin + count])], NOW)
    assert numbers() == list(range(1, 9))
    assert holds() == head(records)


def test_a_restart_goes_on_where_it_was_and_what_fails_keeps_nothing() -> None:
    """kept, law 1"""
    records = visits(4)
    kept.take([message(5, records[:2])], NOW)

    def refuse(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if "records_streamplace" in sql and sql.startswith("UPDATE"):
            raise OperationalError("the disk is full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        kept.take([message(6, records[2:])], NOW)
    assert numbers() == [1, 2]
    assert kept.place_read() == 5
    kept.take([message(6, records[2:])], NOW)
    assert numbers() == [1, 2, 3, 4]
    assert kept.place_read() == 6


def test_ids_only_rise_also_over_rows_that_went() -> None:
    """models, law 2"""
    records = visits(6)
    kept.take([message(1, records[:3])], NOW)
    last = Record.objects.latest("id").pk
    letting.let_go(Records(keep_days=1), NOW + 2 * DAY)
    assert numbers() == []
    kept.take([message(2, records[3:])], NOW + 2 * DAY)
    assert min(Record.objects.values_list("id", flat=True)) > last
    assert holds() == head(records)


def test_old_rows_go_by_their_number_and_the_rest_proves_itself() -> None:
    """letting, laws 1 and 2; kept, law 5: also where a clock fell, of the engine or of the hub"""
    before = visits(4, at=NOW - 3 * DAY)
    wrong_clock = visits(2, before=head(before), at=5)
    after = visits(3, before=head(wrong_clock), at=NOW)
    old = NOW - 3 * DAY
    messages = [message(1, before, at=old), message(1, wrong_clock, at=5)]
    kept.take([*messages, message(1, after, at=NOW)], NOW + 10)
    keep = Records(keep_days=2)
    assert letting.let_go(keep, NOW + 10) == 6
    assert letting.let_go(keep, NOW + 10) == 0
    assert numbers() == [7, 8, 9]
    assert Chain.objects.get().base == head(wrong_clock)
    assert holds() == head(after)
    kept.take([message(2, before)], NOW)
    assert Chain.objects.get().refused == 0, "what went is not compared again"


def test_a_clock_of_the_future_keeps_no_row_for_longer() -> None:
    """kept, law 5; models: `dated` is never later than when it came"""
    later = NOW + 900 * DAY
    kept.take([message(1, visits(2, at=later), at=later)], NOW)
    assert letting.let_go(Records(keep_days=2), NOW + 3 * DAY) == 2


def test_a_hub_whose_clock_says_1970_loses_no_row_and_no_alarm() -> None:
    """kept, law 5"""
    kept.take([message(1, told(access(), at_door("forced"), at=0), at=NOW - 5)], NOW)
    assert letting.let_go(Records(keep_days=1), NOW + DAY - 6) == 0
    assert numbers() == [1, 2]
    assert letting.let_go(Records(keep_days=1), NOW + DAY) == 2


def test_of_too_many_rows_those_go_of_the_hub_that_has_most() -> None:
    """letting, law 2"""
    keep = Records(keep_rows=1000)
    kept.take([message(1, visits(20), hub="quiet")], NOW)
    records = visits(1000)
    batches = [records[at : at + 50] for at in range(0, 1000, 50)]
    kept.take([message(2 + at, one, hub="loud") for at, one in enumerate(batches)], NOW)
    assert letting.let_go(keep, NOW) == 20
    assert letting.let_go(keep, NOW) == 0
    assert (len(numbers("quiet")), len(numbers("loud"))) == (20, 980)
    assert holds("loud") == head(records)


def test_too_many_rows_go_also_if_no_hub_has_many() -> None:
    """letting, law 2: and no hub loses all that it has at once"""
    keep = Records(keep_rows=1000)
    hubs = [f"h{one}" for one in range(30)]
    records = visits(40)
    kept.take([message(1 + at, records, hub=hub) for at, hub in enumerate(hubs)], NOW)
    while letting.let_go(keep, NOW):
        pass
    left = [len(numbers(hub)) for hub in hubs]
    assert sum(left) == 1000
    assert min(left) >= 20
    assert {holds(hub) for hub in hubs} == {head(records)}


def test_a_hub_begins_again_with_nothing_of_before() -> None:
    """letting, law 4"""
    kept.take([message(1, told(at_door("forced"), access()))], NOW)
    kept.take([message(2, visits(1, at=9)), message(3, visits(2), hub="hub-2")], NOW)
    Chain.objects.filter(pk="hub-1").update(again=True)
    assert letting.hubs_again() == ["hub-1"]
    assert not letting.forget_some("hub-1")
    assert letting.forget_some("hub-1")
    fresh = visits(3, at=9)
    kept.take([message(2, fresh)], NOW, moves=False)
    letting.is_read_again("hub-1")
    assert letting.hubs_again() == []
    assert (numbers(), numbers("hub-2")) == ([1, 2, 3], [1, 2])
    assert holds() == head(fresh)
    assert Chain.objects.get(pk="hub-1").refused == 0
    assert HubDoor.objects.get().alarms == ""


def test_doors_are_in_what_the_newest_record_says() -> None:
    """doors, laws 1 to 4"""
    order = {"kind": RecordKind.ORDER, Fact.DOOR: "front", Fact.ORDER: "lockdown", Fact.ON: True}
    by_site = {**order, Fact.GIVEN_BY: "site", Fact.UNTIL: NOW + 60}
    by_schedule = {**order, Fact.ORDER: "hold_open", Fact.GIVEN_BY: "schedule"}
    refused = {**order, Fact.ORDER: "no_entry", Fact.GIVEN_BY: "site", Fact.OUTCOME: "refused"}
    carried = {**order, Fact.GIVEN_BY: "backend"}
    records = told(at_door("access_taken"), at_door("held_open"), by_site, by_schedule, refused)
    more = told(carried, at_door("tamper"), before=head(records), at=NOW + 9)
    kept.take([message(1, [*records, *more])], NOW)
    door = HubDoor.objects.get()
    assert (door.state, door.alarms, door.number) == ("tamper", "held_open tamper", 7)
    assert door.orders == [["site", "lockdown", NOW + 60], ["schedule", "hold_open", None]]
    ended = {**by_schedule, Fact.ON: False}
    last = told(at_door("held_open_ended"), ended, before=head(more), at=NOW + 20)
    kept.take([message(2, last)], NOW)
    door.refresh_from_db()
    assert (door.state, door.alarms) == ("held_open_ended", "tamper")
    assert door.orders == [["site", "lockdown", NOW + 60]]
    start = told({"kind": RecordKind.STARTED}, before=head(last), at=NOW + 30)
    kept.take([message(3, start)], NOW)
    door.refresh_from_db()
    assert (door.state, door.orders) == ("", [["site", "lockdown", NOW + 60]])


def test_a_hub_has_few_doors_here() -> None:
    """doors, law 5"""
    records = told(*[at_door("closed", door=f"d{one}") for one in range(80)])
    kept.take([message(1, records[:40]), message(2, records[40:])], NOW)
    assert HubDoor.objects.count() == 64
    assert len(numbers()) == 80


def test_a_door_of_which_nothing_changed_is_not_written() -> None:
    """doors, law 7"""
    records = told(*[at_door("closed", door=f"d{one}") for one in range(20)])
    kept.take([message(1, records)], NOW)
    start = {"kind": RecordKind.STARTED}
    more = told(at_door("tamper", door="d3"), before=head(records), at=NOW + 50)
    starts = told(start, start, before=head(more), at=NOW + 60)
    again = told(start, before=head(starts), at=NOW + 70)
    written = []
    for place, some in enumerate((more, starts, again), 2):
        with CaptureQueriesContext(connection) as said:
            kept.take([message(place, some)], NOW)
        written.append(sum('UPDATE "records_hubdoor"' in one["sql"] for one in said))
    assert written == [1, 20, 0]


def test_a_hub_pushes_out_no_alarm_of_another_one() -> None:
    """ahead, law 1"""
    ahead = Ahead()
    for one in range(100):
        (alarm,) = told(at_door("forced"))
        ahead.hear(f"quiet-{one}", codec.encode(Notice(1, alarm.body, alarm.hash)))
    for loud in ("loud-1", "loud-2"):
        for one in told(*[at_door("forced") for _ in range(120)]):
            ahead.hear(loud, codec.encode(Notice(one.number, one.body, one.hash)))
    waiting = ahead.waiting({})
    assert len(waiting) == KEPT
    assert sum(one.hub.startswith("quiet-") for one in waiting) == 100
    newest = [one.number for one in waiting if one.hub == "loud-2"]
    assert newest == list(range(120, 120 - len(newest), -1)), "its oldest went"


def test_an_alarm_ahead_goes_when_its_record_is_here() -> None:
    """ahead, laws 1 and 2"""
    ahead = Ahead()
    (alarm, other) = told(at_door("forced"), access())
    ahead.hear("hub-1", codec.encode(Notice(alarm.number, alarm.body, alarm.hash)))
    ahead.hear("hub-1", codec.encode(Notice(other.number, other.body, other.hash)))
    ahead.hear("hub-1", b"\xff")
    ahead.hear("a.b", codec.encode(Notice(alarm.number, alarm.body, alarm.hash)))
    (waiting,) = ahead.waiting({})
    assert (waiting.hub, waiting.number) == ("hub-1", 1)
    assert "not proven yet" in waiting.words
    assert ahead.waiting({"hub-1": 1}) == []
    for hub in range(20):
        for one in told(*[at_door("forced") for _ in range(100)]):
            ahead.hear(f"h{hub}", codec.encode(Notice(one.number, one.body, one.hash)))
    assert len(ahead.waiting({})) == KEPT


def test_a_chain_that_does_not_begin_is_refused() -> None:
    """chain, law 4"""
    with pytest.raises(AuditError, match="record 1 is missing: 3 comes in its place"):
        chain.new_in(Head(), Head(), visits(3)[2:], lambda _: None)
