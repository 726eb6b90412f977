"""A position switch with two contacts: open, closed, and what a cut or shorted wire looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.supervised import CONTRADICT_SECONDS, TwoContacts
from hubcore.ports.doors import Input, InputEvent
from hubsim.timeline import VirtualTime


class Bench:
    """Two contacts, their time, and what was told."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.told: list[InputEvent] = []
        self.contacts = TwoContacts("front", self.told.append, self._call_later)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> object:
        return self.time.call_at(self.time.time() + seconds, callback)

    def say(self, first: bool | None = None, second: bool | None = None) -> None:
        if first is not None:
            self.contacts.first(first, self.time.time())
        if second is not None:
            self.contacts.second(second, self.time.time())

    def words(self) -> list[Input]:
        return [event.what for event in self.told]


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.say(first=False, second=False)
    assert made.words() == [Input.DOOR_CLOSED]
    return made


def test_one_contact_alone_tells_nothing() -> None:
    bench = Bench()
    bench.say(first=True)
    bench.time.advance(10.0)
    assert bench.words() == []


def test_a_leaf_on_its_way_is_no_tamper(bench: Bench) -> None:
    bench.say(first=True)
    bench.time.advance(CONTRADICT_SECONDS / 2)
    bench.say(second=True)
    bench.time.advance(10.0)
    assert bench.words() == [Input.DOOR_CLOSED, Input.DOOR_OPEN]


@pytest.mark.parametrize("cut", [partial(Bench.say, first=True), partial(Bench.say, second=True)])
def test_a_contact_that_contradicts_the_other_is_tamper_and_tells_no_position(
    bench: Bench, cut: Callable[[Bench], None]
) -> None:
    cut(bench)
    assert bench.words() == [Input.DOOR_CLOSED]
    bench.time.advance(CONTRADICT_SECONDS)
    bench.time.advance(100.0)
    assert bench.words() == [Input.DOOR_CLOSED, Input.TAMPER]
    bench.say(first=False, second=False)
    assert bench.words() == [Input.DOOR_CLOSED, Input.TAMPER, Input.TAMPER_ENDED]


def test_a_door_opened_under_tamper_is_open_once_the_contacts_agree(bench: Bench) -> None:
    bench.say(second=True)
    bench.time.advance(CONTRADICT_SECONDS)
    bench.say(first=True)
    assert bench.words()[1:] == [Input.TAMPER, Input.TAMPER_ENDED, Input.DOOR_OPEN]


def test_nothing_comes_after_the_end(bench: Bench) -> None:
    bench.say(first=True)
    bench.contacts.unwatched()
    bench.time.advance(10.0)
    assert bench.words() == [Input.DOOR_CLOSED]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 3.0)), max_size=40))
def test_tamper_alternates_and_a_position_is_told_once(
    said: list[tuple[bool, bool, float]],
) -> None:
    bench = Bench()
    for is_first, opened, seconds in said:
        bench.say(**{"first" if is_first else "second": opened})
        bench.time.advance(seconds)
    tamper = [one for one in bench.words() if one in (Input.TAMPER, Input.TAMPER_ENDED)]
    assert tamper[::2] == [Input.TAMPER] * len(tamper[::2])
    assert tamper[1::2] == [Input.TAMPER_ENDED] * len(tamper[1::2])
    positions = [one for one in bench.words() if one in (Input.DOOR_OPEN, Input.DOOR_CLOSED)]
    assert all(one is not other for one, other in pairwise(positions))


def test_tamper_that_went_while_nobody_watched_is_told_to_have_ended(bench: Bench) -> None:  # law 4
    bench.say(first=True)
    bench.time.advance(CONTRADICT_SECONDS)
    bench.contacts.unwatched()
    bench.say(first=False, second=False)
    assert bench.words() == [
        Input.DOOR_CLOSED,
        Input.TAMPER,
        Input.TAMPER_ENDED,
        Input.DOOR_CLOSED,
    ]


def test_tamper_that_is_there_again_is_not_told_twice(bench: Bench) -> None:  # law 4
    bench.say(first=True)
    bench.time.advance(CONTRADICT_SECONDS)
    bench.contacts.unwatched()
    bench.say(first=True, second=False)
    bench.time.advance(CONTRADICT_SECONDS)
    assert bench.words() == [Input.DOOR_CLOSED, Input.TAMPER]
