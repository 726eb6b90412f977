"""Which hubs a gateway hears (`hubcore.backend.present`)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend import present
from hubcore.backend.present import HEARD_SECONDS, NAMED_MAX, Heard, read_present
from hubcore.codec import cbor
from hubcore.errors import FrameError

pytestmark = pytest.mark.once


def told(heard: Heard, now: float) -> frozenset[str]:
    return frozenset().union(*map(read_present, heard.messages(now)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=12))
def test_a_hub_is_heard_for_a_while_after_its_newest_word(said: list[tuple[str, float]]) -> None:
    """present, law 1"""
    heard = Heard()
    last: dict[str, float] = {}
    for hub, now in sorted(said, key=lambda one: one[1]):
        heard.hear(hub, now)
        last[hub] = now
        wanted = {name for name, at in last.items() if now - at < HEARD_SECONDS}
        assert told(heard, now) == wanted


def test_what_was_heard_longest_ago_is_forgotten() -> None:
    """present, law 2"""
    heard = Heard(hubs_max=2)
    for hub in ("a", "b", "a", "c"):
        heard.hear(hub, 0.0)
    assert told(heard, 0.0) == {"a", "c"}


def test_many_hubs_go_in_several_messages_and_none_in_one() -> None:
    """present, law 3"""
    heard = Heard()
    assert [read_present(said) for said in heard.messages(0.0)] == [frozenset()]
    names = {f"{number:0{present.MAX_TEXT_BYTES}}" for number in range(NAMED_MAX + 1)}
    for name in names:
        heard.hear(name, 0.0)
    assert [len(read_present(said)) for said in heard.messages(0.0)] == [NAMED_MAX, 1]
    assert told(heard, 0.0) == names


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff",
        cbor.encode("hub-1"),
        cbor.encode({1: "hub-1"}),
        cbor.encode([1]),
        cbor.encode(["a", b"b"]),
        cbor.encode([["a"]]),
        cbor.encode([""]),
        cbor.encode(["a\nb"]),
        cbor.encode(["x" * 33]),
        cbor.encode(["a"] * (NAMED_MAX + 1)),
        cbor.encode(["a"]) + b"x",
        bytes(present.MESSAGE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_list_of_hubs_names_nobody(said: bytes) -> None:
    """present, law 4"""
    with pytest.raises(FrameError):
        read_present(said)
