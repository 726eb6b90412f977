"""How long a strike is driven: never more than the document says, over all orders of pulses, ends
and times.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.strike.offtimer import OffTimers
from drivers.strike.stretch import MS, RESUME_MS, SHORTEST_MS, Stretch, bound
from drivers.strike.wire import Answer, AnswerKind, Command, StrikeLine, Verb

Step = tuple[Verb, int, int]
"""What is asked, for how many milliseconds, and how long nothing is asked after it."""

CAP_MS = 3_000
verbs = st.sampled_from((Verb.PULSE, Verb.PULSE, Verb.PULSE, Verb.SECURE))
steps = st.lists(st.tuples(verbs, st.integers(1, CAP_MS), st.integers(0, 2_500)), max_size=40)
rests = st.one_of(st.integers(1, RESUME_MS), st.integers(RESUME_MS + 1, 8_000))


class Line:
    """A line that remembers when it was driven; the guard's only line."""

    def __init__(self, rest_ms: int, cap_ms: int = CAP_MS) -> None:
        self.now = 0
        self.changes: list[tuple[int, bool]] = [(0, False)]
        self.timers = OffTimers(
            self, [StrikeLine("chip", 0, cap_ms=cap_ms, rest_ms=rest_ms)], lambda: self.now
        )

    def set(self, _index: int, active: bool) -> None:
        if active is not self.changes[-1][1]:
            self.changes.append((self.now, active))

    def close(self) -> None:
        raise AssertionError("the guard's process closes the line")

    @property
    def driven(self) -> bool:
        return self.changes[-1][1]

    def ask(self, verb: Verb, milliseconds: int) -> Answer:
        return self.timers.perform(Command(verb, 0, 1, milliseconds, self.now).encode())

    def later(self, milliseconds: int) -> None:
        """Let time pass as the guard's process does: it wakes at each deadline."""
        ends = self.now + milliseconds * MS
        while (wait_ms := self.timers.wait_ms()) is not None and self.now + wait_ms * MS <= ends:
            self.now += wait_ms * MS
            self.timers.expire()
        self.now = ends

    def play(self, asked: list[Step]) -> None:
        for verb, milliseconds, pause_ms in asked:
            self.ask(verb, milliseconds)
            self.later(pause_ms)
        self.later(20_000)

    def stretches(self) -> list[tuple[int, int]]:
        """When it was driven: (from, to)."""
        times = [time for time, _ in self.changes[1:]]
        assert len(times) % 2 == 0, "it is driven for ever"
        return list(zip(times[::2], times[1::2], strict=True))


@given(steps, rests)
def test_in_no_span_is_a_strike_driven_for_longer_than_the_document_says(
    asked: list[Step], rest_ms: int
) -> None:
    line = Line(rest_ms)
    line.play(asked)
    driven = line.stretches()
    for first in range(len(driven)):
        total = 0
        for start, end in driven[first:]:
            total += end - start
            assert total <= bound(CAP_MS, rest_ms, (end - driven[first][0]) / MS) * MS + 1


@given(steps, rests)
def test_after_a_whole_stretch_comes_a_whole_rest(asked: list[Step], rest_ms: int) -> None:
    line = Line(rest_ms)
    line.play(asked)
    spent = 0
    driven = line.stretches()
    for (start, end), (following, _) in pairwise([*driven, (10**15, 10**15)]):
        spent += end - start
        assert spent <= CAP_MS * MS
        if following - end >= rest_ms * MS:
            spent = 0


@given(steps, rests)
def test_who_is_told_done_finds_the_strike_driven_and_who_is_told_to_wait_may_come_after_it(
    asked: list[Step], rest_ms: int
) -> None:
    line = Line(rest_ms)
    for verb, milliseconds, pause_ms in asked:
        answer = line.ask(verb, milliseconds)
        if verb is Verb.PULSE and answer.kind is AnswerKind.DONE:
            assert line.driven
        elif verb is Verb.PULSE:
            assert answer.kind is AnswerKind.RESTING
            assert 0 < answer.wait_ms <= SHORTEST_MS + rest_ms
            line.later(answer.wait_ms)
            assert line.ask(Verb.PULSE, milliseconds).kind is AnswerKind.DONE
        else:
            assert not line.driven
        line.later(pause_ms)


@given(st.integers(1, CAP_MS), rests, steps)
def test_a_pulse_lasts_as_long_as_it_was_asked_when_the_strike_was_at_rest(
    milliseconds: int, rest_ms: int, before: list[Step]
) -> None:
    line = Line(rest_ms)
    line.play(before)
    line.later(rest_ms)
    began = line.now
    assert line.ask(Verb.PULSE, milliseconds).kind is AnswerKind.DONE
    line.later(CAP_MS)
    assert line.stretches()[-1] == (began, began + milliseconds * MS)


@given(steps, rests)
def test_nothing_moves_after_an_order_to_secure(asked: list[Step], rest_ms: int) -> None:
    line = Line(rest_ms)
    for verb, milliseconds, pause_ms in asked:
        line.ask(verb, milliseconds)
        line.later(pause_ms)
    line.ask(Verb.SECURE, 0)
    changes = len(line.changes)
    line.later(60_000)
    assert len(line.changes) == changes
    assert not line.driven


def test_pulses_without_end_leave_a_rest_in_every_stretch() -> None:
    """494 opens in 30 s once drove a strike without a pause."""
    line = Line(500)
    line.later(500)
    for _ in range(494):
        line.ask(Verb.PULSE, 2_000)
        line.later(61)
    line.later(10_000)
    rests = [following - end for (_, end), (following, _) in pairwise(line.stretches())]
    assert len(rests) >= 7
    assert min(rests) >= 500 * MS
    assert max(end - start for start, end in line.stretches()) <= CAP_MS * MS


def test_a_strike_that_must_rest_for_long_is_not_driven_for_next_to_nothing() -> None:
    stretch = Stretch(cap_ms=10_000, rest_ms=30_000, now=0)
    now = 30_000 * MS
    assert stretch.wait(5_000, now) == 0
    stretch.rose(now)
    stretch.began(5_000, now)
    now += 4_500 * MS
    assert stretch.wait(5_000, now) == 0
    stretch.began(5_000, now)
    now += 4_800 * MS  # driven for 9.3 s
    assert stretch.wait(5_000, now) == 700 + 30_000
    assert stretch.wait(500, now) == 0


@pytest.mark.parametrize(
    ("span", "seconds"),
    [(0, 0), (10, 10), (10.5, 10), (20.5, 20), (21, 20), (30, 29), (3600, 3429)],
)
def test_the_bound_in_numbers(span: float, seconds: float) -> None:
    assert bound(10, 0.5, span) == pytest.approx(seconds)


# stretch, law 8
@given(steps, rests)
def test_without_a_cap_a_strike_is_driven_to_the_latest_end_and_rests_for_nobody(
    asked: list[Step], rest_ms: int
) -> None:
    line = Line(rest_ms, cap_ms=0)
    ends = 0
    for verb, milliseconds, pause_ms in asked:
        answer = line.ask(verb, milliseconds)
        assert answer.kind is AnswerKind.DONE
        asked_ends = line.now + milliseconds * MS
        ends = line.now if verb is Verb.SECURE else max(ends, asked_ends)
        assert line.driven is (line.now < ends)
        line.later(pause_ms)
        assert line.driven is (line.now < ends)
