"""One machine or two, over all orders of Hellos, Probes and answers, however late they come."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.lives import LIVES_MAX, NONCES_MAX, Lives, Probes
from tests.machines import STEPS, Machine, Network

Steps = list[tuple[str, int]]


class Listener:
    """Gives turns and says Probes, as `backend.lives` asks it of whoever listens."""

    def __init__(self) -> None:
        self.lives = Lives()
        self.network = Network(self.hello, self.alive)
        self._boots: dict[bytes, bytes] = {}
        self._turn = 0

    def hello(self, connection: bytes, boot: bytes) -> None:
        if connection not in self._boots:
            self._boots[connection] = boot
            self._turn += 1
            self.lives.began(boot, connection, self._turn)
        self.probe()

    def probe(self) -> None:
        for connection in self._boots:
            self.network.probe(connection, self._turn.to_bytes(8, "big"))

    def alive(self, connection: bytes, nonce: bytes) -> None:
        turn = int.from_bytes(nonce, "big")
        self.lives.answered(self._boots[connection], connection, turn)


@given(STEPS)
def test_one_machine_is_never_two_however_late_anything_comes(steps: Steps) -> None:  # law 3
    here = Listener()
    machine = here.network.machine()
    for step in steps:
        here.network.play([step], [machine])
        assert here.lives.two() == ()
    here.network.settle()
    assert here.lives.two() == ()


@given(STEPS, st.booleans())
def test_two_machines_that_are_there_at_once_are_known_by_their_first_answers(  # law 4
    steps: Steps, running_copy: bool
) -> None:
    here = Listener()
    network = here.network
    first = network.machine()
    network.play(steps, [first])
    second = Machine(first.boot) if running_copy else network.machine()
    network.connect(first)
    network.connect(second)
    network.settle()
    assert set(here.lives.two()) == {first.boot, second.boot}


@given(STEPS, st.booleans())
def test_two_machines_by_turns_are_known_when_the_first_one_answers_again(  # law 4
    steps: Steps, lost_without_a_word: bool
) -> None:
    here = Listener()
    network = here.network
    first = network.machine()
    network.play(steps, [first])
    second = network.machine()
    for machine in (first, second):
        line = network.connect(machine)
        network.settle()
        assert here.lives.two() == ()
        network.leave(machine)
        line.is_cut = not lost_without_a_word
    network.connect(first)
    network.settle()
    assert set(here.lives.two()) == {first.boot, second.boot}


@given(STEPS, STEPS, st.randoms(use_true_random=False))
def test_what_is_known_does_not_depend_on_the_order_in_which_it_is_told(  # law 5
    steps: Steps, more: Steps, chance: Random
) -> None:
    told: list[tuple[str, tuple[bytes, bytes, int]]] = []

    class Noted(Lives):
        def began(self, boot: bytes, connection: bytes, turn: int) -> None:
            told.append(("began", (boot, connection, turn)))
            super().began(boot, connection, turn)

        def answered(self, boot: bytes, connection: bytes, turn: int) -> None:
            told.append(("answered", (boot, connection, turn)))
            super().answered(boot, connection, turn)

    here = Listener()
    here.lives = Noted()
    machines = [here.network.machine(), here.network.machine()]
    here.network.play([*steps, *more], machines)
    here.network.settle()
    chance.shuffle(told)
    other = Lives()
    for what, fact in told * 2:
        getattr(other, what)(*fact)
    assert other.two() == here.lives.two()
    assert other.boots == here.lives.boots


def test_a_hub_that_starts_very_often_is_one_and_costs_a_named_ceiling() -> None:  # law 6
    here = Listener()
    machine = here.network.machine()
    for _ in range(3 * LIVES_MAX):
        here.network.connect(machine)
        here.network.settle()
        assert here.lives.two() == ()
        here.network.restart(machine)
    assert len(here.lives.boots) == LIVES_MAX


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_the_newest_probes_may_be_answered_and_each_turn_has_one(turns: list[int]) -> None:  # law 7
    probes = Probes()
    chance = Random(1)
    said: list[tuple[bytes, int]] = []
    for turn in sorted(turns):
        nonce = probes.nonce(turn, chance.randbytes)
        assert probes.nonce(turn, chance.randbytes) == nonce
        if (nonce, turn) not in said:
            said.append((nonce, turn))
    assert len({turn for _, turn in said}) == len(said)
    assert len(probes) == min(NONCES_MAX, len(said))
    for nonce, turn in said[-NONCES_MAX:]:
        assert probes.turn_of(nonce) == turn
    for nonce, _ in said[:-NONCES_MAX]:
        assert probes.turn_of(nonce) is None


def test_an_answer_to_a_probe_of_before_the_other_began_makes_no_second_machine() -> None:
    lives = Lives()
    lives.began(b"a", b"1", 1)
    lives.began(b"b", b"2", 2)
    lives.answered(b"b", b"2", 2)
    lives.answered(b"a", b"1", 1)
    assert lives.two() == (), "b may have started after that answer was said"
    lives.answered(b"a", b"1", 2)
    assert set(lives.two()) == {b"a", b"b"}
