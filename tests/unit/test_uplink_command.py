"""`hubctl uplink`: what is well, and what people read."""

from __future__ import annotations

import pytest

from hubcore.checks import Topic
from hubctl.commands.look.uplink import TOPICS, is_well, page
from hubctl.page import Trouble

UP = {"connected": True, "phase": "up", "since": 1_800_000_000.0, "waiting": 3, "why": ""}
AWAY = {
    **UP,
    "connected": False,
    "why": "the key of the backend is another",
    "unacknowledged_seconds": 61.4,
    "clock_offset_seconds": -12.5,
    "clock_within_seconds": 0.2,
    "failures": {"backend.example:4505": "nobody listens \x1b[2J"},
    "key_trouble": "no room on the disk",
}


@pytest.mark.parametrize(
    ("backend", "well"),
    [
        (None, True),
        (UP, True),
        (AWAY, False),
        ({**UP, "halt": "gap"}, False),
        ({**UP, "connected": 1}, False),
        ("text", False),
        ([], False),
    ],
)
def test_only_a_hub_whose_records_go_up_or_need_not_is_well(backend: object, well: bool) -> None:
    assert is_well(backend) is well


def test_the_cause_and_what_waits_are_in_words_and_cannot_steer_a_terminal() -> None:
    shown = page(AWAY).plain()
    for part in (
        "not connected since",
        "the key of the backend is another",
        "3, the oldest for 1 min",
        "the backend's time less this hub's: -12.5 s, give or take 0.2 s",
        "nobody listens \\x1b[2J",
        "no room on the disk",
    ):
        assert part in shown
    assert "\x1b" not in shown


def test_each_fact_has_a_row_and_no_cause_stands_twice() -> None:
    why = "tcp://backend.example:4505 not reachable: nothing accepts connections there"
    away = {**AWAY, "why": why, "failures": {"tcp://backend.example:4505": why}}
    lines = page(away).plain().splitlines()
    assert sum(why in line for line in lines) == 1
    assert "failed at        tcp://backend.example:4505" in lines
    assert len({line.split("  ")[0] for line in lines}) == len(lines)


def test_what_to_do_is_said_of_each_uplink_that_is_not_well() -> None:
    assert "what to do" not in page(UP).plain()
    assert "hubctl netcheck" in page(AWAY).plain()
    trouble = Trouble("error", "backend", "The backend is away.", "Look at the cable.")
    shown = page(AWAY, [trouble]).plain()
    assert shown.startswith("error: backend: The backend is away.\n  what to do: Look at")
    assert "netcheck" not in shown


def test_the_topics_of_the_uplink_are_topics_of_hubd() -> None:
    assert set(TOPICS) <= set(Topic)
    assert {"clock", "certificate"} <= set(Topic)


@pytest.mark.parametrize("odd", [None, "x", {}, {"connected": None, "failures": [1], "key": []}])
def test_what_is_not_known_is_said_so(odd: object) -> None:
    assert page(odd).plain().startswith("backend")
