"""The messages between a site's server and its signer: what is read is what was written, and
nothing else is.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.cards import CardNumber
from hubcore.codec import cbor
from hubcore.errors import FrameError
from hubcore.issuing.cardasks import (
    CARD_ASK_BYTES,
    CARD_BITS_ASKED,
    COUNT_MAX,
    CardAsk,
    Shown,
    of_card,
    read_card_ask,
    write_card_ask,
)
from hubcore.issuing.messages import (
    NUMBER_MAX,
    Ask,
    Digest,
    Hello,
    Made,
    No,
    Ready,
    decode_from_server,
    decode_from_signer,
    encode_from_server,
    encode_from_signer,
    sentence,
)
from hubcore.issuing.words import (
    ANSWER_BYTES,
    ASK_BYTES,
    PAYLOAD_BYTES,
    SENTENCE_BYTES,
    DocumentKind,
    Refusal,
)
from tests.unit.issuer.issuingdesk import ISSUER, SITE

pytestmark = pytest.mark.once

KEYS = st.binary(min_size=64, max_size=64).map(lambda rest: b"\x04" + rest)
CARDS = st.sampled_from(CARD_BITS_ASKED).flatmap(
    lambda bits: st.integers(0, (1 << bits) - 1).map(lambda one: of_card(CardNumber.of(one, bits)))
)
NUMBERS = st.integers(0, NUMBER_MAX)
FROM_SERVER = st.one_of(
    st.builds(Hello, st.integers(1, 9)),
    st.builds(
        Ask,
        NUMBERS,
        st.sampled_from(DocumentKind),
        st.binary(min_size=1, max_size=99),
        st.binary(max_size=99),
    ),
    st.builds(
        Digest,
        NUMBERS,
        st.builds(CardAsk, st.integers(1, COUNT_MAX), st.just(Shown.KEY), KEYS)
        | st.builds(
            CardAsk,
            st.integers(1, COUNT_MAX),
            st.just(Shown.RECORDED),
            st.binary(min_size=16, max_size=16),
        )
        | st.builds(CardAsk, st.integers(1, COUNT_MAX), st.just(Shown.CARD), CARDS),
    ),
)
FROM_SIGNER = st.one_of(
    st.builds(Ready, st.just(SITE), st.just(ISSUER.verify_key), st.integers(0, 1 << 60)),
    st.builds(Made, NUMBERS, st.binary(min_size=1, max_size=99)),
    st.builds(No, NUMBERS, st.sampled_from(Refusal), st.text().map(sentence)),
)


@settings(deadline=None)
@given(FROM_SERVER)
def test_what_a_server_says_is_read_again(message: Hello | Ask | Digest) -> None:
    assert decode_from_server(encode_from_server(message)) == message


@settings(deadline=None)
@given(FROM_SIGNER)
def test_what_a_signer_says_is_read_again(message: Ready | Made | No) -> None:
    assert decode_from_signer(encode_from_signer(message)) == message


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_other_bytes_are_frame_errors(data: bytes) -> None:
    """law 2"""
    for read in (decode_from_server, decode_from_signer):
        try:
            read(data)
        except FrameError:
            continue


@settings(deadline=None)
@given(
    st.recursive(
        st.integers(-5, 9) | st.binary(max_size=9) | st.text(max_size=9) | st.none(),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=8,
    )
)
def test_other_values_are_frame_errors_or_messages(value: object) -> None:
    """laws 1 and 2"""
    data = cbor.encode(value)
    for read, write in (
        (decode_from_server, encode_from_server),
        (decode_from_signer, encode_from_signer),
    ):
        try:
            message = read(data)
        except FrameError:
            continue
        assert write(message) == data  # type: ignore[operator]


def test_ceilings_are_kept_on_both_sides() -> None:
    """laws 1 and 3"""
    longest = Ask(NUMBER_MAX, DocumentKind.POLICY, bytes(PAYLOAD_BYTES - 1), b"x")
    assert len(encode_from_server(longest)) <= ASK_BYTES
    with pytest.raises(FrameError):
        Ask(1, DocumentKind.POLICY, bytes(PAYLOAD_BYTES), b"x")
    for data in (bytes(ASK_BYTES + 1), bytes(ANSWER_BYTES + 1)):
        for read in (decode_from_server, decode_from_signer):
            with pytest.raises(FrameError):
                read(data)
    with pytest.raises(FrameError):
        Made(1, bytes(ANSWER_BYTES + 1))
    for text in ("x" * (SENTENCE_BYTES + 1), "\x1b[2J"):
        with pytest.raises(FrameError):
            No(1, Refusal.RULE, text)
    assert sentence("\x1b[2Jred" + "ä" * SENTENCE_BYTES).startswith(" [2Jredä")


@pytest.mark.parametrize("number", [-1, NUMBER_MAX + 1, True, None])
def test_a_number_is_one(number: object) -> None:
    """law 1"""
    for make in (
        lambda: Ask(number, DocumentKind.GRANT, b"x"),  # type: ignore[arg-type]
        lambda: Made(number, b"x"),  # type: ignore[arg-type]
        lambda: No(number, Refusal.RULE, "x"),  # type: ignore[arg-type]
    ):
        with pytest.raises(FrameError):
            make()


@pytest.mark.parametrize(
    ("count", "what", "data"),
    [
        (0, Shown.RECORDED, bytes(16)),
        (COUNT_MAX + 1, Shown.RECORDED, bytes(16)),
        (True, Shown.RECORDED, bytes(16)),
        (1, Shown.RECORDED, bytes(17)),
        (1, Shown.KEY, b"\x04" + bytes(63)),
        (1, Shown.KEY, b"\x02" + bytes(64)),
        (1, Shown.KEY, "04" * 65),
        (1, Shown.CARD, b"\x00\x1a" + bytes(3)),
        (1, Shown.CARD, b"\x00\x1a" + b"\x00\x00\x00\x01"),
        (1, Shown.CARD, b"\x00\x19" + bytes(4)),
        (1, Shown.CARD, b"\x01\x01" + bytes(33)),
        (1, Shown.CARD, b"\x00"),
        (1, Shown.CARD, b""),
        (1, 9, bytes(16)),
    ],
)
def test_no_ask_for_a_digest_is_another_thing(count: int, what: int, data: object) -> None:
    """cardasks, law 1: neither made nor read"""
    if what in set(Shown):
        with pytest.raises(FrameError):
            CardAsk(count, Shown(what), data)  # type: ignore[arg-type]
    written = cbor.encode([int(count), what, data])
    if count is not True:
        with pytest.raises(FrameError):
            read_card_ask(written)


def test_an_ask_for_a_digest_is_short() -> None:
    longest = CardAsk(COUNT_MAX, Shown.KEY, b"\x04" + bytes(64))
    assert len(write_card_ask(longest)) <= CARD_ASK_BYTES
    with pytest.raises(FrameError, match="at most"):
        read_card_ask(bytes(CARD_ASK_BYTES + 1))
