"""What a hub says to its backend of its version: by the board of `hubupdate`, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.pace import Pace
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.backend.uplink.updates import (
    QUARANTINE_MAX,
    UpdateFault,
    UpdateHold,
    UpdatePhase,
    UpdateSlot,
    UpdateState,
)
from hubcore.update.image import Image
from hubcore.update.running.board import BYTES_MAX, FETCH_SECONDS, LATE_SECONDS
from hubcore.update.slots import Phase, Slot, Slots
from hubd.backend.beside.updates import AGAIN_SECONDS, UpdateTeller, state_of
from hubupdate.running.board import Board, Shown
from tests.fakes.clock import FakeClock

OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
NOW = 1_795_000_000.0
WELL = Shown(at=NOW, next_at=NOW + 60, said="this image runs already", lists_end=NOW + 86_400)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("next_at", "phase", "slot", "running", "other", "error", "withdrawn", "held"),
        *("held_by_plan", "lists_end", "quarantine", "version", "digest"),
    ]
)


def said_of(shown: Shown, slots: Slots | None, tmp_path: Path, at: float = NOW) -> UpdateState:
    """What a hub says of the board that the real program writes."""
    file = tmp_path / "status.json"
    Board(file).show(slots, shown)
    return state_of(file.read_bytes, "0.9", at)


def said_of_json(document: object) -> UpdateState:
    return state_of(json.dumps(document).encode, "0.9", NOW)


def test_it_says_what_the_program_of_updates_shows(tmp_path: Path) -> None:
    slots = Slots(Slot.B, NEW, OLD, quarantine=(b"\xaa" * 32, b"\xbb" * 32))
    assert said_of(WELL, slots, tmp_path) == UpdateState(
        phase=UpdatePhase.RESTING,
        slot=UpdateSlot.B,
        version="2.0",
        digest=NEW.digest,
        other="1.0",
        hold=UpdateHold.NOBODY,
        is_withdrawn=0,
        fault=UpdateFault.NONE,
        lists_end=int(NOW) + 86_400,
        quarantine=(b"\xaa" * 32, b"\xbb" * 32),
    )


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_has_its_number(phase: Phase, tmp_path: Path) -> None:
    said = said_of(WELL, replace(Slots(Slot.A, OLD, NEW), phase=phase), tmp_path)
    assert said.phase.name == phase.name
    assert said.fault is UpdateFault.NONE


@pytest.mark.parametrize(
    ("shown", "hold"),
    [
        ({"held": True}, UpdateHold.PERSON),
        ({"held_by_plan": True}, UpdateHold.PLAN),
        ({"held": True, "held_by_plan": True}, UpdateHold.PERSON),
        ({}, UpdateHold.NOBODY),
    ],
)
def test_who_holds_it_is_said(shown: dict[str, Any], hold: UpdateHold, tmp_path: Path) -> None:
    assert said_of(replace(WELL, **shown), Slots(Slot.A, OLD), tmp_path).hold is hold


@pytest.mark.parametrize("fault", ["expired", "link", "store", "trust", "other"])
def test_each_fault_is_said(fault: str, tmp_path: Path) -> None:
    said = said_of(replace(WELL, error=fault), Slots(Slot.A, OLD), tmp_path)
    assert said.fault is UpdateFault[fault.upper()]


def test_a_program_that_has_stopped_is_said_whatever_its_board_shows(tmp_path: Path) -> None:
    resting = Slots(Slot.A, OLD)
    late = WELL.next_at + LATE_SECONDS
    assert said_of(WELL, resting, tmp_path, late).fault is UpdateFault.NONE
    assert said_of(WELL, resting, tmp_path, late + 1).fault is UpdateFault.STOPPED
    fetching = replace(Slots(Slot.A, OLD, NEW), phase=Phase.WRITING)
    assert said_of(WELL, fetching, tmp_path, late + 1).fault is UpdateFault.NONE
    too_long = WELL.next_at + FETCH_SECONDS + 1
    assert said_of(WELL, fetching, tmp_path, too_long).fault is UpdateFault.STOPPED


def test_a_hub_without_updates_says_its_programs_version() -> None:
    said = state_of(lambda: None, "0.9", NOW)
    assert (said.phase, said.version, said.slot) == (UpdatePhase.NONE, "0.9", UpdateSlot.NONE)


def _no_file() -> bytes:
    raise OSError("it is a folder")


@pytest.mark.parametrize(
    "read",
    [
        _no_file,
        lambda: b"",
        lambda: b"[]",
        lambda: b"[" * 60_000,
        lambda: b" " * (BYTES_MAX + 1),
        lambda: b'{"next_at": 1' + 400 * b"0" + b"}",
        lambda: b'{"next_at": 1' + 5000 * b"0" + b"}",
        lambda: b"\xff",
    ],
    ids=["no file", "nothing", "a list", "deep", "long", "a large number", "digits", "no text"],
)
def test_what_cannot_be_read_is_said_as_that(read: Callable[[], bytes]) -> None:
    said = state_of(read, "0.9", NOW)
    assert (said.phase, said.fault) == (UpdatePhase.UNKNOWN, UpdateFault.OTHER)
    assert said.version == "0.9"


def test_of_a_long_quarantine_the_newest_go() -> None:
    digests = [bytes([n]) * 32 for n in range(QUARANTINE_MAX + 9)]
    said = said_of_json({"quarantine": [one.hex() for one in digests]})
    assert said.quarantine == tuple(digests[9:])


def test_numbers_that_no_calendar_has_are_no_end() -> None:
    for odd in (float("nan"), float("inf"), -5, 10**40, True, "soon"):
        assert said_of_json({"lists_end": odd}).lists_end == 0


@given(st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=13))
def test_whatever_is_shown_is_one_message_that_a_backend_reads(document: dict[str, Any]) -> None:
    said = said_of_json(document)
    assert codec.decode_from_hub(codec.encode(said)) == said


class Desk:
    """A teller, what it said, and the board that it reads."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.said: list[HubMessage] = []
        self.takes = True
        self.board: dict[str, Any] = {"phase": "resting", "running": {"version": "1.0"}}
        self.teller = UpdateTeller(
            read=lambda: json.dumps(self.board).encode(),
            software="0.9",
            clock=self.clock,
            pace=Pace(update_seconds=60.0),
            say=self.say,
        )

    def say(self, message: HubMessage) -> bool:
        if self.takes:
            self.said.append(message)
        return self.takes

    def after(self, seconds: float) -> int:
        """Let time pass; return how many messages went in all."""
        self.clock.advance(seconds)
        self.teller.tell()
        return len(self.said)


def test_it_goes_once_a_connection_and_when_it_changed() -> None:
    desk = Desk()
    assert desk.after(0) == 1
    assert desk.after(600) == 1, "nothing new, nothing said"
    desk.board["held"] = True
    assert desk.after(60) == 2
    desk.teller.rewind()
    assert desk.after(0) == 3, "a new connection may be another gateway"
    assert desk.after(AGAIN_SECONDS) == 4, "nobody answers it, so it may be lost"


def test_a_board_that_changes_all_the_time_is_said_once_a_minute() -> None:
    desk = Desk()
    for second in range(600):
        desk.board["lists_end"] = second
        desk.after(1.0)
    assert len(desk.said) <= 11


def test_what_the_uplink_did_not_take_goes_again() -> None:
    desk = Desk()
    desk.takes = False
    assert desk.after(0) == 0
    desk.takes = True
    assert desk.after(60) == 1
