"""What of the configuration reaches the strikes."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.strike.wire import MAX_LINES, StrikeLine
from hubcore.errors import ConfigError
from hubd.config.file import parse
from hubd.wiring.hardware import strike_lines

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


def test_each_strike_has_the_line_the_cap_and_the_rest_of_its_own_door() -> None:
    first = door(0, "strike_seconds = 1.1\nstrike_cap_seconds = 2.3")
    second = door(1, "strike_cap_seconds = 60\nstrike_rest_seconds = 90")
    text = HEAD + first + second + door(2)
    assert strike_lines(parse(text, Path("/etc/hubd/hubd.toml"))) == [
        StrikeLine("pinctrl-rp1", 0, False, 2_300, 500),
        StrikeLine("pinctrl-rp1", 1, True, 60_000, 90_000),
        StrikeLine("pinctrl-rp1", 2, False, 10_000, 500),
    ]


def test_the_configuration_allows_as_many_doors_as_the_guard_has_lines() -> None:
    text = HEAD + "".join(door(index) for index in range(MAX_LINES))
    assert len(strike_lines(parse(text, Path("/etc/hubd/hubd.toml")))) == MAX_LINES
    with pytest.raises(ConfigError, match=r"key doors: expected 1 to 32 tables \[\[doors\]\], found \["):
        parse(text + door(MAX_LINES), Path("/etc/hubd/hubd.toml"))
