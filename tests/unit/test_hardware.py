"""What of the configuration reaches the strikes, and that each kind which it may name can
be made.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from drivers.strike.wire import MAX_LINES, StrikeLine
from hubcore.errors import ConfigError
from hubd.config import backend, movers, radio
from hubd.config.file import Config, parse
from hubd.config.movers import STRIKES_MAX
from hubd.config.section import DEFAULT_KINDS, kind_of
from hubd.wiring.movers import mover_kinds, strike_lines
from hubd.wiring.networks import make_networks
from hubd.wiring.radios import RADIO_KINDS
from hubd.wiring.securing import Securing
from hubd.wiring.uplinks import UPLINK_KINDS
from tests.fakes.commands import FakeCommands

HEAD = """
[hub]
id = "hub-1"
site = "site-1"
time_zone = "UTC"
[keys]
identity = "identity"
certificate = "certificate"
issuer = "issuer"
"""


def door(index: int, more: str = "") -> str:
    return f"""
[[doors]]
id = "door-{index}"
name = "Door {index}"
access_points = [{{ number = {index + 1}, name = "In" }}]
strike = {{ chip = "pinctrl-rp1", line = {index}, active_low = {str(bool(index % 2)).lower()} }}
{more}
"""


LISTED = """
[[doors]]
id = "main"
name = "Main door"
access_points = [{{ number = 99, name = "In" }}]
{more}
[[doors.movers]]
kind = "strike"
id = "left"
chip = "pinctrl-rp1"
line = 117
{left}
[[doors.movers]]
kind = "strike"
id = "right"
chip = "pinctrl-rp1"
line = 127
{right}
"""


def read(text: str) -> Config:
    return parse(text, Path("/etc/hubd/hubd.toml"))


def lines_of(text: str) -> dict[str, StrikeLine]:
    return strike_lines(mover for door in read(text).doors for mover in door.moved_by)


def test_each_strike_has_the_line_the_cap_and_the_rest_of_its_own_door() -> None:
    first = door(0, "strike_seconds = 1.1\nstrike_cap_seconds = 2.3")
    second = door(1, "strike_cap_seconds = 60\nstrike_rest_seconds = 90")
    text = HEAD + first + second + door(2)
    assert lines_of(text) == {
        "door-0": StrikeLine("pinctrl-rp1", 0, False, 2_300, 500),
        "door-1": StrikeLine("pinctrl-rp1", 1, True, 60_000, 90_000),
        "door-2": StrikeLine("pinctrl-rp1", 2, False, 10_000, 500),
    }


def test_each_strike_of_a_list_has_its_own_cap_and_rest_or_else_its_door_s() -> None:
    text = HEAD + LISTED.format(
        more="strike_cap_seconds = 7\nstrike_rest_seconds = 2",
        left="cap_seconds = 20",
        right="rest_seconds = 30\nactive_low = true",
    )
    assert lines_of(text) == {
        "left": StrikeLine("pinctrl-rp1", 117, False, 20_000, 2_000),
        "right": StrikeLine("pinctrl-rp1", 127, True, 7_000, 30_000),
    }
    assert read(text).doors[0].cap_seconds == 20.0


def test_the_configuration_allows_as_many_doors_as_the_guard_has_lines() -> None:
    text = HEAD + "".join(door(index) for index in range(MAX_LINES))
    assert len(lines_of(text)) == MAX_LINES == STRIKES_MAX
    with pytest.raises(
        ConfigError, match=r"key doors: expected 1 to 32 tables \[\[doors\]\], found \["
    ):
        read(text + door(MAX_LINES))


def test_a_list_of_movers_does_not_allow_more_lines_than_the_guard_has() -> None:
    listed = LISTED.format(more="", left="", right="")
    text = HEAD + "".join(door(index) for index in range(MAX_LINES - 2))
    assert len(lines_of(text + listed)) == MAX_LINES
    more = door(MAX_LINES - 2)
    with pytest.raises(
        ConfigError,
        match=r"door 'main': expected at most 32 strikes at all doors of the hub together",
    ):
        read(text + more + listed)


def test_every_kind_that_a_file_may_name_has_a_row() -> None:
    for union, rows, section in (
        (movers.Mover, mover_kinds(make_networks(read(HEAD + door(1))), FakeCommands()), "movers"),
        (radio.Radio, RADIO_KINDS, "radio"),
        (backend.Backend, UPLINK_KINDS, "backend"),
    ):
        members = get_args(union) or (union,)
        assert set(members) == set(rows)
        assert kind_of(members[0]) == DEFAULT_KINDS[section], "the default kind stands first"


def test_every_kind_of_mover_has_a_row_of_how_it_is_secured() -> None:
    kinds = get_args(movers.Mover) or (movers.Mover,)
    assert set(Securing().kinds) == {kind_of(kind) for kind in kinds}
