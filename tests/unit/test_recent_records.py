"""The newest records that wait: what is told of memory is what the disk would tell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubcore.evidence.recent import RECENT, RecentRecords
from hubcore.evidence.records import StoredRecord

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([1, 3, RECENT - 1])),
        st.tuples(st.just("acknowledge"), st.integers(0, 2 * RECENT)),
        st.tuples(st.just("acknowledge all"), st.integers(0, 2 * RECENT)),
        st.tuples(st.just("take back"), st.integers(0, 2 * RECENT)),
    ),
    max_size=20,
)


def record(number: int) -> StoredRecord:
    return StoredRecord(number, b"", number.to_bytes(32, "big"))


@given(st.integers(0, 5), st.integers(0, 5), EVENTS)
def test_in_any_order_memory_tells_what_the_disk_would(
    before: int, acknowledged: int, events: list[tuple[str, int]]
) -> None:
    newest = before
    waiting = set(range(min(acknowledged, before) + 1, before + 1))
    recent = RecentRecords(newest)
    for event, count in events:
        match event:
            case "append":
                numbers = range(newest + 1, newest + 1 + count)
                newest += count
                waiting.update(numbers)
                recent.appended(map(record, numbers))
            case "acknowledge":
                waiting.discard(newest - count)
                recent.acknowledged([newest - count])
            case "acknowledge all":
                numbers = [number for number in waiting if number <= newest - count]
                waiting.difference_update(numbers)
                recent.acknowledged(numbers)
            case "take back":
                waiting.update(range(max(1, newest - count), newest + 1))
                recent.taken_back(newest)
        for after in (0, newest - RECENT - 1, newest - 1, newest):
            told = recent.after(after, 7, len(waiting))
            if told is not None:
                expected = sorted(number for number in waiting if number > after)[:7]
                assert [one.number for one in told] == expected


def test_what_was_appended_since_the_start_asks_no_disk_and_is_bounded() -> None:
    recent = RecentRecords(10)
    recent.appended(map(record, range(11, 11 + RECENT)))
    assert recent.after(10, 2, RECENT + 10) == [record(11), record(12)]
    assert recent.after(0, 1, RECENT) == [record(11)], "nothing else waits"
    assert recent.after(9, 1, RECENT + 1) is None
    recent.appended([record(11 + RECENT)])
    assert recent.after(10, 1, RECENT + 11) is None
    assert recent.after(11, 1, RECENT + 11) == [record(12)]
