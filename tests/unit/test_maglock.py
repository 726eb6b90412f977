"""Maglocks: released by taking their power, beside strikes behind one guard; and the other inputs
that a door may have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import gpiod
import pytest
from msgspec import structs

from drivers.gpio.wired import Contact
from drivers.strike.wire import StrikeLine
from hubcore.checks import Part
from hubcore.errors import ConfigError
from hubcore.ports.doors import InputEvent
from hubd.config.file import Config, parse
from hubd.config.movers import Maglock, Strike
from hubd.config.section import kind_of
from hubd.wiring.hardware import wired_inputs
from hubd.wiring.look import lines
from hubd.wiring.look.world import World
from hubd.wiring.movers import MadeKind, OnLine, make_movers, strike_lines, strikes
from hubd.wiring.parts import TellPart
from hubd.wiring.securing import Securing
from hubsim.door.lines import Bank

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
PAIR = """
[[doors]]
id = "main"
name = "Main door"
access_points = [{ number = 1, name = "In" }]
strike_seconds = 0.3
[[doors.movers]]
kind = "strike"
id = "bolt"
chip = "pinctrl-rp1"
line = 17
continuous = true
[[doors.movers]]
kind = "maglock"
id = "magnet"
chip = "pinctrl-rp1"
line = 18
"""
INPUTS = """
[[doors]]
id = "{door}"
name = "A door"
access_points = [{{ number = {number}, name = "In" }}]
strike = {{ chip = "pinctrl-rp1", line = {number} }}
{inputs}
"""
FACTORY = "hubsim.door.lines:open_lines"


def read(text: str) -> Config:
    return parse(HEAD + text, Path("/etc/hubd/hubd.toml"))


def test_a_magnet_has_power_while_its_line_is_at_rest() -> None:
    """The guard's active is released: so the level of a magnet is the other one."""
    (door,) = read(PAIR).doors
    assert strike_lines(door.moved_by) == {
        "bolt": StrikeLine("pinctrl-rp1", 17, active_low=False, cap_ms=0, rest_ms=500),
        "magnet": StrikeLine("pinctrl-rp1", 18, active_low=True, cap_ms=0, rest_ms=0),
    }
    low = PAIR.replace("line = 18", "line = 18\nactive_low = true")
    (door,) = read(low).doors
    assert not strike_lines(door.moved_by)["magnet"].active_low


def test_a_door_may_be_held_when_each_of_its_movers_may() -> None:
    assert read(PAIR).doors[0].may_be_held
    assert not read(PAIR.replace("continuous = true", "")).doors[0].may_be_held


RELAY_STRIKE = 'kind = "relay_strike"\nid = "bolt"\nboard = "doors"\nrelay = 1'
ZWAVE_LOCK = 'kind = "zwave_lock"\nid = "bolt"\nnode = 2'
BOARD = """
[[relay_boards]]
kind = "modbus"
id = "doors"
port = "/dev/ttyS9"
relays = 2
"""


@pytest.mark.parametrize("other", [RELAY_STRIKE, ZWAVE_LOCK])
def test_a_door_with_a_mover_that_ends_by_itself_may_not_be_held(other: str) -> None:
    start = PAIR.index('kind = "strike"')
    end = PAIR.index("[[doors.movers]]", start)
    (door,) = read(PAIR[:start] + other + "\n" + PAIR[end:] + BOARD).doors
    assert kind_of(door.moved_by[0]) in other
    assert not door.may_be_held


def test_a_release_at_a_maglock_has_a_cap_of_its_own() -> None:
    text = PAIR.replace("line = 18", "line = 18\ncap_seconds = 0.2")
    with pytest.raises(ConfigError, match=r"at least strike_seconds, which is 0\.3, found 0\.2"):
        read(text)


async def test_a_strike_and_a_maglock_of_a_door_are_released_together(tmp_path: Path) -> None:
    bank = Bank.create(tmp_path / "lines", ["bolt", "magnet"])
    made_for: list[list[str]] = []
    edges: list[InputEvent] = []

    def on_file(wanted: Sequence[OnLine], tell: TellPart) -> MadeKind:
        made_for.append([mover.id for mover in wanted])
        moved = [structs.replace(one, chip=str(bank.path), line=one.id) for one in wanted]
        return strikes(moved, tell, FACTORY)

    movers = make_movers(
        read(PAIR), edges.append, lambda *_: None, {Strike: on_file, Maglock: on_file}
    )
    assert made_for == [["bolt", "magnet"]]  # one guard holds the lines of both
    ready = asyncio.Event()

    def levels() -> list[bool]:
        return [bank.level(index).active for index in (0, 1)]

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        guard = tasks.create_task(movers.runs[Part.STRIKES](ready.set))
        await ready.wait()
        door = movers.doors["main"]
        while door.must_rest_seconds(0.3):  # noqa: ASYNC110 - no event says that a rest is over
            await asyncio.sleep(0.01)
        await door.release(0.3)
        assert levels() == [True, True]
        while any(levels()):  # noqa: ASYNC110 - the guard's process lets them fall
            await asyncio.sleep(0.01)
        guard.cancel()


def test_after_the_end_of_hubd_a_magnet_gets_its_power_back() -> None:
    opened: list[StrikeLine] = []

    class Held:
        def set(self, index: int, active: bool) -> None:
            raise AssertionError("no mover is driven active")

        def close(self) -> None:
            return

    def open_lines(wanted: Sequence[StrikeLine]) -> Held:
        opened.extend(wanted)
        return Held()

    Securing(open_lines).mover(
        {"kind": "maglock", "id": "magnet", "chip": "pinctrl-rp1", "line": 18}
    )
    assert [line.active_low for line in opened] == [True]


def _no_chip(_path: str) -> gpiod.Chip:
    raise OSError(2, "No such file or directory")


def test_the_installer_is_told_what_a_maglock_does_without_power(tmp_path: Path) -> None:
    world = World(uid=0, root=tmp_path, open_chip=_no_chip)
    said = [finding.text for finding in lines.look(read(PAIR), world)]
    assert any("maglock magnet is fail-safe: without power the door is open" in it for it in said)


# The other inputs of a door.


def test_each_input_of_a_door_reaches_the_driver_with_its_debounce() -> None:
    wanted = """
dps = { chip = "pinctrl-rp1", line = 22, debounce_ms = 50 }
dps_second = { chip = "pinctrl-rp1", line = 23 }
rex = { chip = "pinctrl-rp1", line = 24 }
bolt = { chip = "pinctrl-rp1", line = 25 }
fire = { chip = "pinctrl-rp1", line = 26 }
"""
    config = read(INPUTS.format(door="a", number=1, inputs=wanted))
    found = [(line.contact, line.line, line.debounce_ms) for line in wired_inputs(config)]
    assert found == [
        (Contact.DPS, 22, 50),
        (Contact.DPS_SECOND, 23, 20),
        (Contact.REX, 24, 20),
        (Contact.BOLT, 25, 20),
        (Contact.FIRE, 26, 20),
    ]


def test_doors_may_share_a_fire_input_and_no_other() -> None:
    fire = 'fire = { chip = "pinctrl-rp1", line = 26 }'
    both = INPUTS.format(door="a", number=1, inputs=fire)
    both += INPUTS.format(door="b", number=2, inputs=fire)
    assert [line.door for line in wired_inputs(read(both))] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"line 26 of pinctrl-rp1, which fire of door 'a' has"):
        read(both.replace("fire", "rex", 2).replace("rex", "fire", 1))


def test_a_second_contact_stands_beside_a_first() -> None:
    second = 'dps_second = { chip = "pinctrl-rp1", line = 23 }'
    with pytest.raises(ConfigError, match="dps_second of door 'a': expected dps beside it"):
        read(INPUTS.format(door="a", number=1, inputs=second))
