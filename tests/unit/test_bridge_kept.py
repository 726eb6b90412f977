"""What a bridge holds of a hub's chain: any order of connections, repetitions and receipts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.rules.kept import (
    SPANS_MAX,
    Gap,
    Kept,
    Span,
    cut_after,
    judge,
    let_go,
    resume,
    told_durable,
)
from hubcore.errors import StoreError
from hubcore.evidence.records import Head, StoredRecord, chain_hash, follows

RECORDS = 24


def chain(story: str, records: int = RECORDS, before: Head | None = None) -> list[StoredRecord]:
    made: list[StoredRecord] = []
    head = before or Head()
    for number in range(head.number + 1, head.number + 1 + records):
        body = f"{story} {number}".encode()
        hash_ = chain_hash(head.hash, number, body)
        head = Head(number, hash_)
        made.append(StoredRecord(number, body, hash_))
    return made


CHAIN = chain("told")
HEADS = [Head(), *(Head(one.number, one.hash) for one in CHAIN)]
FORKED = chain("other", RECORDS - 10, HEADS[10])
"""The same up to record 10, and another story from there on."""


@dataclass
class Disk:
    """What a store would do: rows, and the spans of the last commit."""

    kept: Kept = field(default_factory=Kept)
    rows: dict[int, StoredRecord] = field(default_factory=dict)

    def hash_of(self, number: int) -> bytes:
        if number not in self.rows:
            raise StoreError(f"record {number} is not there")
        return self.rows[number].hash

    def resume(self, before: Head) -> str:
        found = resume(self.kept, before, self.hash_of)
        if isinstance(found, str):
            return found
        self.kept = found
        return ""

    def offer(self, records: list[StoredRecord]) -> str:
        judged = judge(self.kept, records, self.hash_of)
        self.kept = judged.kept
        self.rows.update({one.number: one for one in judged.new})
        return judged.fork

    def let_go(self, most: int) -> None:
        self.kept, gone = let_go(self.kept, most, self.hash_of)
        for number in gone:
            del self.rows[number]

    def check(self) -> None:
        """What the spans say is there, and proves itself."""
        held = [number for span in self.kept.spans for number in span_of(span)]
        assert held == sorted(self.rows)
        for span in self.kept.spans:
            before = span.before
            for number in span_of(span):
                follows(before, self.rows[number])
                before = Head(number, self.rows[number].hash)
            assert before == span.newest


def span_of(span: Span) -> range:
    return range(span.before.number + 1, span.newest.number + 1)


def test_a_hub_that_begins_is_held_from_its_first_record() -> None:
    disk = Disk()
    assert disk.resume(Head()) == ""
    judged = judge(disk.kept, [*CHAIN[:3], CHAIN[1], CHAIN[5]], disk.hash_of)
    assert [one.number for one in judged.new] == [1, 2, 3]
    assert judged.repeated == [2]
    assert judged.apart == [6]
    assert judged.fork == ""
    assert judged.kept == Kept((Span(Head(), HEADS[3]),))
    assert judged.kept.newest == HEADS[3]
    assert judged.kept.waiting == 3


def test_records_without_the_one_before_them_are_not_taken() -> None:
    """kept, law 5"""
    judged = judge(Kept(), CHAIN[:2], Disk().hash_of)
    assert judged.new == []
    assert judged.apart == [1, 2]


def test_a_gap_is_the_hubs_word_until_the_backend_has_it() -> None:
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:4])
    disk.resume(HEADS[10])
    disk.offer(CHAIN[10:12])
    disk.check()
    assert disk.kept.gaps() == (Gap(5, 10),)
    assert told_durable(disk.kept, 7).gaps() == (Gap(8, 10),)
    assert told_durable(disk.kept, 10).gaps() == ()
    assert disk.kept.wanted == told_durable(disk.kept, 9).wanted == HEADS[4]
    assert told_durable(disk.kept, 10).wanted == HEADS[12]
    assert Kept().wanted == Head()


def test_a_gap_that_is_filled_joins_its_spans() -> None:
    disk = Disk()
    disk.resume(HEADS[4])
    disk.offer(CHAIN[4:6])
    disk.resume(Head())
    assert disk.offer(CHAIN[:4]) == ""
    disk.check()
    assert disk.kept.spans == (Span(Head(), HEADS[6]),)


@pytest.mark.parametrize("at", [11, 12, 15])
def test_another_story_is_a_fork(at: int) -> None:
    """kept, law 2"""
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:15])
    other = FORKED[at - 11]
    assert f"record {at}" in disk.offer([other])
    named = disk.resume(Head(other.number, other.hash))
    assert named == f"record {at} is held here with another hash"
    disk.check()
    assert disk.kept.newest == HEADS[15]


def test_a_successor_whose_hash_does_not_follow_is_a_fork() -> None:
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:12])
    assert "record 13 was edited" in disk.offer([FORKED[2]])
    assert "record 12 was edited" in disk.offer([replace(CHAIN[11], body=b"edited")])
    disk.check()


def test_a_filled_gap_that_reaches_another_story_is_a_fork() -> None:
    disk = Disk()
    named = Head(12, FORKED[1].hash)
    disk.resume(named)
    disk.offer(FORKED[2:4])
    disk.resume(Head())
    assert "record 12 was named here with another hash" in disk.offer(CHAIN[:13])
    disk.check()


def test_only_what_is_durable_goes_and_the_newest_head_stays() -> None:
    """kept, laws 3 and 4"""
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:9])
    disk.let_go(100)
    assert len(disk.rows) == 9
    disk.kept = told_durable(disk.kept, 6)
    assert disk.kept.releasable == 6
    assert disk.kept.waiting == 3
    disk.let_go(4)
    disk.check()
    assert min(disk.rows) == 5
    disk.kept = told_durable(disk.kept, 100)
    disk.let_go(100)
    disk.check()
    assert disk.rows == {}
    assert disk.kept.newest == HEADS[9]
    assert "another hash" in disk.resume(Head(9, FORKED[0].hash))


def test_a_backend_of_before_gets_again_what_went() -> None:
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:9])
    disk.kept = told_durable(disk.kept, 9)
    disk.let_go(100)
    disk.kept = told_durable(disk.kept, 3)
    assert disk.kept.gaps() == (Gap(4, 9),)
    disk.resume(HEADS[3])
    assert disk.offer(CHAIN[3:12]) == ""
    disk.check()
    assert sorted(disk.rows) == list(range(4, 13))
    assert disk.kept.gaps() == ()


def test_a_span_that_was_just_opened_stays_while_others_go() -> None:
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:3])
    disk.resume(HEADS[10])
    disk.offer(CHAIN[10:12])
    disk.resume(HEADS[5])
    disk.kept = told_durable(disk.kept, 12)
    disk.let_go(100)
    disk.let_go(100)
    assert disk.kept.spans == (Span(HEADS[5], HEADS[5]), Span(HEADS[12], HEADS[12]))
    assert disk.offer(CHAIN[5:7]) == ""
    disk.check()
    assert sorted(disk.rows) == [6, 7]


def test_what_is_damaged_goes_and_comes_again() -> None:
    disk = Disk()
    disk.resume(Head())
    disk.offer(CHAIN[:9])
    disk.kept, gone = cut_after(disk.kept, HEADS[5])
    assert list(gone) == [6, 7, 8, 9]
    for number in gone:
        del disk.rows[number]
    disk.check()
    assert disk.kept.newest == HEADS[9]
    assert disk.kept.gaps() == (Gap(6, 9),)
    assert disk.kept.wanted == HEADS[5]
    assert "another hash" in disk.resume(Head(9, FORKED[0].hash))
    disk.resume(HEADS[5])
    assert disk.offer(CHAIN[5:10]) == ""
    disk.check()
    assert disk.kept.spans == (Span(Head(), HEADS[10]),)


def test_spans_are_not_without_number() -> None:
    """kept, law 6"""
    story = chain("told", 3 * SPANS_MAX + 10)
    disk = Disk()
    for place in range(SPANS_MAX):
        first = 3 * place + 2
        before = story[first - 2]
        assert disk.resume(Head(before.number, before.hash)) == ""
        disk.offer([story[first - 1]])
    beyond = story[3 * SPANS_MAX + 1]
    assert "gaps" in disk.resume(Head(beyond.number, beyond.hash))
    disk.check()


@pytest.mark.parametrize(
    "spans",
    [
        (Span(HEADS[1], HEADS[3]), Span(HEADS[3], HEADS[4])),
        (Span(HEADS[5], HEADS[6]), Span(HEADS[1], HEADS[2])),
    ],
)
def test_spans_that_touch_or_fall_are_refused(spans: tuple[Span, ...]) -> None:
    with pytest.raises(StoreError):
        Kept(spans)


@pytest.mark.parametrize(
    ("before", "newest"), [(HEADS[2], HEADS[1]), (HEADS[2], Head(2, FORKED[0].hash))]
)
def test_what_is_no_span_is_refused(before: Head, newest: Head) -> None:
    with pytest.raises(StoreError):
        Span(before, newest)


SENT = st.tuples(st.integers(0, RECORDS - 1), st.integers(0, 8), st.booleans())
"""From which record on, how many, and whether the hub names the one before first."""
STEPS = st.lists(
    st.one_of(
        SENT.map(lambda one: ("send", one)),
        st.integers(0, RECORDS).map(lambda one: ("durable", one)),
        st.integers(1, 6).map(lambda one: ("let go", one)),
        st.integers(0, RECORDS).map(lambda one: ("damage", one)),
    ),
    max_size=40,
)


@given(STEPS)
def test_in_any_order_the_spans_say_what_is_there(steps: list[tuple[str, object]]) -> None:
    """An honest hub is never a fork, and nothing goes but what is durable or damaged."""
    disk = Disk()
    newest = 0
    for what, how in steps:
        before = set(disk.rows)
        may_go = {number for number in before if number <= disk.kept.durable}
        match what, how:
            case "send", (int(first), int(count), bool(names)):
                if names:
                    assert disk.resume(HEADS[first]) == ""
                    newest = max(newest, first)
                assert disk.offer(CHAIN[first : first + count]) == ""
                may_go = set()
            case "durable", int(number):
                disk.kept = told_durable(disk.kept, number)
                may_go = set()
            case "let go", int(most):
                disk.let_go(most)
                assert len(before) - len(disk.rows) <= most
            case "damage", int(number):
                disk.kept, gone = cut_after(disk.kept, HEADS[number])
                may_go = set(gone)
                for one in gone:
                    del disk.rows[one]
        newest = max([newest, *disk.rows])
        assert before - set(disk.rows) <= may_go
        assert disk.kept.newest == HEADS[newest]
        disk.check()
    while disk.kept.wanted != disk.kept.newest:
        after = disk.kept.wanted.number
        assert disk.offer(CHAIN[after : after + 3]) == ""
        assert disk.kept.wanted.number > after
    disk.check()
    spans = disk.kept.spans
    assert all(span.before.number <= disk.kept.durable for span in spans[1:])


@given(st.permutations(range(0, RECORDS, 4)))
def test_outages_in_any_order_end_as_one_span(parts: list[int]) -> None:
    disk = Disk()
    for first in parts:
        disk.resume(HEADS[first])
        assert disk.offer(CHAIN[first : first + 4]) == ""
    assert disk.kept == Kept((Span(Head(), HEADS[RECORDS]),))
    disk.check()
