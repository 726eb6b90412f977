"""Two machines with one hub's keys, at several gateways: any order, any delay.

A world of gateways, machines and the messages between them. Each way between two of them keeps its
order; across ways anything may come before anything else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.lives import LIVES_MAX
from hubcore.backend.uplink.from_hub import Ping
from hubgateway.rules.lanes import Heard
from hubgateway.rules.presence import (
    PLACES_MAX,
    TOLD_MAX,
    Counts,
    Effects,
    Life,
    Moved,
    Presence,
    SayProbe,
    TellLife,
    TwoMachines,
    read_life,
    write_life,
)

HUB = "hub-1"
GATES = 3
BOOT = bytes(15)


@dataclass
class Machine:
    """One box: it has one connection at a time, at a gateway, by its route."""

    boot: bytes
    at: tuple[int, bytes] | None = None


@dataclass
class World:
    """`ways` are queues of what is under way, by what sends and what gets it."""

    gates: list[Presence] = field(default_factory=list)
    ways: dict[tuple[object, ...], deque[tuple[object, ...]]] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    two: bool = False
    counting: dict[int, int] = field(default_factory=dict)
    turns: count[int] = field(default_factory=lambda: count(1))
    routes: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        chances = count(1)
        self.gates = [
            Presence(f"gate{number}".encode(), lambda size: next(chances).to_bytes(size, "big"))
            for number in range(GATES)
        ]

    def machine(self, boot: int) -> Machine:
        made = Machine(BOOT + bytes([boot]))
        self.machines.append(made)
        return made

    def send(self, *what: object, way: tuple[object, ...]) -> None:
        self.ways.setdefault(way, deque()).append(what)

    def connect(self, machine: Machine, gate: int) -> None:
        """It leaves its connection, then opens the next and says Hello there."""
        route = next(self.routes).to_bytes(5, "big")
        machine.at = (gate, route)
        self.send("hello", gate, route, machine.boot, way=("up", gate, route))

    def deliver(self, number: int) -> None:
        """Let something arrive: the first thing of one of the ways."""
        open_ways = sorted((way for way, queue in self.ways.items() if queue), key=str)
        if open_ways:
            self._arrive(self.ways[open_ways[number % len(open_ways)]].popleft())

    def drain(self) -> None:
        while any(self.ways.values()):
            self.deliver(0)

    def settle(self) -> None:
        """Let the gateways probe again, and all arrive."""
        for gate in range(GATES):
            self._perform(gate, self.gates[gate].probes(HUB))
        self.drain()

    def _arrive(self, what: tuple[object, ...]) -> None:
        match what:
            case ("hello", int(gate), bytes(route), bytes(boot)):
                heard = Heard(route, "", Ping(bytes(8)))
                if self.gates[gate].is_new(HUB, route, boot):
                    self._perform(gate, self.gates[gate].begin(HUB, heard, boot, next(self.turns)))
            case ("probe", int(gate), bytes(route), bytes(nonce)):
                if any(machine.at == (gate, route) for machine in self.machines):
                    self.send("alive", gate, route, nonce, way=("up", gate, route))
            case ("alive", int(gate), bytes(route), bytes(nonce)):
                self._perform(gate, self.gates[gate].alive(HUB, route, nonce))
            case ("life", int(gate), Life() as life):
                self._perform(gate, self.gates[gate].heard(HUB, life))
            case _:
                raise AssertionError(what)

    def _perform(self, gate: int, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case SayProbe(route, nonce):
                    self.send("probe", gate, route, nonce, way=("down", gate, route))
                case TellLife(life):
                    told = read_life(write_life(life))
                    for other in range(GATES):
                        self.send("life", other, told, way=("between", gate, other))
                case Counts(_, turn):
                    self.counting[gate] = turn
                case Moved():
                    self.counting.pop(gate, None)
                case TwoMachines(boots):
                    assert len(boots) == 2
                    self.two = True


STEPS = st.lists(
    st.tuples(st.sampled_from(["connect", "arrive", "arrive", "arrive"]), st.integers(0, 20)),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_one_machine_is_never_taken_for_two(steps: list[tuple[str, int]], boots: bool) -> None:
    """It moves as it likes, also with a restart each time; anything comes as late as it likes."""
    world = World()
    machine = world.machine(1)
    world.connect(machine, 0)
    for number, (step, choice) in enumerate(steps):
        if step == "connect":
            if boots:
                machine.boot = BOOT + bytes([2 + number])
            world.connect(machine, choice % GATES)
        else:
            world.deliver(choice)
        assert not world.two
    world.drain()
    world.settle()
    assert not world.two
    assert machine.at is not None
    assert list(world.counting) == [machine.at[0]]  # it is heard where it is, and nowhere else


@given(STEPS, st.booleans(), st.integers(0, GATES - 1), st.integers(0, GATES - 1))
def test_two_machines_are_found_wherever_they_are(
    steps: list[tuple[str, int]], same_boot: bool, one_at: int, other_at: int
) -> None:
    """One may be a copy of the other's memory, with its boot id."""
    world = World()
    one = world.machine(1)
    other = world.machine(1 if same_boot else 2)
    for step, choice in steps:
        if step == "connect":
            world.connect(world.machines[choice % 2], choice % GATES)
        else:
            world.deliver(choice)
    for machine, gate in ((one, one_at), (other, other_at)):
        if machine.at is None:
            world.connect(machine, gate)
    world.drain()
    world.settle()
    assert world.two


@pytest.mark.parametrize("gates", [(0, 1, 0), (0, 1, 2), (0, 0, 0)])
def test_two_that_come_by_turns_are_found_when_the_first_is_back(
    gates: tuple[int, int, int],
) -> None:
    world = World()
    one = world.machine(1)
    other = world.machine(2)
    for machine, gate in ((one, gates[0]), (other, gates[1]), (one, gates[2])):
        for gone in world.machines:
            gone.at = None
        world.connect(machine, gate)
        world.drain()
    assert world.two


def test_after_a_decision_it_begins_again_and_late_lives_are_not_learnt() -> None:
    world = World()
    one = world.machine(1)
    other = world.machine(2)
    world.connect(one, 0)
    world.connect(other, 1)
    world.drain()
    assert world.two
    late = Life(one.boot, b"gate9-late", 1, 2)
    for gate in range(GATES):
        world.gates[gate].forget(HUB)
    world.two = False
    other.at = None
    world.connect(one, 0)
    world.drain()
    world.gates[0].heard(HUB, late)
    world.settle()
    assert not world.two
    assert list(world.counting) == [0]


def test_turns_that_come_again_accuse_nobody() -> None:
    """presence, law 5: the engine is restored from an older copy."""
    world = World()
    machine = world.machine(1)
    for gate in (0, 1, 0):
        world.connect(machine, gate)
        world.drain()
    for gate in range(GATES):
        world.gates[gate].forget_all()
    world.turns = count(2)
    world.connect(machine, 1)
    world.drain()
    world.connect(machine, 0)
    world.drain()
    world.turns = count(1)  # and once more, with nobody having noticed
    machine.boot = BOOT + b"2"
    world.connect(machine, 0)
    world.drain()
    assert not world.two
    assert 0 in world.counting


def test_what_is_remembered_has_a_ceiling() -> None:
    """presence, laws 4 and 6"""
    world = World()
    gate = world.gates[0]
    assert gate.heard(HUB, Life(BOOT + b"1", b"gate1-x", 1, 1)) == []
    machine = world.machine(1)
    for _ in range(3 * LIVES_MAX):
        world.connect(machine, 0)
        world.drain()
    assert len(gate.heard_on(HUB)) == PLACES_MAX
    effects = gate.heard(HUB, Life(machine.boot, b"gate1-x", 10_000, 0))
    assert 0 < len([effect for effect in effects if isinstance(effect, TellLife)]) <= TOLD_MAX


def test_connections_that_never_answer_do_not_push_out_the_one_that_counts() -> None:
    """presence, law 6"""
    world = World()
    gate = world.gates[0]
    world.connect(world.machine(1), 0)
    world.drain()
    (counting,) = gate.heard_on(HUB)
    for number in range(3 * PLACES_MAX):
        silent = Heard(b"silent-%d" % number, "key", Ping(bytes(8)))
        gate.begin(HUB, silent, BOOT + b"1", 1_000 + number)
        assert len(gate.heard_on(HUB)) <= PLACES_MAX
    there = gate.heard_on(HUB)
    assert counting in there
    assert silent in there
    assert gate.counts(HUB, counting.route) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x84",
        write_life(Life(bytes(15), b"c", 1, 1)),
        write_life(Life(bytes(16), bytes(65), 1, 1)),
        write_life(Life(bytes(16), b"c", 0, 0)),
        write_life(Life(bytes(16), b"c", 2, 1)),
        write_life(Life(bytes(16), b"c", 1 << 63, 0)),
        b"\x84\x01\x02\x03\x04",
    ],
)
def test_what_is_no_life_is_none(data: bytes) -> None:
    assert read_life(data) is None
