"""Strikes driven inactive from outside: each one by itself, none driven, and a wrong file costs
only what is wrong.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError
from hubd.start.secure import DEFAULT_CONFIG, EX_CONFIG, EX_UNAVAILABLE, keys_not_handed_over, run
from hubd.wiring.securing import Securing

DOOR = '[[doors]]\nid = "a"\nstrike = {{ chip = "{chip}", line = {line}, active_low = {low} }}\n'


class Chips:
    """A kernel's lines: who has requested what; told to, it refuses one."""

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self.broken = broken
        self.opened: list[StrikeLine] = []
        self.held: list[StrikeLine] = []
        self.driven: list[tuple[int, bool]] = []

    def __call__(self, lines: Sequence[StrikeLine]) -> Chips:
        for line in lines:
            if line.chip in self.broken:
                raise HardwareError(f"Strike {line} cannot be used.")
        self.opened += lines
        self.held += lines
        return self

    def set(self, index: int, active: bool) -> None:
        self.driven.append((index, active))

    def close(self) -> None:
        self.held.clear()


def _file(folder: Path, text: str) -> Path:
    file = folder / "hubd.toml"
    file.write_text(text)
    return file


def _doors(*chips: str) -> str:
    return "".join(
        DOOR.format(chip=chip, line=n, low=str(bool(n % 2)).lower()) for n, chip in enumerate(chips)
    )


def test_every_strike_is_requested_inactive_and_given_back(tmp_path: Path) -> None:
    chips = Chips()
    said = list[str]()
    assert run(_file(tmp_path, _doors("one", "two")), Securing(chips), said.append) == 0
    assert [(line.chip, line.line, line.active_low) for line in chips.opened] == [
        ("one", 0, False),
        ("two", 1, True),
    ]
    assert chips.held == []
    assert chips.driven == [], "the request itself drives it inactive; nothing else may"
    assert said == ["strikes driven inactive: 2 of 2"]


def test_one_that_cannot_be_had_does_not_save_the_others(tmp_path: Path) -> None:
    chips = Chips(broken=["one"])
    said = list[str]()
    assert (
        run(_file(tmp_path, _doors("one", "two", "three")), Securing(chips), said.append)
        == EX_UNAVAILABLE
    )
    assert [line.chip for line in chips.opened] == ["two", "three"]
    assert said[0] == "Strike line 0 of one cannot be used."
    assert said[-1] == "strikes driven inactive: 2 of 3"


def test_what_is_wrong_elsewhere_in_the_file_costs_nothing(tmp_path: Path) -> None:
    chips = Chips()
    said = list[str]()
    text = (
        "[hub]\nno_such_key = 1\n[keys]\nidentity = "
        '"credential:identity"\n[[doors]]\nstrike = { chip = 5 }\n'
    )
    assert (
        run(
            _file(tmp_path, text + _doors("one") + '[[doors]]\nname = "no strike"\n'),
            Securing(chips),
            said.append,
        )
        == 69
    )
    assert [line.chip for line in chips.opened] == ["one"]
    assert "[[doors]] number 1: Expected `str`, got `int` - at `$.strike.chip`" in said[0]
    assert "[[doors]] number 3: Object missing required field `strike`" in said[1]


MOVER = '[[doors.movers]]\nid = "b"\n'
RIGHT_KIND = f'{MOVER}kind = "strike"\n'
OTHER_KIND = f'{MOVER}kind = "lock"\n'


def test_each_strike_of_a_door_with_several_is_driven_inactive_by_itself(tmp_path: Path) -> None:
    chips = Chips(broken=["one"])
    said = list[str]()
    listed = [
        f'{RIGHT_KIND}chip = "{chip}"\nline = {line}\n' for line, chip in enumerate(("one", "two"))
    ]
    text = (
        '[[doors]]\nid = "a"\n'
        + "".join(listed)
        + f'{MOVER}chip = "three"\nline = 3\nactive_low = true\n'
    )
    assert run(_file(tmp_path, text), Securing(chips), said.append) == EX_UNAVAILABLE
    assert [(line.chip, line.line, line.active_low) for line in chips.opened] == [
        ("two", 1, False),
        ("three", 3, True),
    ]
    assert chips.driven == []
    assert said == ["Strike line 0 of one cannot be used.", "strikes driven inactive: 2 of 3"]


def test_what_is_wrong_with_one_strike_of_a_door_costs_that_one(tmp_path: Path) -> None:
    chips = Chips()
    said = list[str]()
    line = 'chip = "{}"\nline = 1\n'
    door = '[[doors]]\nid = "a"\nstrike = { chip = "one", line = 0 }\n'
    text = door + OTHER_KIND + line.format("two") + RIGHT_KIND + line.format("three") + RIGHT_KIND
    assert (
        run(
            _file(tmp_path, text + "[[doors]]\nmovers = 5\n[[doors]]\nmovers = []\n"),
            Securing(chips),
            said.append,
        )
        == EX_UNAVAILABLE
    )
    assert [line.chip for line in chips.opened] == ["one", "three"]
    assert "door 'a', [[doors.movers]] number 1: Invalid value 'lock' - at `$.kind`" in said[0]
    assert "door 'a', [[doors.movers]] number 3: Object missing required field `chip`" in said[1]
    assert "[[doors]] number 2: Expected `array`, got `int`" in said[2]
    assert "[[doors]] number 3: Object missing required field `strike`" in said[3]
    assert said[4] == "strikes driven inactive: 2 of 6"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for file in (tmp_path / "none", _file(tmp_path, "doors = ["), _file(tmp_path, "doors = 1")):
        said = list[str]()
        assert run(file, Securing(Chips()), said.append) == EX_CONFIG
        assert "no strike could be driven inactive" in said[0]


def test_little_of_the_daemon_is_loaded() -> None:
    """It must end in a moment on a hub in trouble: no radio, no uplink, no cryptography, no event
    loop.
    """
    code = (
        "import sys, hubd.start.secure; print(*sorted({name.split('.')[0] for name in "
        "sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert {"gpiod", "msgspec"} <= loaded
    assert not loaded & {"asyncio", "zmq", "cryptography", "dbus_fast", "structlog", "sqlite3"}


def test_keys_that_systemd_could_not_hand_over_are_told_with_the_command_that_says_which() -> None:
    said = keys_not_handed_over(
        {"EXIT_STATUS": "243", "SERVICE_RESULT": "exit-code"}, DEFAULT_CONFIG
    )
    assert "status=243/CREDENTIALS" in said
    assert "/hubd --check-config; then: sudo systemctl restart hubd" in said
    assert "--config /tmp/other.toml" in keys_not_handed_over(
        {"EXIT_STATUS": "243"}, Path("/tmp/other.toml")
    )
    for ended in ({}, {"EXIT_STATUS": "0"}, {"EXIT_STATUS": "78"}, {"EXIT_STATUS": "KILL"}):
        assert keys_not_handed_over(ended, DEFAULT_CONFIG) == ""


def test_that_sentence_comes_from_the_program_that_the_unit_runs(tmp_path: Path) -> None:
    file = _file(tmp_path, "doors = []\n")
    command = [sys.executable, "-P", "-m", "hubd.start.secure", "--config", str(file)]
    done = subprocess.run(
        command, env={"EXIT_STATUS": "243"}, capture_output=True, text=True, check=False
    )
    assert "hubd: systemd could not hand over the keys" in done.stderr
    assert "strikes driven inactive: 0 of 0" in done.stderr
