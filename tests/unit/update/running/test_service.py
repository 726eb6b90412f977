"""The program that goes on for ever, over a real disk and real lists; the hub is a fake one."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubcore.errors import StoreError
from hubcore.ports.clock import ClockState
from hubcore.update.health import TRIAL_SECONDS
from hubcore.update.running.pauses import WATCH_SECONDS
from hubcore.update.running.wishes import Wish, let_out_name
from hubcore.update.slots import Phase, Slot
from hubupdate.disk import Disk
from hubupdate.running.board import Board
from hubupdate.running.service import WISH_SECONDS, Next, Service, World
from hubupdate.running.wishes import Wishes
from tests.unit.update.machine import OLD, Machine
from tests.unit.update.site import CHANNEL

MONTHS_SECONDS = 100 * 86400.0


class Program:
    """A service on a machine; `said` is what it told the journal."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine(folder)
        self.wishes = folder / "wishes"
        self.wishes.mkdir()
        self.board = folder / "status.json"
        self.said: list[str] = []
        self.rested: list[float] = []
        self.service = self.new()

    def new(self) -> Service:
        clock = self.machine.clock

        def rest(seconds: float) -> None:
            self.rested.append(seconds)
            clock.advance(seconds)

        return Service(
            disk=self.machine.disk,
            duties=self.machine.new_program(),
            wishes=Wishes(self.wishes),
            board=Board(self.board),
            world=World(clock, rest, lambda: 0.5, self.said.append),
        )

    def wish(self, name: str) -> None:
        (self.wishes / name).touch()

    def turns(self, count: int) -> list[float]:
        return [self.service.turn()[0] for _ in range(count)]

    @property
    def shown(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.board.read_text())
        return document


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_an_update_comes_by_itself_and_the_program_starts_again(program: Program) -> None:
    program.service.run()
    slots = program.machine.disk.state()
    assert (slots.well, slots.running) == (Slot.B, program.machine.site.image)
    assert sum(program.rested) >= TRIAL_SECONDS - 2 * WATCH_SECONDS
    assert program.shown["running"]["version"] == "2.0"
    assert program.shown["phase"] == "resting"
    assert any("well" in line for line in program.said)


def test_a_program_may_be_killed_after_any_turn(program: Program) -> None:
    following = Next.GO_ON
    while following is Next.GO_ON:
        program.service = program.new()
        _, following = program.service.turn()
        if program.machine.phase is Phase.TRIAL:
            following = Next.RENEW
    assert program.machine.phase is Phase.TRIAL


def test_a_hold_of_a_person_begins_nothing_and_switches_nothing(program: Program) -> None:
    program.wish(Wish.HOLD)
    program.turns(3)
    assert program.machine.phase is Phase.RESTING
    assert program.shown["held"] is True
    (program.wishes / Wish.HOLD).unlink()
    program.turns(3)
    assert program.machine.phase is Phase.WAITING
    program.wish(Wish.HOLD)
    program.turns(3)
    assert program.machine.phase is Phase.WAITING


def test_a_hold_ends_no_trial(program: Program) -> None:
    program.machine.go_to(Phase.TRIAL)
    program.wish(Wish.HOLD)
    program.service.run()
    assert program.machine.disk.state().running == program.machine.site.image


def test_a_persons_return_comes_though_the_hub_is_held(program: Program) -> None:
    program.service.run()
    program.service = program.new()
    program.wish(Wish.HOLD)
    program.wish(Wish.ROLL_BACK)
    program.service.run()
    slots = program.machine.disk.state()
    assert (slots.running, slots.quarantine) == (OLD, (program.machine.site.image.digest,))
    assert not (program.wishes / Wish.ROLL_BACK).exists()


def test_a_return_to_nothing_is_refused_and_told(program: Program) -> None:
    program.wish(Wish.ROLL_BACK)
    program.wish(Wish.HOLD)
    program.turns(1)
    assert any("refused" in line for line in program.said)
    assert program.machine.disk.state().running == OLD


def test_an_image_is_let_out_of_quarantine_by_a_person(program: Program) -> None:
    digest = program.machine.site.image.digest
    program.machine.hub.test_passes = False
    program.turns(4)
    assert program.machine.disk.state().quarantine == (digest,)
    program.machine.hub.test_passes = True
    program.wish(let_out_name(digest))
    program.service.run()
    assert program.machine.disk.state().running == program.machine.site.image


def test_wishes_that_are_none_stay_and_do_nothing(program: Program) -> None:
    for name in ("let-out-00", "let-out-" + "z" * 64, "reboot", ".hidden"):
        program.wish(name)
    program.wish(Wish.HOLD)
    program.turns(1)
    assert len(list(program.wishes.iterdir())) == 5


def test_a_check_ends_the_pause(program: Program) -> None:
    (program.machine.site.top / "director").rename(program.machine.site.top / "away")
    before = program.turns(6)[-1]
    assert before > 1000
    program.wish(Wish.CHECK)
    program.service.rest(before)
    assert sum(program.rested) <= WISH_SECONDS
    assert program.turns(1)[0] < before
    assert not (program.wishes / Wish.CHECK).exists()


def test_a_carrier_that_is_away_is_asked_more_and_more_seldom_and_told_once(
    program: Program,
) -> None:
    away = program.machine.site.top / "away"
    (program.machine.site.top / "director").rename(away)
    pauses = program.turns(6)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    assert len(program.said) == 1
    assert program.shown["error"] == "link"
    away.rename(program.machine.site.top / "director")
    program.turns(1)
    assert "the fault is over" in program.said
    assert program.shown["error"] is None


def test_a_list_that_is_frozen_for_ever_is_told_after_its_time(program: Program) -> None:
    """A carrier serves the lists of today for ever. The hub says so once their time has ended."""
    program.machine.site.top.rename(program.machine.site.top.with_name("was"))
    folder = program.machine.folder.parent
    late = Program(folder / "late")
    late.machine.site.images.now = late.machine.site.images.now.replace(year=2020)
    late.machine.site.director.now = late.machine.site.images.now
    late.machine.site.go_on()
    late.turns(1)
    assert late.shown["error"] == "expired"
    assert "ended" in late.shown["said"]
    assert late.shown["failing_since"] == late.shown["at"]
    assert late.machine.hub.running is Slot.A


def test_a_hub_that_the_plan_holds_says_so_and_when_its_lists_end(program: Program) -> None:
    site = program.machine.site
    site.director.publish_plan(CHANNEL, replace(site.plan, is_held=True))
    program.turns(1)
    assert program.shown["held_by_plan"] is True
    assert program.shown["held"] is False
    assert program.shown["lists_end"] > program.shown["at"]
    site.director.publish_plan(CHANNEL, site.plan)
    program.turns(1)
    assert program.shown["held_by_plan"] is False


def test_a_hub_without_a_believed_time_says_so(program: Program) -> None:
    program.machine.clock.trust = ClockState.CONTRADICTED
    program.turns(1)
    assert program.shown["error"] == "expired"
    assert "clock" in program.shown["said"]


def test_a_version_that_was_withdrawn_is_shown(program: Program) -> None:
    program.service.run()
    site = program.machine.site
    again = program.new()
    again.turn()
    assert program.shown["withdrawn"] is False
    newer = site.images.publish_image("hubd-3.squashfs", "3.0", b"newer" * 100)
    del site.images.targets.targets[site.image.name]
    site.images.next()
    site.images.publish()
    site.director.publish_plan("stable", replace(site.plan, image=newer))
    again.turn()
    assert program.shown["withdrawn"] is True


def test_a_plan_that_was_signed_before_is_a_floor_under_the_clock(program: Program) -> None:
    site = program.machine.site
    issued = int(program.machine.clock.wall())
    site.director.publish_plan("stable", replace(site.plan, issued=issued))
    program.machine.go_to(Phase.WAITING)
    assert program.machine.disk.floor() == issued
    program.machine.clock.offset -= 86_400
    program.turns(1)
    assert program.shown["error"] == "expired"
    assert "signature proves" in program.shown["said"]


def test_two_programs_at_once_are_one(program: Program) -> None:
    with (
        program.machine.disk.locked(),
        pytest.raises(StoreError, match="another update"),
        Disk(program.machine.folder).locked(),
    ):
        pytest.fail("both have the lock")


def test_a_board_that_cannot_be_written_stops_nothing(program: Program) -> None:
    program.board.mkdir()
    program.service.run()
    assert program.machine.disk.state().running == program.machine.site.image


def test_a_state_that_cannot_be_read_is_an_error_and_changes_nothing(program: Program) -> None:
    (program.machine.folder / "state").write_bytes(b"junk")
    program.turns(2)
    assert program.shown["error"] == "store"
    assert program.shown["phase"] is None
    assert (program.machine.folder / "state").read_bytes() == b"junk"
    assert os.readlink(program.machine.folder / "current") == "A"
