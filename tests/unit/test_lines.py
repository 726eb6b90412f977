"""Whoever causes lines for people does not set their pace, and what was left out is told."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hubcore.timing.lines import LinePace
from hubcore.timing.pace import Rate

EACH = Rate(burst=3, per_second=0.1)
WHOLE = Rate(burst=8, per_second=0.5)


@given(
    st.lists(
        st.tuples(st.sampled_from(["hub-1", "hub-2", "hub-3"]), st.floats(0, 5)),
        min_size=1,
        max_size=200,
    )
)
def test_at_any_pace_of_causes_lines_have_theirs_and_none_is_left_out_untold(
    causes: list[tuple[str, float]],
) -> None:
    pace = LinePace(EACH, WHOLE)
    told: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    now = 0.0
    for source, seconds in causes:
        now += seconds
        line = pace.line(source, "why", now)
        if line is None:
            left_out[source] += 1
            continue
        told[source] += 1
        count = left_out.pop(source, 0)
        assert line == (f"why ({count} lines before it were left out)" if count else "why")
        assert told[source] <= EACH.burst + EACH.per_second * now + 1e-6
    assert told.total() <= WHOLE.burst + WHOLE.per_second * now + 1e-6


def test_one_source_that_floods_keeps_no_other_from_being_told() -> None:
    pace = LinePace(EACH, WHOLE)
    for _ in range(1000):
        pace.line("rogue", "why", 0.0)
    assert pace.line("honest", "why", 0.0) == "why"


def test_sources_without_number_take_no_memory_without_bound() -> None:
    pace = LinePace(EACH, WHOLE, sources_max=10)
    for number in range(1000):
        pace.line(number, "why", 0.0)
    assert len(pace) <= 20
