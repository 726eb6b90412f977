"""`hubctl bridge`: what is well, and what people read."""

from __future__ import annotations

from typing import Any

import pytest

from hubcore.bridge.talk import WayPhase
from hubcore.checks import Topic
from hubctl.commands.look.bridge import DOUBTED, SPEAKING, TOPICS, is_well, page
from hubctl.page import Trouble
from hubctl.show import status_page

WELL: dict[str, Any] = {
    "phase": "speaking",
    "since": 1_800_000_000.0,
    "why": "",
    "bridge": "bridge-1",
    "endpoint": "10.20.0.2:7715",
    "certificate_ends": 1_900_000_000,
    "failures": [],
    "faults": {},
    "waiting": 0,
    "is_full": False,
    "clock_offset_seconds": 0.25,
    "testimony": "12:ab",
    "trouble": "",
    "counters": {"sent": 3},
}
AWAY = {
    **WELL,
    "phase": "down",
    "why": "10.20.0.2:7715 does not answer",
    "failures": ["bridge-1: \x1b[2J does not answer", "bridge-2: nobody listens"],
    "certificate_ends": 0,
    "waiting": 7,
    "clock_offset_seconds": None,
    "testimony": "",
    "trouble": "no room on the disk",
}


@pytest.mark.parametrize(
    ("way", "well"),
    [
        (None, True),
        (WELL, True),
        (AWAY, False),
        ({**WELL, "phase": "doubted"}, False),
        ({**WELL, "phase": "greeting"}, False),
        ({**WELL, "is_full": True}, False),
        ({**WELL, "is_full": None}, False),
        ("text", False),
        ([], False),
    ],
)
def test_only_a_bridge_that_takes_records_is_well(way: object, well: bool) -> None:
    assert is_well(way) is well


def test_a_bridge_that_is_there_is_shown_whole() -> None:
    shown = page(WELL).plain()
    for part in ("bridge-1: connected since", "10.20.0.2:7715", "12:ab", "2030-03-17", "+0.2 s"):
        assert part in shown
    assert "cause" not in shown
    assert "what to do" not in shown


def test_the_cause_is_in_words_and_cannot_steer_a_terminal() -> None:
    shown = page(AWAY).plain()
    for part in (
        "bridge-1, tried last: not connected since",
        "10.20.0.2:7715 does not answer",
        "\\x1b[2J does not answer",
        "bridge-2: nobody listens",
        "none yet",
        "not known yet",
        "the bridge's time is not known",
        "no room on the disk",
        "hubctl netcheck",
    ):
        assert part in shown
    assert "\x1b" not in shown
    lines = shown.splitlines()
    assert len({line.split("  ")[0] for line in lines}) == len(lines)


def test_a_problem_that_stands_says_what_to_do_itself() -> None:
    trouble = Trouble("warning", "bridge", "No bridge was reached.", "Look at the cable.")
    shown = page(AWAY, [trouble]).plain()
    assert shown.startswith("warning: bridge: No bridge was reached.\n  what to do: Look at")
    assert "netcheck" not in shown


def test_the_status_page_has_a_row_for_a_bridge_where_there_is_one() -> None:
    assert "bridge-1, speaking since" in status_page({"bridge": WELL}).plain()
    full = {**AWAY, "is_full": True}
    shown = " ".join(status_page({"bridge": full}).plain().split())
    assert "does not answer, records that it does not hold: 7, it has no room" in shown
    assert "bridge" not in status_page({"bridge": None}).plain()


def test_topics_and_phases_are_those_of_hubd() -> None:
    assert set(TOPICS) <= set(Topic)
    assert {SPEAKING, DOUBTED} <= set(WayPhase)


@pytest.mark.parametrize("odd", [None, "x", {}, {"phase": None, "failures": 3, "since": []}])
def test_what_is_not_known_is_said_so(odd: object) -> None:
    assert page(odd).plain().startswith("bridge")
