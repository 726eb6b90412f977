"""What is wrong with a hub goes up: each list in the end, at a pace, and no words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.pace import Pace
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.backend.uplink.health import (
    PARTS_MAX,
    TROUBLES_MAX,
    HealthState,
    Trouble,
    TroubleSeverity,
)
from hubcore.checks import CHECKS, CheckId, Problem, Standing, Topic, problem
from hubd.backend.beside.health import AGAIN_SECONDS, PACE, HealthTeller, health_of
from hubd.upkeep.health import Health
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.once

DOWN = problem(CheckId.RADIO_DOWN, why="Anna's phone said no")
WEAK = Problem(CheckId.LOCKS_WEAK, {"devices": "Anna's door (lock-1)"}, ("lock-1",))
AWAY = problem(CheckId.BACKEND_AWAY, why="no route", file="/x")
IDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=32)
ROWS = sorted(CHECKS)


class Desk:
    """A hub's problems, the teller of them, and what it said."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.changes = 0
        self.health = Health(self.clock, {}, (), changed=self.changed)
        self.said: list[HealthState] = []
        self.takes = True
        self.teller = HealthTeller(
            read=self.health.standing, clock=self.clock, pace=Pace(), say=self.say
        )

    def changed(self) -> None:
        self.changes += 1

    def say(self, message: HubMessage) -> bool:
        assert isinstance(message, HealthState)
        if self.takes:
            self.said.append(message)
        return self.takes

    def after(self, seconds: float) -> int:
        """Let time pass; return how many messages went in all."""
        self.clock.advance(seconds)
        self.teller.tell()
        return len(self.said)

    @property
    def codes(self) -> list[str]:
        return [trouble.code for trouble in self.said[-1].troubles]


def test_it_goes_once_a_connection_when_another_list_stands_and_after_an_hour() -> None:
    """health teller, law 1"""
    desk = Desk()
    assert desk.after(0) == 1
    assert desk.said[0] == HealthState((), 0)
    desk.health.set(DOWN)
    assert desk.after(3) == 2
    trouble = Trouble("radio-down", TroubleSeverity.ERROR, 3, (), 0)
    assert desk.said[1] == HealthState((trouble,), 0)
    desk.health.set(problem(CheckId.RADIO_DOWN, why="for another reason"))
    assert desk.after(60) == 2, "other words of the same check are no news"
    desk.teller.rewind()
    assert desk.after(0) == 3
    assert desk.said[2].troubles[0].age_seconds == 63
    assert desk.after(AGAIN_SECONDS) == 4, "nobody answers it, so it may be lost"
    desk.health.clear(Topic.RADIO)
    assert desk.after(1) == 5
    assert desk.codes == []


def test_other_parts_of_the_same_check_are_news() -> None:
    desk = Desk()
    desk.health.set(WEAK)
    desk.after(0)
    desk.health.set(Problem(CheckId.LOCKS_WEAK, WEAK.fields, ("lock-1", "lock-2")))
    assert desk.after(10) == 2
    assert desk.said[-1].troubles[0].parts == ("lock-1", "lock-2")
    assert desk.said[-1].troubles[0].age_seconds == 10, "it stands since the first of them"


def test_a_part_that_flaps_costs_its_pace_over_all_connections_and_its_end_is_told() -> None:
    """health teller, law 2"""
    desk = Desk()
    for second in range(600):
        if second % 2:
            desk.health.set(DOWN)
        else:
            desk.health.clear(Topic.RADIO)
        if second % 7 == 0:
            desk.teller.rewind()
        desk.after(1.0)
    assert len(desk.said) <= PACE.burst + 600 * PACE.per_second + 1
    desk.health.set(DOWN)
    due = desk.teller.tell()
    assert due is not None
    desk.after(30)
    assert desk.codes == ["radio-down"]


def test_no_words_go_and_nothing_that_the_backend_cannot_hear_of() -> None:
    """health teller, laws 3 and 4"""
    desk = Desk()
    for one in (DOWN, WEAK, AWAY):
        desk.health.set(one)
    desk.after(0)
    assert desk.codes == ["radio-down", "locks-weak"]
    assert b"Anna" not in codec.encode(desk.said[0])


def test_what_the_uplink_did_not_take_goes_again_and_costs_no_pace() -> None:
    desk = Desk()
    desk.takes = False
    for _ in range(50):
        assert desk.after(0) == 0
    desk.takes = True
    assert desk.after(1) == 1


def test_health_tells_of_another_list_and_of_no_other_words() -> None:
    """health, law 8"""
    desk = Desk()
    desk.health.set(DOWN)
    desk.health.set(problem(CheckId.RADIO_DOWN, why="other words"))
    desk.health.clear(Topic.LOCKS)
    assert desk.changes == 1
    desk.health.clear(Topic.RADIO)
    assert desk.changes == 2


def test_a_graver_check_of_a_topic_stands_since_it_began() -> None:
    """health, law 7"""
    desk = Desk()
    desk.health.set(problem(CheckId.DISK_LOW, mebibytes=9.0, folder="/"))
    desk.clock.advance(100)
    desk.health.set(problem(CheckId.DISK_SHORT, mebibytes=1.0, folder="/"))
    desk.clock.advance(7)
    desk.after(0)
    assert [(one.code, one.age_seconds) for one in desk.said[0].troubles] == [("disk-short", 7)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ROWS),
            st.lists(IDS | st.text(max_size=40), max_size=80),
            st.floats(-1e12, 1e12),
        ),
        max_size=60,
    ),
    st.floats(-1e12, 1e12),
)
def test_whatever_stands_is_one_message_that_a_backend_reads(
    rows: list[tuple[CheckId, list[str], float]], now: float
) -> None:
    """uplink health, laws 1 and 3"""
    standing = [Standing(Problem(check, {}, tuple(parts)), since) for check, parts, since in rows]
    said = health_of(standing, now)
    assert codec.decode_from_hub(codec.encode(said)) == said
    assert len(said.troubles) == min(len(rows), TROUBLES_MAX)
    assert said.more == len(rows) - len(said.troubles)
    assert sum(len(one.parts) for one in said.troubles) <= PARTS_MAX
    for (_, parts, _), trouble in zip(rows, said.troubles, strict=False):
        assert len(trouble.parts) + trouble.more == len(parts), "what found no room is counted"
