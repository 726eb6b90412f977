"""`hubctl enroll --start`: the hub is started if it finds itself right, and only then."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hubcore.errors import ConfigError, HardwareError
from hubd.enrolment.__main__ import started
from hubd.enrolment.starting import BLUETOOTH, CHECK, ENABLE, RELOAD, START, run_here, start_hub
from hubterm.exits import IN_DOUBT


class Systemd:
    """Does nothing, notes each step, and returns the status that is wanted of it."""

    def __init__(self, **status: int) -> None:
        self.status = status
        self.done: list[tuple[str, ...]] = []
        self.told: list[str] = []

    def run(self, argv: Sequence[str]) -> int:
        self.done.append((*argv,))
        names = {CHECK: "check", BLUETOOTH: "bluetooth", ENABLE: "enable", START: "start"}
        return self.status.get(names.get((*argv,), ""), 0)

    def start(self) -> bool:
        return start_hub(self.run, self.told.append)


def test_a_hub_that_is_right_is_started_now_and_at_each_boot() -> None:
    machine = Systemd()
    assert machine.start()
    assert machine.done == [RELOAD, CHECK, BLUETOOTH, ENABLE, START]
    assert len(machine.told) == 1


@pytest.mark.parametrize("status", [78, 1, -9])
def test_a_hub_that_would_not_start_is_left(status: int) -> None:
    machine = Systemd(check=status)
    with pytest.raises(ConfigError, match="was not started"):
        machine.start()
    assert machine.done == [RELOAD, CHECK]


def test_what_does_not_stop_a_start_is_said() -> None:
    machine = Systemd(check=69, bluetooth=1)
    assert not machine.start()
    assert not Systemd(check=69).start()
    assert not Systemd(bluetooth=1).start()
    assert machine.done[-1] == START
    assert ["not all is right" in machine.told[0], "bluetooth" in machine.told[1]] == [True, True]


def test_a_hub_that_runs_in_doubt_ends_with_a_status_of_its_own() -> None:
    page = (Path(__file__).parents[2] / "docs/hubctl.md").read_text(encoding="utf-8")
    assert started(False, Systemd().run) == 0
    assert started(False, Systemd(check=69).run) == IN_DOUBT
    assert f"| {IN_DOUBT} | `enroll --start`: the hub is enrolled and was started" in page


@pytest.mark.parametrize("step", ["enable", "start"])
def test_a_hub_that_does_not_come_up_is_said(step: str) -> None:
    with pytest.raises(HardwareError, match="journalctl"):
        Systemd(**{step: 1}).start()


def test_what_a_step_says_is_no_document(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_here([sys.executable, "-c", "print('words'); raise SystemExit(3)"]) == 3
    assert capfd.readouterr() == ("", "words\n")
    with pytest.raises(HardwareError, match="no-such-program"):
        run_here(["/no-such-program"])
