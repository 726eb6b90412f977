"""Strikes on relay boards: which boards may be one, and a board whose timer does not do its work."""

# ruff: noqa: E501 -- a table of whole sentences

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from drivers.relays.boards import BoardLine
from drivers.relays.opening import CAN_BE_A_STRIKE, BoardKind, open_line
from drivers.relays.strike import LATE_SECONDS, RelayStrike, StrikeRelay
from drivers.relays.strikes import RelayStrikes
from hubcore.checks import Part
from hubcore.device.command import Command, Verb
from hubcore.device.state import DeviceState, Position
from hubcore.errors import ConfigError, HardwareError
from hubcore.ports.doors import Input, InputEvent
from hubd.config import devices as sections
from hubd.config.file import Config, parse
from hubd.config.section import kind_of
from hubd.wiring.movers import make_movers, mover_kinds
from hubd.wiring.networks import make_networks
from hubsim.relays.boards import SimModbus
from tests.fakes.commands import FakeCommands
from tests.unit.test_config import CREDENTIALS, FILE, SMALL

PATIENCE_SECONDS = 20.0
WAITED_SECONDS = LATE_SECONDS + 0.4
DOOR = (
    SMALL.replace('strike = { chip = "gpiochip0", line = 17 }\n', "")
    + """
[[doors.movers]]
kind = "relay_strike"
id = "front-strike"
board = "hall"
relay = 2
[[relay_boards]]
kind = "modbus"
id = "hall"
port = "/dev/ttyUSB0"
relays = 4
"""
)
LIGHT = """
[[devices]]
kind = "relay"
id = "light"
name = "Light"
board = "hall"
relay = 3
"""
SECOND = """
[[doors.movers]]
kind = "relay_strike"
id = "second-strike"
board = "hall"
relay = 2
[[relay_boards]]
"""


def config_of(text: str) -> Config:
    return parse(text, FILE, CREDENTIALS)


def test_only_a_board_with_read_back_and_a_pulse_of_its_own_may_be_a_strike() -> None:
    kinds = {sections.Lcus, sections.Numato, sections.Modbus}
    ours = {kind.__struct_config__.tag: kind.CAN_BE_A_STRIKE for kind in kinds}
    assert ours == {kind.value: can for kind, can in CAN_BE_A_STRIKE.items()}
    board = config_of(DOOR).relay_boards[0]
    assert (kind_of(board), board.CAN_BE_A_STRIKE) == ("modbus", True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (DOOR.replace('"modbus"', '"lcus"'), "key board of the 1st [[doors.movers]] of door 'front': expected a board that reads back its relays and ends a pulse by itself (modbus), found 'hall' of kind lcus"),
        (DOOR.replace('"modbus"', '"numato"'), "key board of the 1st [[doors.movers]] of door 'front': expected a board that reads back its relays and ends a pulse by itself (modbus), found 'hall' of kind numato"),
        (DOOR.replace('board = "hall"', 'board = "shed"'), "key board of the 1st [[doors.movers]] of door 'front': expected the id of one of the [[relay_boards]], found 'shed'"),
        (DOOR.replace("relay = 2", "relay = 5"), "key relay of the 1st [[doors.movers]] of door 'front': expected at most 4, the relays of 'hall', found 5"),
        (DOOR + LIGHT, "key board of the 1st [[doors.movers]] of door 'front': expected a board for strikes alone, found 'hall', which device 'light' is on"),
        (DOOR.replace("[[relay_boards]]\n", SECOND, 1), "key relay of the 2nd [[doors.movers]] of door 'front': expected a value used once, found relay 2 of board 'hall', which mover 'front-strike' has"),
    ],
)  # fmt: skip
def test_what_can_be_no_strike_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    assert re.sub(r"line \d+: ", "", str(caught.value)) == f"{FILE}: {sentence}"


async def test_the_configuration_makes_one() -> None:
    config = config_of(DOOR)
    made = make_movers(
        config=config,
        publish=lambda _event: None,
        tell=lambda _part, _up, _why: None,
        rows=mover_kinds(make_networks(config), FakeCommands()),
    )
    assert isinstance(made.doors["front"], RelayStrike)
    assert list(made.runs) == [Part.RELAY_STRIKES]


class Rig:
    def __init__(self, folder: Path) -> None:
        self.sim = SimModbus(4, folder / "ttyRelays")
        self.told: list[tuple[bool, str]] = []
        self.edges: list[InputEvent] = []
        opens = partial(open_line, self.sim.path, BoardKind.MODBUS, 4)
        self.strikes = RelayStrikes(
            [BoardLine(self.sim.path, opens, {"front-strike": 2})],
            lambda up, why: self.told.append((up, why)),
        )
        relay = StrikeRelay("front-strike", cap_ms=2000, rest_ms=100)
        self.mover = self.strikes.make(relay, "front", self.edges.append)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - what is awaited is in another thread
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(folder: Path, left_on: bool = False) -> AsyncIterator[Rig]:
    rig = Rig(folder)
    rig.sim.on[2] = left_on
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(rig.strikes.run(ready.set))
            await ready.wait()
            await rig.until(lambda: rig.mover.must_rest_seconds(1.0) == 0.0)
            try:
                yield rig
            finally:
                task.cancel()
    finally:
        rig.sim.end()


async def test_a_board_whose_timer_does_not_end_a_pulse_is_switched_off_and_no_strike_any_more(
    tmp_path: Path,
) -> None:  # strike, law 4
    async with running(tmp_path) as rig:
        rig.sim.forgets_pulses = True
        await rig.mover.release(0.3)
        assert rig.sim.on[2]
        await rig.until(lambda: not rig.sim.on[2])
        await rig.until(lambda: not rig.mover.driven)
        assert rig.told
        assert "did not end a pulse by itself" in rig.told[-1][1]
        with pytest.raises(HardwareError, match="it is no strike"):
            await rig.mover.release(0.3)
        assert not rig.sim.on[2]


async def test_a_board_that_is_pulled_out_in_a_pulse_is_told_and_comes_back(
    tmp_path: Path,
) -> None:  # strike, law 5
    async with running(tmp_path) as rig:
        await rig.mover.release(0.4)
        rig.sim.unplug()
        await rig.until(lambda: not rig.mover.driven)
        await rig.until(lambda: bool(rig.told))
        assert rig.told == [
            (False, f"The relay board at {rig.sim.path} is not there, or its port is in use.")
        ]
        with pytest.raises(HardwareError, match="cannot be driven"):
            await rig.mover.release(0.4)
        rig.sim.plug()

        async def works() -> bool:
            try:
                await rig.mover.release(0.3)
            except HardwareError:
                return False
            return True

        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await works():  # noqa: ASYNC110 - the line is opened again by time alone
                await asyncio.sleep(0.05)
        await rig.until(lambda: not rig.mover.driven)
        assert rig.edges[-1].what is Input.STRIKE_INACTIVE


async def test_a_relay_that_is_left_on_by_an_earlier_life_is_switched_off(
    tmp_path: Path,
) -> None:  # strike, law 6
    async with running(tmp_path, left_on=True) as rig:
        await rig.until(lambda: not rig.sim.on[2])
        assert not rig.mover.driven
        await rig.mover.release(0.3)
        assert rig.sim.on[2]
        await rig.until(lambda: not rig.mover.driven)


async def test_a_relay_that_is_left_on_after_a_lost_line_is_switched_off(
    tmp_path: Path,
) -> None:  # strike, law 6
    async with running(tmp_path) as rig:
        rig.sim.forgets_pulses = True
        await rig.mover.release(0.4)
        rig.sim.unplug()
        await rig.until(lambda: not rig.mover.driven)
        assert rig.sim.on[2]
        rig.sim.plug()
        await rig.until(lambda: not rig.sim.on[2])


async def test_the_end_of_the_daemon_leaves_the_end_of_the_pulse_to_the_board(
    tmp_path: Path,
) -> None:  # strike, law 1
    sim = SimModbus(4, tmp_path / "ttyOwn")
    try:
        port = open_line(sim.path, BoardKind.MODBUS, 4)
        port.board.pulse(2, 3)
        port.close()
        assert sim.on[2]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sim.on[2]:  # noqa: ASYNC110 - what is awaited is in another thread
                await asyncio.sleep(0.01)
    finally:
        sim.end()


async def test_a_pulse_that_waited_in_line_is_no_late_one() -> None:  # strike, law 4
    line = asyncio.Lock()
    told: list[Input] = []
    broken: list[str] = []
    ends_at = 0.0

    async def perform(command: Command) -> None:
        """As a board whose line is busy with another relay when it gets the pulse."""
        nonlocal ends_at
        async with line:
            if command.verb is Verb.PULSE:
                await asyncio.sleep(WAITED_SECONDS)
                ends_at = time.monotonic() + (command.level or 0) / 10
            now = time.monotonic()
            position = Position.ON if ends_at > now else Position.OFF
            strike.stands(DeviceState(position, now))

    strike = RelayStrike(
        StrikeRelay("front-strike", cap_ms=10_000, rest_ms=0),
        "front",
        lambda event: told.append(event.what),
        perform,
        lambda _strike, why: broken.append(why),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(strike.run())
        await asyncio.wait_for(_released(strike, 0.5), PATIENCE_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while strike.driven:  # noqa: ASYNC110 - the strike says so to nobody
                await asyncio.sleep(0.005)
        assert told[-2:] == [Input.STRIKE_ACTIVE, Input.STRIKE_INACTIVE]
        assert broken == []
        assert time.monotonic() >= ends_at
        task.cancel()


async def _released(strike: RelayStrike, seconds: float) -> None:
    """Release when the rest that a start begins with is over."""
    while strike.must_rest_seconds(seconds):  # noqa: ASYNC110 - it is a time
        await asyncio.sleep(0.005)
    await strike.release(seconds)
