"""Any bytes at the PKOC reader, before and after a phone has been met, and in its certificate.

Oracle: nothing is raised but FrameError where messages are read; a visit's result is effects; no
bytes but a phone's own prove anything.
"""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from hubcore.errors import FrameError
from hubcore.pkoc import messages, tlv
from hubcore.pkoc.certificate import read_certificate
from hubcore.pkoc.reader import Leave, Proven, ReaderLink, ReaderPhase
from hubsim.pkoc.channel import key_of, point_of, seal, shared_key
from hubsim.pkoc.elements import Kind, write_byte, write_long
from hubsim.pkoc.habits import APPS
from hubsim.pkoc.trust import UntrustedError
from tests.fuzz.common import effort, some, spoiled
from tests.unit.pkoc.bench import key, reader, visited

READER = reader(burst=1e9)
BY_SITE = reader(with_certificate=False)
GOOD = visited(READER, READER.phone())
GOOD.link.close(0.0)
TAGS = st.sampled_from([1, 2, 3, 4, 7, 9, 0x0C, 0x0D, 0x0E, 0x10, 0x40, 0x80, 0])
WRITES = st.sampled_from([write_long, write_byte])
VALUES = st.binary(max_size=150)
ITEMS = st.lists(
    st.builds(lambda write, kind, value: write(kind, value), WRITES, TAGS, VALUES), max_size=10
).map(b"".join)
MESSAGES = st.one_of(
    st.binary(max_size=600),
    ITEMS,
    some([GOOD.first, GOOD.second]).flatmap(spoiled),
    some([GOOD.first, GOOD.second]),
)


@given(MESSAGES)
@effort(600)
def test_any_bytes_are_tlvs_within_their_bounds_or_a_frame_error(data: bytes) -> None:
    with suppress(FrameError):
        found = tlv.decode(data)
        assert len(found) <= tlv.ITEMS_MAX
        assert sum(map(len, found.values())) < len(data)
    for read in (messages.read, messages.read_credential, read_certificate):
        with suppress(FrameError):
            read(data)


@given(st.lists(MESSAGES, max_size=5))
@effort(200)
def test_any_messages_prove_nothing_and_raise_nothing(data: list[bytes]) -> None:
    link = ReaderLink(READER.side, READER.turn(), 0.0)
    for one in data:
        effects = link.frame(one, 0.0)
        assert not any(isinstance(effect, Proven) for effect in effects)
        assert (link.phase is ReaderPhase.OVER) is (Leave() in effects)
        if link.phase is ReaderPhase.OVER:
            break
    link.close(0.0)


@given(st.one_of(st.binary(max_size=300), ITEMS))
@effort(150)
def test_any_bytes_under_a_good_seal_prove_nothing(inside: bytes) -> None:
    turn = READER.turn()
    link = ReaderLink(READER.side, turn, 0.0)
    visit_key = key()
    link.frame(write_long(0x07, point_of(visit_key.public_key())), 0.0)
    shared = shared_key(visit_key, key_of(turn.reader_key))
    sealed = seal(shared, 1, inside)
    effects = link.frame(write_long(0x40, sealed[:250]), 0.0)
    assert Leave() in effects
    assert link.phase is ReaderPhase.OVER


@given(
    st.sampled_from(sorted(APPS)), st.lists(st.one_of(ITEMS, st.binary(max_size=300)), max_size=4)
)
@effort(200)
def test_whatever_a_false_reader_says_the_phone_shows_no_key(app: str, said: list[bytes]) -> None:
    """The simulated phone's own side: it may leave, and never gets as far as its proof."""
    one = READER if APPS[app].certificates else BY_SITE
    phone = one.phone(habits=APPS[app])
    with suppress(UntrustedError):
        for message in [one.side.hello(one.turn()), *said]:
            written = phone.heard(message)
            assert written is None or written[0] == Kind.PHONE_POINT
