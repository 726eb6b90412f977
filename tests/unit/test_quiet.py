"""When a hub may change hands: a door is always waited for, a phone for a while."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import ConfigError
from hubcore.update.quiet import Activity, Patience

PATIENCE = Patience(patience_seconds=60.0)
MUST_REST = ("releases", "door_cycles", "records", "replies")
WAITED_FOR = ("handshakes", "calls", "exits")
waits = st.floats(0, 1e9)


def test_each_activity_is_spoken_of_here() -> None:
    assert {field.name for field in fields(Activity)} == {*MUST_REST, *WAITED_FOR}


@given(waits)
def test_a_hub_at_rest_is_quiet(waited: float) -> None:
    assert PATIENCE.is_quiet(Activity(), waited)


@given(st.sampled_from(MUST_REST), st.integers(1, 9), st.integers(0, 9), waits)
def test_what_may_not_be_torn_apart_is_waited_for_without_end(
    name: str, count: int, handshakes: int, waited: float
) -> None:
    """Laws 1 and 2."""
    activity = replace(Activity(handshakes=handshakes), **{name: count})
    assert not PATIENCE.is_quiet(activity, waited)


@given(st.sampled_from(WAITED_FOR), st.integers(1, 9), waits)
def test_who_waits_for_an_answer_is_waited_for_until_patience_ends(
    name: str, count: int, waited: float
) -> None:
    """Laws 3 and 5."""
    activity = replace(Activity(), **{name: count})
    assert PATIENCE.is_quiet(activity, waited) == (waited >= 60.0)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_patience_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError):
        Patience(patience_seconds=seconds)
