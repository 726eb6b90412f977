"""Wired inputs over chips in memory: what is told of them, and what becomes of them and of the
edges that wait when the hub changes hands.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from gpiod.line import Bias, Direction, Edge
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gpio.events import Edges
from drivers.gpio.held import GET_VALUES, HeldLines, KernelRequests, LineEdge, held_of
from drivers.gpio.inputs import WiredInputs
from drivers.gpio.wired import Contact, InputLine
from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent
from hubcore.update.packets import Descriptor, DescriptorKind
from hubd.wiring.handed.belongings import GUARD, Belongings
from hubd.wiring.handed.kinds import HandedInputs
from tests.fakes.gpio import FakeGpio

DPS = InputLine("front", Contact.DPS, "/dev/gpiochip0", "line0")
REX = InputLine("front", Contact.REX, "/dev/gpiochip0", 1, active_low=True, debounce_ms=70)
ELSEWHERE = InputLine("back", Contact.DPS, "/dev/gpiochip1", 0)
SECOND = InputLine("front", Contact.DPS_SECOND, "/dev/gpiochip0", 2)
SECOND_ELSEWHERE = InputLine("front", Contact.DPS_SECOND, "/dev/gpiochip1", 2)
CHIP = "gpiochip0"
PATIENCE_SECONDS = 10.0


@pytest.fixture
def gpio() -> Iterator[FakeGpio]:
    made = FakeGpio(("gpiochip0", "gpiochip1"))
    yield made
    made.close()


class Process:
    """The inputs of one process of hubd, and what it tells of them."""

    def __init__(self, gpio: FakeGpio, lines: Sequence[InputLine]) -> None:
        self.gpio = gpio
        self.told: list[tuple[bool, str]] = []
        self.ready = asyncio.Event()
        self.events: list[InputEvent] = []
        self.inputs = WiredInputs(
            lines,
            self.events.append,
            lambda up, why: self.told.append((up, why)),
            open_chip=gpio.open,
            requests=gpio,
            retry_seconds=0.01,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def seen(self) -> list[Input]:
        return [event.what for event in self.events]

    async def start(self, given: Mapping[str, int] | None = None) -> None:
        """Begin, with what was handed on."""
        self.inputs.take_up(given or {})
        self.inputs.taken()
        self._task = asyncio.create_task(self.inputs.run(self.ready.set))
        await until(self.ready.is_set)

    async def settle(self) -> None:
        """Let everything be read that waits."""
        await until(lambda: not any(request.waiting for request in self.gpio.held_requests()))

    async def hand_on(self) -> dict[str, int]:
        """End, and return what is handed on."""
        self.inputs.hand_on()
        await self.end()
        return self.inputs.handed_on()

    async def end(self) -> None:
        """End as a process does that is killed: its descriptors are closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def sees(self, *what: Input) -> None:
        await until(lambda: self.seen == list(what))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - lists, filled by callbacks of the loop
            await asyncio.sleep(0)


@asynccontextmanager
async def watching(gpio: FakeGpio, *lines: InputLine) -> AsyncIterator[Process]:
    process = Process(gpio, lines)
    await process.start()
    try:
        yield process
    finally:
        await process.end()


async def test_inputs_tell_their_levels_then_edges(gpio: FakeGpio) -> None:
    async with watching(gpio, DPS, REX) as process:
        await process.sees(Input.DOOR_CLOSED)
        dps = gpio.requests[0].config[0]
        rex = gpio.requests[0].config[1]
        assert (dps.direction, dps.edge_detection, dps.bias) == (
            Direction.INPUT,
            Edge.BOTH,
            Bias.PULL_UP,
        )
        assert dps.debounce_period.total_seconds() == 0.02
        assert rex.debounce_period.total_seconds() == 0.07
        assert (dps.active_low, rex.active_low) == (False, True)
        gpio.level(CHIP, 0, True)
        at = gpio.now
        gpio.level(CHIP, 1, True)
        gpio.level(CHIP, 1, False)
        await process.sees(Input.DOOR_CLOSED, Input.DOOR_OPEN, Input.REX)
        assert process.events[1] == InputEvent("front", Input.DOOR_OPEN, at)


async def test_levels_are_read_when_asked_and_nothing_is_told(gpio: FakeGpio) -> None:
    waiting = Process(gpio, [DPS, REX])
    with pytest.raises(HardwareError, match="not watched now"):
        waiting.inputs.levels()
    async with watching(gpio, DPS, REX) as process:
        gpio.chips["/dev/gpiochip0"].levels[0] = True
        assert process.inputs.levels() == {"front dps": True, "front rex": False}
        assert process.seen == [Input.DOOR_CLOSED]


async def test_a_bolt_and_a_fire_input_that_doors_share_are_told(gpio: FakeGpio) -> None:
    more = [
        InputLine("front", Contact.BOLT, "/dev/gpiochip0", 2),
        InputLine("front", Contact.FIRE, "/dev/gpiochip0", 3),
        InputLine("back", Contact.FIRE, "/dev/gpiochip0", 3),
    ]
    at_start = [Input.DOOR_CLOSED, Input.BOLT_FREE, Input.FIRE_ENDED, Input.FIRE_ENDED]
    async with watching(gpio, DPS, REX, *more) as process:
        await process.sees(*at_start)
        gpio.level(CHIP, 2, True)
        gpio.level(CHIP, 3, True)
        await process.sees(*at_start, Input.BOLT_LOCKED, Input.FIRE, Input.FIRE)
        assert [event.door for event in process.events[-2:]] == ["front", "back"]


async def test_a_switch_with_two_contacts_tells_only_what_both_say(gpio: FakeGpio) -> None:
    gpio.level(CHIP, 2, True)  # closed, by the second contact too
    async with watching(gpio, DPS, SECOND) as process:
        await process.sees(Input.DOOR_CLOSED)
        gpio.level(CHIP, 0, True)
        gpio.level(CHIP, 2, False)
        await process.sees(Input.DOOR_CLOSED, Input.DOOR_OPEN)


async def test_tamper_that_ends_while_a_chip_is_gone_is_told_to_have_ended(
    gpio: FakeGpio,
) -> None:
    async with watching(gpio, DPS, SECOND) as process:
        await process.sees(Input.TAMPER)  # the second contact never said "closed"
        gpio.chips["/dev/gpiochip0"].error = errno.EIO
        gpio.level(CHIP, 2, True)
        await until(lambda: len(process.told) >= 2)
        gpio.chips["/dev/gpiochip0"].error = 0
        await process.sees(Input.TAMPER, Input.TAMPER_ENDED, Input.DOOR_CLOSED)


# bank, law 2
async def test_after_lost_edges_the_levels_are_read_again() -> None:
    gpio = FakeGpio(waiting_max=2)
    async with watching(gpio, DPS, REX) as process:
        gpio.level(CHIP, 0, True)  # the door opens, and that edge is lost
        gpio.level(CHIP, 1, True)
        gpio.level(CHIP, 1, False)
        await process.sees(Input.DOOR_CLOSED, Input.REX, Input.DOOR_OPEN)
    gpio.close()


async def test_a_chip_that_fails_is_told(gpio: FakeGpio) -> None:
    async with watching(gpio, DPS, REX) as process:
        gpio.chips["/dev/gpiochip0"].error = errno.EIO
        gpio.level(CHIP, 0, True)
        await until(lambda: len(process.told) == 2)
        assert not process.told[1][0]
        assert "/dev/gpiochip0" in process.told[1][1]


# inputs, law 3
async def test_while_a_chip_fails_the_lines_of_another_stay_held(gpio: FakeGpio) -> None:
    async with watching(gpio, DPS, ELSEWHERE) as process:
        requested = len(gpio.requests)
        gpio.chips["/dev/gpiochip1"].is_gone = True
        gpio.level("gpiochip1", 0, True)
        await until(lambda: len(process.told) >= 3)
        assert gpio.chips["/dev/gpiochip0"].holder(0) is gpio.requests[0]
        gpio.level(CHIP, 0, True)
        gpio.level(CHIP, 0, False)
        process.events.clear()
        gpio.chips["/dev/gpiochip1"].is_gone = False
        closed_open_closed = [Input.DOOR_CLOSED, Input.DOOR_OPEN, Input.DOOR_CLOSED]
        await until(lambda: process.told[-1][0])
        assert [one.what for one in process.events if one.door == "front"] == closed_open_closed
        assert len(gpio.requests) == requested + 1


async def test_an_input_that_cannot_be_requested_is_told(gpio: FakeGpio) -> None:
    gpio.chips["/dev/gpiochip0"].request_error = errno.EACCES
    process = Process(gpio, [DPS])
    task = asyncio.create_task(process.inputs.run(process.ready.set))
    await until(lambda: process.told)
    assert "group `gpio`" in process.told[0][1]
    assert not process.ready.is_set()
    task.cancel()
    await asyncio.wait([task])


# What changes hands.


def copies(handed: Mapping[str, int]) -> dict[str, int]:
    return {name: os.dup(number) for name, number in handed.items()}


def close(handed: Mapping[str, int]) -> None:
    for number in handed.values():
        os.close(number)


# bank, law 1
async def test_a_door_that_opens_and_shuts_while_nobody_reads_is_told_by_who_goes_on(
    gpio: FakeGpio,
) -> None:
    old = Process(gpio, [DPS, REX])
    await old.start()
    handed = await old.hand_on()
    gpio.level(CHIP, 1, True)
    gpio.level(CHIP, 0, True)
    gpio.level(CHIP, 1, False)
    gpio.level(CHIP, 0, False)
    new = Process(gpio, [DPS, REX])
    await new.start(handed)
    gap = [Input.REX, Input.DOOR_OPEN, Input.DOOR_CLOSED]
    assert new.seen == [Input.DOOR_CLOSED, *gap]
    assert sorted(event.at for event in new.events) == [event.at for event in new.events]
    assert len(gpio.requests) == 1, "the lines were held all the time"
    await new.end()


# inputs, law 2
async def test_what_is_handed_on_is_not_read_any_more(gpio: FakeGpio) -> None:
    old = Process(gpio, [DPS])
    await old.start()
    old.inputs.hand_on()
    gpio.level(CHIP, 0, True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert old.seen == [Input.DOOR_CLOSED]
    new = Process(gpio, [DPS])
    await new.start(await old.hand_on())
    assert new.seen == [Input.DOOR_CLOSED, Input.DOOR_OPEN]
    await new.end()


# inputs, law 2
async def test_nothing_is_read_before_somebody_hears_it(gpio: FakeGpio) -> None:
    edges = Edges()
    heard: list[InputEvent] = []

    async def hear() -> None:
        async for event in edges.events():
            heard.append(event)

    inputs = WiredInputs(
        [DPS],
        edges.put,
        lambda _up, _why: None,
        heard=edges.heard,
        open_chip=gpio.open,
        requests=gpio,
    )
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(inputs.run(lambda: None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not gpio.requests
        hearing = tasks.create_task(hear())
        await until(lambda: heard)
        hearing.cancel()
        watching.cancel()


async def test_what_was_read_before_is_told_before_the_session_ends(gpio: FakeGpio) -> None:
    """A hub that is handed back at once, at the moment in which an edge has been read."""
    edges = Edges()
    told: list[Input] = []
    stop = asyncio.Event()

    async def hear() -> None:
        async for event in edges.events():
            told.append(event.what)

    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(hear())
        await edges.heard()
        waits = tasks.create_task(stop.wait())
        await asyncio.sleep(0)
        edges.put(InputEvent("front", Input.REX, 1.0))
        stop.set()
        await waits
        hearing.cancel()
    assert told == [Input.REX]
    assert edges.waiting == 0


async def test_two_chips_tell_in_the_order_of_their_times(gpio: FakeGpio) -> None:
    rex_elsewhere = InputLine("front", Contact.REX, "/dev/gpiochip1", 1)
    lines = [DPS, rex_elsewhere]
    old = Process(gpio, lines)
    await old.start()
    handed = await old.hand_on()
    assert set(handed) == {"gpiochip0", "gpiochip1"}
    gpio.level("gpiochip1", 1, True)
    gpio.level("gpiochip0", 0, True)
    new = Process(gpio, lines)
    await new.start(handed)
    assert new.seen == [Input.DOOR_CLOSED, Input.REX, Input.DOOR_OPEN]
    await new.end()


# supervised, law 2
async def test_a_door_that_moves_while_nobody_reads_is_no_tamper(gpio: FakeGpio) -> None:
    """Its second contact is on another chip."""
    gpio.level("gpiochip1", 2, True)
    lines = [DPS, SECOND_ELSEWHERE]
    old = Process(gpio, lines)
    await old.start()
    await old.sees(Input.DOOR_CLOSED)
    handed = await old.hand_on()
    gpio.level("gpiochip0", 0, True)
    gpio.level("gpiochip1", 2, False)
    new = Process(gpio, lines)
    await new.start(handed)
    assert new.seen == [Input.DOOR_CLOSED, Input.DOOR_OPEN]
    await new.end()


@pytest.mark.parametrize(
    "other",
    [
        [InputLine("front", Contact.DPS, "/dev/gpiochip0", 0, debounce_ms=50), REX],
        [InputLine("front", Contact.DPS, "/dev/gpiochip0", 0, active_low=True), REX],
        [InputLine("front", Contact.DPS, "/dev/gpiochip0", 3), REX],
        [DPS],
        [DPS, REX, SECOND],
    ],
    ids=["debounce", "level", "line", "one less", "one more"],
)
async def test_other_lines_than_are_held_are_refused_and_go_back_as_they_came(
    gpio: FakeGpio, other: list[InputLine]
) -> None:
    old = Process(gpio, [DPS, REX])
    await old.start()
    handed = await old.hand_on()
    gpio.level(CHIP, 0, True)
    kept = copies(handed)
    new = Process(gpio, other)
    new.inputs.take_up(handed)
    for _ in range(2):
        with pytest.raises(HardwareError, match="they change with a restart of hubd"):
            new.inputs.taken()
    back = await new.hand_on()
    assert set(back) == {CHIP}
    assert new.seen == []
    close(kept)
    again = Process(gpio, [DPS, REX])
    await again.start(back)
    assert again.seen == [Input.DOOR_CLOSED, Input.DOOR_OPEN]
    await again.end()


async def test_inputs_of_a_chip_that_has_gone_are_requested_when_it_is_there_again(
    gpio: FakeGpio,
) -> None:
    old = Process(gpio, [DPS])
    await old.start()
    handed = await old.hand_on()
    gpio.chips["/dev/gpiochip0"].is_gone = True
    new = Process(gpio, [DPS])
    new.inputs.take_up(handed)
    new.inputs.taken()
    gpio.chips["/dev/gpiochip0"].is_gone = False
    await new.start()
    assert new.seen == [Input.DOOR_CLOSED]
    assert len(gpio.requests) == 2
    await new.end()


async def test_what_is_no_request_of_lines_is_closed_and_the_lines_are_requested(
    gpio: FakeGpio,
) -> None:
    reads, writes = os.pipe()
    process = Process(gpio, [DPS])
    await process.start({CHIP: writes})
    assert process.seen == [Input.DOOR_CLOSED]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writes)
    os.close(reads)
    await process.end()


async def test_chips_that_no_input_is_on_any_more_are_let_go_of(gpio: FakeGpio) -> None:
    old = Process(gpio, [DPS, ELSEWHERE])
    await old.start()
    new = Process(gpio, [DPS])
    await new.start(await old.hand_on())
    assert [request.chip.name for request in gpio.held_requests()] == [CHIP]
    await new.end()


# kept, law 3
async def test_a_kernel_that_does_not_tell_of_descriptors_has_its_lines_requested_again(
    gpio: FakeGpio,
) -> None:
    gpio.tells_of_descriptors = False
    old = Process(gpio, [DPS])
    await old.start()
    assert await old.hand_on() == {}
    new = Process(gpio, [DPS])
    await new.start()
    assert new.seen == [Input.DOOR_CLOSED]
    await new.end()


async def test_two_names_of_one_chip_are_one_request(gpio: FakeGpio) -> None:
    gpio.chips["/dev/also"] = gpio.chips["/dev/gpiochip0"]
    named = InputLine("back", Contact.DPS, "/dev/also", 3)
    async with watching(gpio, DPS, named) as process:
        assert process.seen == [Input.DOOR_CLOSED] * 2


async def test_the_part_of_a_hub_takes_its_own_and_leaves_it_named_by_chip(
    gpio: FakeGpio,
) -> None:
    old = Process(gpio, [DPS])
    await old.start()
    edges = Edges()
    part = HandedInputs(old.inputs, edges)
    edges.put(InputEvent("front", Input.REX, 1.0))
    assert part.half_done() == 1
    part.hand_on()
    await old.end()
    left = part.left()
    named = Descriptor(DescriptorKind.INPUTS, CHIP)
    assert set(left.descriptors) == {named}
    new = Process(gpio, [DPS])
    reads, writes = os.pipe()
    given = left.joined(Belongings({GUARD: writes}))
    taking = HandedInputs(new.inputs, Edges())
    assert taking.take_up(given) == {named}
    await taking.taken()
    taking.hand_on()
    assert taking.left().descriptors == left.descriptors
    left.close()
    os.close(reads)
    os.close(writes)


# The whole of it.


@dataclass(frozen=True)
class Level:
    """A line of a chip has another level."""

    chip: int
    offset: int


DOES = ("reads", "reads a little", "hands over", "dies", "wants others")
steps = st.lists(
    st.one_of(
        st.sampled_from(DOES),
        st.builds(Level, st.integers(0, 1), st.sampled_from([0, 1])),
    ),
    max_size=30,
)
REX_OF_LIFE = InputLine("front", Contact.REX, "/dev/gpiochip0", 1)
LINES = [DPS, REX_OF_LIFE, ELSEWHERE]
_WORDS: Mapping[tuple[Contact, bool], Input] = {
    (Contact.DPS, True): Input.DOOR_OPEN,
    (Contact.DPS, False): Input.DOOR_CLOSED,
    (Contact.REX, True): Input.REX,
}


class Life:
    """A hub that changes hands in any order, and what was true of its inputs."""

    def __init__(self, waiting_max: int = 0) -> None:
        self.gpio = FakeGpio(("gpiochip0", "gpiochip1"), waiting_max)
        self.drives = Process(self.gpio, LINES)
        self.processes = [self.drives]
        self.true: dict[InputLine, list[bool]] = {line: [False] for line in LINES}
        self.pressed_at: list[float] = []
        self.kept: dict[str, int] = {}

    async def does(self, step: str | Level) -> None:
        if isinstance(step, Level):
            self._changes(step)
        elif step == "reads":
            await self.drives.settle()
        elif step == "reads a little":
            await asyncio.sleep(0)
        elif step == "dies":
            await self._dies()
        elif step == "wants others":
            await self._refuses()
        else:  # handed over, or handed back: the same
            await self._drives_next(await self.drives.hand_on())

    def _changes(self, step: Level) -> None:
        for line in LINES:
            offset = 0 if line.contact is Contact.DPS else 1
            if (line.chip, offset) == (f"/dev/gpiochip{step.chip}", step.offset):
                now = not self.true[line][-1]
                self.true[line].append(now)
                self.gpio.level(f"gpiochip{step.chip}", offset, now)
                if now and line is REX_OF_LIFE:
                    self.pressed_at.append(self.gpio.now)

    async def _drives_next(self, given: Mapping[str, int]) -> None:
        """Who gave it keeps copies until it changes hands again."""
        close(self.kept)
        self.kept = copies(given)
        self.drives = Process(self.gpio, LINES)
        self.processes.append(self.drives)
        await self.drives.start(given)

    async def _dies(self) -> None:
        if not self.kept:
            await self.drives.settle()  # nobody has a copy: what waits is lost
        await self.drives.end()
        given = self.kept
        self.kept = {}
        await self._drives_next(given)

    async def _refuses(self) -> None:
        """Who wants other lines gives back what came; what he has closed, the old one has, too."""
        other = [InputLine("front", Contact.DPS, "/dev/gpiochip0", 0, debounce_ms=1)]
        handed = await self.drives.hand_on()
        again = copies(handed)
        refusing = Process(self.gpio, other)
        refusing.inputs.take_up(handed)
        with pytest.raises(HardwareError):
            refusing.inputs.taken()
        back = await refusing.hand_on()
        for name in back:
            os.close(again.pop(name))
        await self._drives_next({**again, **back})

    async def end(self) -> None:
        await self.drives.settle()
        await self.drives.end()
        close(self.kept)
        self.gpio.close()

    def told(self, line: InputLine) -> list[list[Input]]:
        """Return what each process has told of a line."""
        words = {word for (contact, _), word in _WORDS.items() if contact is line.contact}
        return [
            [one.what for one in process.events if one.door == line.door and one.what in words]
            for process in self.processes
        ]

    def presses(self) -> list[float]:
        """Return when buttons were told to be pressed; one that still is, is a level at a start."""
        return [
            event.at
            for process in self.processes
            for event in process.events
            if event.what is Input.REX and event.at in self.pressed_at
        ]


def run(waiting_max: int, doing: list[str | Level]) -> Life:
    async def live() -> Life:
        life = Life(waiting_max)
        await life.drives.start()
        for step in doing:
            await life.does(step)
        await life.end()
        return life

    return asyncio.run(live())


@settings(deadline=None)
@given(steps)
def test_in_any_life_each_edge_is_told_once_and_each_level_is_true(
    doing: list[str | Level],
) -> None:
    life = run(0, doing)
    for line in (DPS, ELSEWHERE):
        edges: list[Input] = []
        for told in life.told(line):
            first, *after = told
            assert first is _WORDS[Contact.DPS, life.true[line][len(edges)]]
            edges += after
        assert edges == [_WORDS[Contact.DPS, level] for level in life.true[line][1:]]
    assert life.presses() == life.pressed_at


@settings(deadline=None)
@given(steps)
def test_where_edges_are_lost_each_level_ends_true(doing: list[str | Level]) -> None:
    life = run(1, doing)
    for line in (DPS, ELSEWHERE):
        last = [told[-1] for told in life.told(line) if told][-1]
        assert last is _WORDS[Contact.DPS, life.true[line][-1]]


# held: the kernel's own bytes.

EDGE = struct.Struct("=QII" + "I" * 8)
"""struct gpio_v2_line_event, as linux/gpio.h has it."""


def test_sizes_and_numbers_are_those_of_the_kernel() -> None:
    assert EDGE.size == 48
    assert GET_VALUES == 0xC010B40E


def test_edges_are_read_as_the_kernel_writes_them() -> None:
    reads, writes = os.pipe()
    kernel = KernelRequests()
    assert kernel.edges(reads) == []
    for number, rises in ((7, True), (8, False)):
        kind = 1 if rises else 2
        os.write(writes, EDGE.pack(2_500_000_000, kind, 3, number, 1, *[0] * 6))
    assert kernel.edges(reads) == [LineEdge(3, True, 2.5, 7), LineEdge(3, False, 2.5, 8)]
    os.close(reads)
    os.close(writes)


# held, law 3
@pytest.mark.parametrize("data", [b"x", b"x" * 47, b"\0" * 48, EDGE.pack(0, 3, *[0] * 9)])
def test_what_no_kernel_writes_is_refused(data: bytes) -> None:
    reads, writes = os.pipe()
    os.write(writes, data)
    with pytest.raises(OSError, match=r"no request|no known kind"):
        KernelRequests().edges(reads)
    os.close(writes)
    with pytest.raises(OSError, match="no request"):
        KernelRequests().edges(reads)  # its end
    os.close(reads)


def test_a_descriptor_that_is_no_request_holds_nothing() -> None:
    reads, writes = os.pipe()
    kernel = KernelRequests()
    assert kernel.held(reads) is None
    with pytest.raises(OSError, match="ioctl"):
        kernel.levels(reads, 1)
    os.close(reads)
    os.close(writes)
    assert kernel.held(reads) is None


# held, law 1
@pytest.mark.parametrize(
    ("told", "holds"),
    [
        (
            "pos:\t0\nflags:\t02100000\ngpio-chip:\tgpiochip0\ngpio-line:\t4\ngpio-line:\t1\n",
            HeldLines("gpiochip0", (4, 1)),
        ),
        ("pos:\t0\nflags:\t02100000\n", None),
        ("gpio-chip:\tgpiochip0\n", None),
        ("gpio-line:\t1\n", None),
        ("gpio-chip:\tgpiochip0\ngpio-chip:\tgpiochip1\ngpio-line:\t1\n", None),
        ("gpio-chip:\t../x\ngpio-line:\t1\n", None),
        ("gpio-chip:\tgpiochip0\n" + "gpio-line:\t1\n" * 65, None),
    ],
)
def test_a_descriptor_is_what_the_kernel_says_of_it(told: str, holds: HeldLines | None) -> None:
    assert held_of(told) == holds
