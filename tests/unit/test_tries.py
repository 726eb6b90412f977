"""The order in which endpoints and pinned keys are tried, over all orders of what happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubd.adapters.curve.timings import Backoff, Timings
from hubd.adapters.curve.tries import Failed, Tries, Try

HAPPENINGS = st.sampled_from(["this key", "every key", "lost soon", "stayed up", "again"])


def happen(tries: Tries, what: str) -> None:
    match what:
        case "this key":
            tries.failed(Failed.FOR_THIS_KEY)
        case "every key":
            tries.failed(Failed.FOR_EVERY_KEY)
        case "lost soon":
            tries.came_up()
        case "stayed up":
            tries.came_up()
            tries.stayed_up()
        case "again":
            tries.came_up()
            tries.again()


def test_a_round_goes_over_endpoints_and_at_each_over_the_keys():
    tries = Tries(2, 2)
    made = [tries.next() for _ in range(5)]
    assert made == [Try(0, 0), Try(0, 1), Try(1, 0), Try(1, 1), Try(0, 0)]


def test_where_nobody_is_reached_no_other_key_is_tried():
    tries = Tries(2, 2)
    assert tries.next() == Try(0, 0)
    tries.failed(Failed.FOR_EVERY_KEY)
    assert tries.next() == Try(1, 0)


@given(
    st.integers(1, 4),
    st.integers(1, 2),
    st.lists(st.sampled_from(["this key", "lost soon"]), max_size=20),
    st.data(),
)
def test_none_starves_another(endpoints, keys, before, data):
    # tries, law 1: whatever came before and whatever else fails, each is tried within one round
    tries = Tries(endpoints, keys)
    for what in before:
        tries.next()
        happen(tries, what)
    wanted = Try(
        data.draw(st.integers(0, endpoints - 1)),
        data.draw(st.integers(0, keys - 1)),
    )
    gap = 0
    for _ in range(6 * endpoints * keys):
        this = tries.next()
        gap += 1
        if this == wanted:
            gap = 0
            happen(tries, "this key")
        else:
            hows = ["this key", "every key"] if this.endpoint != wanted.endpoint else ["this key"]
            happen(tries, data.draw(st.sampled_from(hows)))
        assert gap <= 2 * endpoints * keys - 1


@given(st.integers(1, 4), st.integers(1, 2), st.lists(HAPPENINGS, max_size=40))
def test_every_endpoint_is_tried_in_each_round_that_nothing_ends(endpoints, keys, happenings):
    tries = Tries(endpoints, keys)
    for what in happenings:
        this = tries.next()
        assert 0 <= this.endpoint < endpoints
        assert 0 <= this.key < keys
        happen(tries, what)
    seen = set()
    for _ in range(endpoints * keys * 2):
        seen.add(tries.next().endpoint)
        tries.failed(Failed.FOR_EVERY_KEY)
    assert seen == set(range(endpoints))


@given(st.integers(1, 4), st.integers(1, 2), st.lists(HAPPENINGS, max_size=20))
def test_after_an_uplink_that_stayed_up_the_first_is_next(endpoints, keys, happenings):
    tries = Tries(endpoints, keys)  # tries, law 4
    for what in happenings:
        tries.next()
        happen(tries, what)
    tries.next()
    happen(tries, "stayed up")
    assert tries.next().endpoint == 0


def test_the_key_that_was_proved_last_is_tried_first():
    tries = Tries(2, 2)  # tries, law 3
    tries.next()
    tries.next()
    tries.came_up()
    tries.stayed_up()
    assert tries.next() == Try(0, 1)


@given(st.integers(1, 4), st.integers(1, 2), st.lists(HAPPENINGS, max_size=20))
def test_the_same_place_comes_again_once(endpoints, keys, happenings):
    tries = Tries(endpoints, keys)  # tries, law 5
    for what in happenings:
        tries.next()
        happen(tries, what)
    this = tries.next()
    expected = Tries(endpoints, keys)
    for what in happenings:
        expected.next()
        happen(expected, what)
    expected.next()
    tries.again()
    assert tries.next() == this
    assert tries.next() == expected.next()


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0, 1))
def test_the_pause_is_never_shorter_than_half_the_first_and_grows_by_rounds(rounds, chance):
    timings = Timings()
    backoff = Backoff(timings, lambda: chance)
    over = 0
    for round_over in rounds:
        limit = min(timings.backoff_first_seconds * 2**over, timings.backoff_cap_seconds)
        pause = backoff.after(0.0, round_over)
        assert timings.backoff_first_seconds / 2 <= pause <= limit
        over += round_over
