"""Which connection speaks as a hub at the reference backend, over all orders and delays."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.lives import NONCES_MAX
from hubcore.backend.uplink.from_hub import Hello
from hubsim.backend.seats import OTHERS_MAX, HubConnection, Seats
from tests.machines import STEPS, Machine, Network

Steps = list[tuple[str, int]]
HUB = "hub-1"


def connection_of(route: bytes, boot: bytes) -> HubConnection:
    hello = Hello(2, HUB, "site", boot, "0", 0, bytes(32), 0, bytes(32), 0)
    return HubConnection(route, "key", hello)


class Desk:
    """Seats as the backend uses them: Probes go after each Hello, and to whom one is due."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.seats = Seats(lambda count: next(numbers).to_bytes(count, "big"))
        self.network = Network(self.hello, self.alive)
        self.counted: list[bytes] = []
        """Routes, as each began to count."""

    def hello(self, route: bytes, boot: bytes) -> None:
        if self.seats.hello(HUB, connection_of(route, boot)) and route not in self.counted:
            self.counted.append(route)
        self.probe()

    def alive(self, route: bytes, nonce: bytes) -> None:
        now = self.seats.alive(HUB, route, nonce)
        if now is not None:
            self.counted.append(now.route)

    def probe(self) -> None:
        for route, nonce in self.seats.probes(HUB):
            if not self.network.probe(route, nonce):
                self.seats.closed(HUB, route)

    @property
    def counts(self) -> bytes | None:
        connection = self.seats.connection(HUB)
        return connection.route if connection else None


@given(STEPS)
def test_an_honest_hub_is_one_and_never_back_on_a_connection_that_it_has_left(  # law 1
    steps: Steps,
) -> None:
    here = Desk()
    machine = here.network.machine()
    for step in steps:
        here.network.play([step], [machine])
        assert here.seats.two(HUB) == ()
        assert here.counted == sorted(here.counted), "lines are numbered as they are opened"
    line = here.network.connect(machine)
    here.network.settle()
    assert here.seats.two(HUB) == ()
    assert here.counts == line.name


@given(STEPS, st.booleans())
def test_two_machines_are_known_by_their_first_answers(steps: Steps, running_copy: bool) -> None:
    here = Desk()
    network = here.network
    first = network.machine()
    network.play(steps, [first])
    network.connect(first)
    network.settle()
    second = Machine(first.boot) if running_copy else network.machine()
    network.connect(second)
    network.settle()
    assert set(here.seats.two(HUB)) == {first.boot.hex(), second.boot.hex()}


def test_who_answers_while_the_other_is_silent_counts_and_orders_know_of_the_other() -> None:
    here = Desk()
    network = here.network
    first = network.machine()
    second = network.machine()
    old = network.connect(first)
    network.settle()
    new = network.connect(second)
    network.deliver_up(new)
    assert here.counts == old.name, "a Hello alone takes nobody's place"
    network.deliver_down(new)
    network.deliver_up(new)
    assert here.counts == new.name
    assert [other.route for other in here.seats.others(HUB)] == [old.name]
    network.leave(first)
    old.is_cut = True
    here.probe()
    assert here.seats.others(HUB) == ()
    assert here.seats.probes(HUB) == [], "one connection that has answered is asked no more"


def test_an_answer_to_what_was_asked_before_the_other_came_takes_no_place() -> None:
    here = Desk()
    network = here.network
    machine = network.machine()
    old = network.connect(machine)
    network.deliver_up(old)
    network.deliver_down(old)
    new = network.connect(machine)
    network.deliver_up(new)
    network.deliver_down(new)
    network.deliver_up(new)
    here.seats.closed(HUB, new.name)
    network.deliver_up(old)
    assert here.counted == [old.name, new.name]


def test_connections_and_probes_are_bounded() -> None:  # law 3
    here = Desk()
    for number in range(5 * OTHERS_MAX):
        route = number.to_bytes(2, "big")
        here.seats.hello(HUB, connection_of(route, bytes(16)))
        probes = here.seats.probes(HUB)
        assert len(probes) <= OTHERS_MAX + 1
    assert len(here.seats.others(HUB)) == OTHERS_MAX
    assert here.counts == bytes(2)
    first = bytes(2)
    nonces = {probe.nonce for probe in probes if probe.route == first}
    assert len(nonces) == 1
    places = here.seats._seats[HUB].places
    assert all(len(place.probes) <= NONCES_MAX for place in places.values())


def test_whom_nobody_asked_counts_for_nothing() -> None:
    here = Desk()
    assert here.seats.alive(HUB, b"route", bytes(8)) is None
    here.seats.hello(HUB, connection_of(b"a", bytes([1] * 16)))
    here.seats.hello(HUB, connection_of(b"b", bytes([2] * 16)))
    (asked, *_rest) = here.seats.probes(HUB)
    assert here.seats.alive(HUB, b"b", asked.nonce) is None, "that was another connection's"
    assert here.seats.alive(HUB, b"b", bytes(8)) is None
    assert here.counts == b"a"
