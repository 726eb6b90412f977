"""What every store of the hub's own keys keeps: the suite of `ports.keys.KeyPairs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubcore.errors import StoreError
from hubcore.ports.keys import KeyPairs
from hubd.adapters.keys.pairs import PairFolder
from hubd.adapters.keys.uplinkkeys import make_pair
from tests.fakes.keys import FakeKeyPairs


def fake(_directory: Path) -> KeyPairs:
    return FakeKeyPairs()


def folder(directory: Path) -> KeyPairs:
    pairs = PairFolder(directory / "uplink-keys", make_pair())
    pairs.begin(1_800_000_000.0)
    return pairs


@pytest.fixture(params=[fake, folder], ids=["fake", "folder"])
def pairs(request: pytest.FixtureRequest, tmp_path: Path) -> KeyPairs:
    made: KeyPairs = request.param(tmp_path)
    return made


def test_it_begins_with_one_pair(pairs: KeyPairs) -> None:
    known = pairs.known()
    assert len(known.current) == 32
    assert (known.before, known.next, known.is_old_left, known.trouble) == (None, None, False, "")


def test_a_next_pair_changes_nothing_of_the_current_one(pairs: KeyPairs) -> None:
    before = pairs.known()
    pairs.make_next(1_800_000_001.0)
    known = pairs.known()
    assert known.next not in (None, before.current)
    assert (known.current, known.since) == (before.current, before.since)


def test_a_switch_makes_the_next_pair_the_current_one(pairs: KeyPairs) -> None:
    old = pairs.known().current
    pairs.make_next(1_800_000_001.0)
    following = pairs.known().next
    pairs.switch()
    known = pairs.known()
    assert known.current == following
    assert (known.before, known.next, known.since) == (old, None, 1_800_000_001.0)


def test_a_switch_without_a_next_pair_changes_nothing(pairs: KeyPairs) -> None:
    before = pairs.known()
    pairs.switch()
    assert pairs.known() == before


def test_a_next_pair_can_be_dropped_and_another_made(pairs: KeyPairs) -> None:
    pairs.make_next(1_800_000_001.0)
    first = pairs.known().next
    pairs.drop_next()
    assert pairs.known().next is None
    pairs.make_next(1_800_000_002.0)
    assert pairs.known().next not in (None, first)


def test_after_two_changes_one_pair_is_left(pairs: KeyPairs) -> None:
    for at in (1_800_000_001.0, 1_800_000_002.0):
        pairs.make_next(at)
        pairs.switch()
        pairs.drop_old()
    known = pairs.known()
    assert not known.is_old_left
    assert known.next is None


def test_only_a_next_pair_can_be_proved(pairs: KeyPairs) -> None:
    server = make_pair().public
    with pytest.raises(StoreError):
        pairs.proof("hub-1", server)
    pairs.make_next(1_800_000_001.0)
    assert len(pairs.proof("hub-1", server)) == 32
