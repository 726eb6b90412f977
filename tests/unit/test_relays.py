"""Relay boards on ptys: what each protocol says and reads, and what the driver makes of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.relays.board import WrongBoardError
from drivers.relays.boards import BoardLine, RelayBoards
from drivers.relays.lcus import LcusBoard, command
from drivers.relays.numato import NumatoBoard
from drivers.relays.opening import BAUD_OF, CAN_BE_A_STRIKE, BoardKind, open_line
from hubcore.device.breaker import BreakerRule
from hubcore.device.command import Capability, Command, CommandOutcome, Verb
from hubcore.device.device import Device
from hubcore.device.state import DeviceFault, DeviceState, Position
from hubcore.errors import HardwareError
from hubd.adapters.host.clock import SystemClock
from hubd.devices.supervisor import Supervisor
from hubsim.relays.boards import SimBoard, SimLcus, SimModbus, SimNumato, crc16
from tests.fakes.device import FakeListener

SIM_OF: dict[BoardKind, type[SimBoard]] = {
    BoardKind.LCUS: SimLcus,
    BoardKind.NUMATO: SimNumato,
    BoardKind.MODBUS: SimModbus,
}
PATIENCE_SECONDS = 20.0


@pytest.fixture(params=list(BoardKind))
def kind(request: pytest.FixtureRequest) -> BoardKind:
    found: BoardKind = request.param
    return found


@pytest.fixture
def sim(kind: BoardKind, tmp_path: Path) -> Iterator[SimBoard]:
    board = SIM_OF[kind](4, tmp_path / "ttyRelays")
    yield board
    board._stop.set()


@asynccontextmanager
async def driver(sim: SimBoard, kind: BoardKind) -> AsyncIterator[tuple[RelayBoards, FakeListener]]:
    """The driver of one board with a light on relay 1 and a fan on relay 4."""
    opens = partial(open_line, sim.path, kind, 4)
    boards = RelayBoards([BoardLine(sim.path, opens, {"light": 1, "fan": 4})], look_seconds=0.1)
    listener = FakeListener()
    task = asyncio.create_task(boards.serve(listener))
    try:
        yield boards, listener
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_relay_is_switched_and_read_back(sim: SimBoard, kind: BoardKind) -> None:
    async with driver(sim, kind) as (boards, listener):
        await listener.until(
            lambda: listener.positions == {"light": Position.OFF, "fan": Position.OFF}
        )
        await boards.perform(Command("fan", Verb.ON))
        assert sim.on == {1: False, 2: False, 3: False, 4: True}
        assert listener.positions["fan"] is Position.ON
        await boards.perform(Command("fan", Verb.OFF))
        assert not any(sim.on.values())


async def test_a_relay_that_sticks_is_no_success(sim: SimBoard, kind: BoardKind) -> None:
    sim.stuck.add(1)
    async with driver(sim, kind) as (boards, listener):
        await listener.until(lambda: bool(listener.positions))
        with pytest.raises(HardwareError, match="did not switch"):
            await boards.perform(Command("light", Verb.ON))


async def test_what_somebody_else_switches_is_seen(sim: SimBoard, kind: BoardKind) -> None:
    async with driver(sim, kind) as (_, listener):
        await listener.until(lambda: listener.positions.get("light") is Position.OFF)
        sim.set(1, True)
        await listener.until(lambda: listener.positions["light"] is Position.ON)


async def test_a_board_that_is_pulled_out_comes_back_alone(sim: SimBoard, kind: BoardKind) -> None:
    async with driver(sim, kind) as (boards, listener):
        await listener.until(lambda: bool(listener.positions))
        sim.unplug()
        await listener.until(lambda: ("light", DeviceFault.INTERFACE_GONE) in listener.faults)
        with pytest.raises(HardwareError, match="is not there"):
            await boards.perform(Command("light", Verb.ON))
        sim.plug()
        await listener.until(lambda: not listener.faults)
        await boards.perform(Command("light", Verb.ON))
        assert sim.on[1]


async def test_a_board_of_another_kind_is_told_as_such(sim: SimBoard, kind: BoardKind) -> None:
    sim.garbage = b"OK\r\n"
    async with driver(sim, kind) as (_, listener):
        await listener.until(lambda: ("light", DeviceFault.STRANGE) in listener.faults)
        sim.garbage = None
        await listener.until(lambda: not listener.faults)


async def test_a_board_that_falls_silent_fails_in_time(sim: SimBoard, kind: BoardKind) -> None:
    async with driver(sim, kind) as (boards, listener):
        await listener.until(lambda: bool(listener.positions))
        sim.mute = True
        with pytest.raises(HardwareError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await boards.perform(Command("light", Verb.ON))


async def test_a_driver_that_ended_by_a_mistake_works_when_it_is_begun_again(
    tmp_path: Path,
) -> None:  # supervisor, law 5
    sim = SimNumato(4, tmp_path / "ttyRelays")
    opens = partial(open_line, sim.path, BoardKind.NUMATO, 4)
    boards = RelayBoards([BoardLine(sim.path, opens, {"light": 1})], look_seconds=0.1)

    class Mistaken(FakeListener):
        def changed(self, device: str, state: DeviceState) -> None:
            raise RuntimeError("a mistake")

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(ExceptionGroup):
                await boards.serve(Mistaken())
            listener = FakeListener()
            serving = asyncio.create_task(boards.serve(listener))
            while not listener.states.get("light"):
                assert not serving.done()
                await asyncio.sleep(0.01)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    finally:
        sim.end()


async def test_a_line_is_for_one_alone(sim: SimBoard, kind: BoardKind) -> None:
    first = open_line(sim.path, kind, 4)
    with pytest.raises(HardwareError, match="cannot be opened"):
        open_line(sim.path, kind, 4)
    first.close()


async def test_a_modbus_module_ends_a_pulse_by_itself(tmp_path: Path) -> None:
    sim = SimModbus(4, tmp_path / "ttyRelays")
    async with driver(sim, BoardKind.MODBUS) as (boards, listener):
        await listener.until(lambda: bool(listener.positions))
        await boards.perform(Command("fan", Verb.PULSE, 5))
        assert listener.positions["fan"] is Position.ON
        await listener.until(lambda: listener.positions["fan"] is Position.OFF)
    sim._stop.set()


@pytest.mark.parametrize("kind", [BoardKind.LCUS, BoardKind.NUMATO])
async def test_a_board_without_a_timer_is_no_strike(kind: BoardKind, tmp_path: Path) -> None:
    assert not CAN_BE_A_STRIKE[kind]
    sim = SIM_OF[kind](4, tmp_path / "ttyRelays")
    async with driver(sim, kind) as (boards, listener):
        await listener.until(lambda: bool(listener.positions))
        with pytest.raises(HardwareError, match="cannot end a pulse"):
            await boards.perform(Command("fan", Verb.PULSE, 5))
        assert not any(sim.on.values())
    sim._stop.set()


async def test_a_board_of_one_relay_cannot_tell(tmp_path: Path) -> None:
    sim = SimLcus(1, tmp_path / "ttyRelays")
    port = open_line(sim.path, BoardKind.LCUS, 1)
    port.board.probe()
    port.board.switch(1, True)
    assert port.board.state(1) is None
    port.close()
    sim._stop.set()


async def test_a_board_that_cannot_tell_is_never_taken_at_its_word(tmp_path: Path) -> None:
    """Boards, law 5: the relay moved, and nobody here can know it."""
    sim = SimLcus(1, tmp_path / "ttyRelays")
    opens = partial(open_line, sim.path, BoardKind.LCUS, 1)
    driver = RelayBoards([BoardLine(sim.path, opens, {"light": 1})], look_seconds=0.1)
    device = Device("light", Capability.SWITCH, 30.0)
    supervisor = Supervisor(
        devices={"light": (device, driver)},
        clock=SystemClock(lambda: 0.0),
        tell_fault=lambda *_: None,
        breaker=BreakerRule(),
    )
    listening = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:  # until the line is open
            result = await supervisor.perform(Command("light", Verb.OFF), 9.0)
            if result.sent:
                break
    for _ in range(5):
        result = await supervisor.perform(Command("light", Verb.ON), 9.0)
        assert (result.outcome, result.sent) == (CommandOutcome.UNKNOWN, True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while b"".join(sim.heard).count(command(1, True)) < 5:  # noqa: ASYNC110 - a thread hears
            await asyncio.sleep(0.01)
    assert b"".join(sim.heard) == command(1, False) + 5 * command(1, True), "each was sent once"
    assert supervisor.answers("light"), "the board is not left alone for it"
    assert supervisor.state("light").position is Position.UNKNOWN
    listening.cancel()
    await asyncio.wait({listening})
    sim.end()


def test_commands_are_the_documented_bytes() -> None:
    assert command(1, True) == bytes.fromhex("a00101a2")
    assert command(1, False) == bytes.fromhex("a00100a1")
    assert crc16(bytes.fromhex("0105 0000 ff00")) == bytes.fromhex("8c3a")
    assert set(BAUD_OF) == set(CAN_BE_A_STRIKE) == set(BoardKind)


class Says:
    """A port whose board answers whatever is asked with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._left = b""

    def write(self, data: bytes) -> int:
        self._left = self._answer
        return len(data)

    def read(self, size: int) -> bytes:
        said = self._left[:size]
        self._left = self._left[size:]
        return said

    def read_until(self, expected: bytes, size: int) -> bytes:
        end = self._left.find(expected)
        return self.read(min(size, len(self._left) if end < 0 else end + len(expected)))

    def reset_input_buffer(self) -> None:
        self._left = b""


@given(st.binary(max_size=600))
def test_whatever_a_board_says_is_a_state_or_an_error(said: bytes) -> None:
    for board in (LcusBoard(Says(said), 4), NumatoBoard(Says(said), 4)):
        try:
            board.probe()
            assert board.state(1) in (True, False)
        except WrongBoardError:
            continue


class SilentPort:
    """A line on which nobody answers; each read has waited for the whole time of the line."""

    def __init__(self) -> None:
        self.reads = 0

    def write(self, data: bytes, /) -> int:
        return len(data)

    def read(self, _size: int, /) -> bytes:
        return b""

    def read_until(self, _expected: bytes, _size: int) -> bytes:
        self.reads += 1
        return b""

    def reset_input_buffer(self) -> None:
        pass


def test_a_silent_lcus_board_costs_one_wait_however_many_relays_it_has() -> None:
    port = SilentPort()
    with pytest.raises(HardwareError):
        LcusBoard(port, 32).state(1)
    assert port.reads == 1
