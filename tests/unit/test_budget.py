"""The line for RSA: bounded for the hub, and fair to who stands in it."""

from __future__ import annotations

import heapq

import pytest

from hubcore.timing.budget import LINE_SECONDS, Budget, rate_min
from hubcore.timing.credit import Credit
from hubcore.timing.pace import Rate
from hubd.doors.unlock import LATE_SECONDS

RATE = 5.0
BURST = 10
LINKS = 8


def test_a_burst_at_once_then_a_line_at_the_rate() -> None:
    budget = Budget(RATE, 2, LINKS, LINE_SECONDS)
    assert [budget.take(0.0) for _ in range(4)] == pytest.approx([0, 0, 0.2, 0.4])


def test_who_would_wait_too_long_is_refused_and_takes_nothing() -> None:
    budget = Budget(RATE, 1, 100, 0.5)
    waits = [budget.take(0.0) for _ in range(50)]
    assert waits[:3] == pytest.approx([0, 0.2, 0.4])
    assert set(waits[3:]) == {None}
    assert budget.take(0.2) == pytest.approx(0.4)


def test_without_a_line_nobody_waits() -> None:
    budget = Budget(RATE, 1, LINKS)
    assert budget.take(0.0) == 0
    assert budget.take(0.0) is None


def test_places_are_bounded_whatever_the_rate() -> None:
    budget = Budget(1000, 1000, 2)
    assert [budget.take(0.0) for _ in range(3)] == [0, 0, None]
    budget.done()
    assert budget.take(0.0) == 0


def test_who_leaves_the_line_gives_the_token_back() -> None:
    budget = Budget(RATE, 1, 100, LINE_SECONDS)
    assert budget.take(0.0) == 0
    for _ in range(100):
        assert budget.take(0.0) == pytest.approx(0.2)
        budget.return_token()
        budget.done()


def test_a_token_given_back_is_not_saved_above_the_burst() -> None:
    budget = Budget(RATE, 1, 100)
    budget.take(0.0)
    budget.take(10.0)
    for _ in range(5):
        budget.return_token()
    assert [budget.take(10.0), budget.take(10.0)] == [0, None]


def test_a_turn_in_the_line_leaves_time_to_strike() -> None:
    assert LINE_SECONDS < LATE_SECONDS


@pytest.mark.parametrize("links", [1, 2, 5, LINKS, 13, 32])
@pytest.mark.parametrize("burst", [1, BURST])
def test_an_honest_phone_among_strangers_that_ask_without_end_always_gets_its_turn(
    links: int, burst: int
) -> None:
    """All links but one ask again the moment they are answered; the last comes now and then, at the
    least rate.
    """
    rate = rate_min(links)
    assert rate <= RATE or links > LINKS
    budget = Budget(rate, burst, links, LINE_SECONDS)
    events = [(0.0, number, "asks") for number in range(links - 1)] + [
        (0.31 + 2.07 * n, 99, "asks") for n in range(100)
    ]
    heapq.heapify(events)
    served = {99: 0}
    while events:
        now, who, what = heapq.heappop(events)
        if now > 220:
            break
        if what == "answered":
            budget.done()
            served[who] = served.get(who, 0) + 1
            if who != 99:
                heapq.heappush(events, (now, who, "asks"))
        elif (wait := budget.take(now)) is not None:
            heapq.heappush(events, (now + wait + 0.001, who, "answered"))
        else:
            assert who != 99, f"the honest phone was turned away at {now:.2f} s"
            heapq.heappush(events, (now + 0.1, who, "asks"))
    assert served[99] == 100
    assert sum(served.values()) <= burst + 220 * rate + 1


def test_below_the_least_rate_strangers_keep_a_phone_out() -> None:
    """Why it is the least: the line is full of others before the phone comes."""
    budget = Budget(1.0, 1, LINKS, LINE_SECONDS)
    assert [budget.take(0.0) for _ in range(LINKS)][-1] is None


def test_credit_is_paid_back_at_its_rate() -> None:
    credit = Credit(Rate(burst=20.0, per_second=10.0))
    assert credit.take(0.0, 20) == 0
    assert credit.take(0.0, 5) == 0.5
    assert credit.take(0.0, 5) == 1.0
    assert credit.take(1.0, 0) == 0
    assert credit.take(100.0, 20) == 0, "no more is saved up than the most"
    assert credit.take(100.0, 1) == pytest.approx(0.1)
