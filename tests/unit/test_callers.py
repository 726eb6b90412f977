"""Who makes room at a port that anybody can reach, and whose unread bytes are too many."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.callers import CallerLimits, Callers
from hubcore.backend.uplink.words import SEALED_BYTES

LIMITS = CallerLimits(connections=6, unread_bytes=1000, silent_bytes_a_second=10.0)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "?")
SAME = {"2001:db8::2": "2001:db8::1"}


@given(
    st.lists(
        st.tuples(st.sampled_from(["came", "proved", "gone"]), st.integers(0, 12), st.integers()),
        max_size=60,
    )
)
def test_in_any_order_the_proven_stay_and_the_largest_crowd_makes_room(  # callers, laws 1, 3
    happened: list[tuple[str, int, int]],
) -> None:
    callers = Callers(LIMITS)
    there: dict[int, tuple[str, bool]] = {}
    for what, number, chance in happened:
        match what:
            case "came":
                address = ADDRESSES[chance % len(ADDRESSES)]
                there.pop(number, None)
                there[number] = (SAME.get(address, address), False)
                leaving = callers.came(number, address, 0.0)
                crowds = Counter(where for where, proven in there.values() if not proven)
                if leaving is None:
                    assert len(there) <= LIMITS.connections
                    continue
                assert len(there) == LIMITS.connections + 1
                where, proven = there[leaving]
                assert not proven
                assert crowds[where] == max(crowds.values())
                rest = [
                    one for one, (at, is_known) in there.items() if at == where and not is_known
                ]
                assert leaving == rest[0], "it was there longest"
                callers.gone(leaving)
                del there[leaving]
            case "proved":
                callers.proved(number)
                if number in there:
                    there[number] = (there[number][0], True)
            case _:
                callers.gone(number)
                there.pop(number, None)
        assert len(callers) == len(there) <= LIMITS.connections


def test_where_all_but_one_have_proven_themselves_the_newcomer_goes() -> None:
    callers = Callers(LIMITS)
    for number in range(LIMITS.connections):
        assert callers.came(number, "192.0.2.1", 0.0) is None
        callers.proved(number)
    assert callers.came(99, "192.0.2.9", 0.0) == 99


@pytest.mark.parametrize("part_bytes", [0, 1, 222, 223, 5000])
def test_what_is_handed_over_counts_for_nothing(part_bytes: int) -> None:  # callers, law 2
    head_bytes = 2 if part_bytes + SEALED_BYTES < 256 else 9
    callers = Callers(LIMITS)
    callers.came(1, "192.0.2.1", 0.0)
    received = 0
    for turn in range(200):
        received += part_bytes + SEALED_BYTES + head_bytes
        callers.handed_over(1, part_bytes)
        assert callers.sent(1, received, now=float(turn) / 1000)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=60))
def test_unread_bytes_have_a_ceiling_and_heartbeats_none(turns: list[tuple[int, bool]]) -> None:
    callers = Callers(LIMITS)
    callers.came(1, "192.0.2.1", 0.0)
    received = 0
    unread = 0.0
    for second, (size, is_whole) in enumerate(turns, start=1):
        received += size
        if is_whole and size >= SEALED_BYTES + 2:
            callers.handed_over(1, size - SEALED_BYTES - (2 if size <= 257 else 9))
            size = 0
        unread = max(0.0, unread + size - LIMITS.silent_bytes_a_second)
        assert callers.sent(1, received, float(second)) is (unread <= LIMITS.unread_bytes)


def test_a_caller_that_is_gone_is_asked_about_in_vain() -> None:
    callers = Callers(LIMITS)
    callers.came(1, "192.0.2.1", 0.0)
    callers.gone(1)
    callers.handed_over(1, 10)
    assert callers.sent(1, 1 << 30, 1.0)
    assert callers.numbers == ()
