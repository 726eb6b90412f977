"""Token, greeting and messages of an enrolment (`hubcore.backend.enrolment`)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from zmq.utils import z85

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.greeting import (
    GREETING_BYTES_MAX,
    Greeting,
    prove_greeting,
    write_greeting,
)
from hubcore.backend.enrolment.messages import (
    DOORS_MAX,
    ENDPOINT_BYTES_MAX,
    ENDPOINTS_MAX,
    Ask,
    Enrolled,
    EnrolledDoor,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.backend.enrolment.proofs import fingerprint, prove_keys, read_keys
from hubcore.backend.enrolment.token import (
    ALPHABET,
    Token,
    digest_of,
    read_token,
    trust_of,
    write_token,
)
from hubcore.codec import cbor
from hubcore.errors import ConfigError, FrameError, PeerError, ProofError
from hubsim.site.authority import public_of
from tests.newhub import NewHub

tokens = st.builds(Token, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
PUBLIC = z85.decode(zmq.curve_keypair()[0])
TOKEN = Token(trust_of(PUBLIC), bytes(range(10)))


# The token.


@settings(deadline=None)
@given(tokens)
def test_a_token_is_read_as_it_was_written_however_it_is_typed(token: Token) -> None:
    text = write_token(token)
    assert len(text) == 47
    assert read_token(text) == token
    assert read_token(text.lower().replace("-", " ")) == token
    assert read_token(text.replace("0", "o").replace("1", "l") + "\n") == token


@settings(deadline=None)
@given(tokens, st.integers(0, 39), st.integers(1, 31))
def test_every_wrong_character_is_found_and_its_group_named(
    token: Token, place: int, by: int
) -> None:
    """token, law 3"""
    typed = list(write_token(token).replace("-", ""))
    typed[place] = ALPHABET[ALPHABET.index(typed[place]) ^ by]
    with pytest.raises(ConfigError, match=f"group {place // 5 + 1} of 8 is mistyped"):
        read_token("".join(typed))


@settings(deadline=None)
@given(tokens, st.integers(0, 7), st.permutations(range(5)).map(lambda order: order[:2]))
def test_two_characters_of_a_group_that_changed_places_are_found(
    token: Token, group: int, places: list[int]
) -> None:
    """token, law 3"""
    typed = list(write_token(token).replace("-", ""))
    one = 5 * group + places[0]
    other = 5 * group + places[1]
    if typed[one] == typed[other]:
        return
    typed[one], typed[other] = typed[other], typed[one]
    with pytest.raises(ConfigError, match=f"group {group + 1} of 8"):
        read_token("".join(typed))


@settings(deadline=None)
@given(tokens, st.permutations(range(8)))
def test_groups_in_another_order_are_no_token(token: Token, order: list[int]) -> None:
    groups = write_token(token).split("-")
    typed = "-".join(groups[place] for place in order)
    if typed != "-".join(groups):
        with pytest.raises(ConfigError, match="is mistyped"):
            read_token(typed)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_other_text_is_a_sentence_without_the_text(text: str) -> None:
    """token, law 4"""
    with pytest.raises(ConfigError, match=r"^token: ") as refused:
        read_token(text)
    assert len(text) < 8 or text not in str(refused.value)


def test_no_repr_shows_the_secret() -> None:
    """token, law 4"""
    token = Token(bytes(10), b"\xaa" * 10)
    assert "aa" not in repr(token)
    ask = Ask(2, b"\xaa" * 10, b"\x01", bytes(64), b"\x01", "hubd")
    assert "xaa" not in repr(ask)


def test_a_digest_and_a_trust_are_those_of_one_value() -> None:
    assert digest_of(b"a") != digest_of(b"b")
    assert trust_of(bytes(32)) == trust_of(bytes(32)) != trust_of(b"\x01" + bytes(31))


def test_the_known_values_of_an_enrolment_are_those_of_the_page() -> None:
    key = bytes(range(32))
    token = Token(trust_of(key), bytes(range(10)))
    values = {
        "trust": token.trust.hex(),
        "token": write_token(token),
        "greeting": write_greeting(Greeting("acme", key, 4507)).hex(),
        "Waiting": messages.encode(Waiting("acme", "hub-a")).hex(),
        "fingerprint": fingerprint(b"\xa0", key, b"\x30"),
    }
    page = (Path(__file__).parents[2] / "docs" / "uplink.md").read_text()
    found = dict(re.findall(r"^    (\w+) {3,}([0-9a-zA-Z-]{19,})", page, re.M))
    assert found == values


# The greeting.


def test_a_greeting_is_believed_only_with_the_key_that_the_token_knows() -> None:
    """greeting, its law"""
    greeting = Greeting("acme", PUBLIC, 4507)
    data = write_greeting(greeting)
    assert len(data) <= GREETING_BYTES_MAX
    assert prove_greeting(data, TOKEN) == greeting
    other = write_greeting(Greeting("acme", bytes(32), 4507))
    with pytest.raises(ProofError):
        prove_greeting(other, TOKEN)


def test_the_longest_greeting_fits() -> None:
    assert len(write_greeting(Greeting("a" * 32, PUBLIC, 65_535))) <= GREETING_BYTES_MAX


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_other_bytes_are_no_greeting(data: bytes) -> None:
    with pytest.raises(PeerError):
        prove_greeting(data, TOKEN)


# The messages.

ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=32)
doors = st.lists(
    st.builds(EnrolledDoor, st.integers(1, 65_535), st.just("Front door")),
    min_size=1,
    max_size=DOORS_MAX,
).map(tuple)
all_enrolled = st.builds(
    Enrolled,
    site=ids,
    hub=ids,
    time_zone=st.just("Europe/Berlin"),
    certificate=st.binary(min_size=1, max_size=4096),
    issuer=st.binary(min_size=1, max_size=512),
    tls_certificate=st.binary(min_size=1, max_size=2048),
    tls_authority=st.binary(min_size=1, max_size=2048),
    endpoints=st.lists(
        st.just("tcp://" + "h" * 250 + ":4505"), min_size=1, max_size=ENDPOINTS_MAX
    ).map(tuple),
    server_keys=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2).map(tuple),
    beacon=st.sampled_from([b"", bytes(16)]),
    card_key=st.sampled_from([b"", bytes(32)]),
    doors=doors,
)


@settings(deadline=None)
@given(all_enrolled)
def test_an_answer_is_read_as_it_was_written(enrolled: Enrolled) -> None:
    data = messages.encode(enrolled)
    assert len(data) <= messages.CEILING
    assert messages.decode_from_backend(data) == enrolled


def test_the_largest_answer_fits_its_ceiling() -> None:
    largest = Enrolled(
        site="s" * 32,
        hub="h" * 32,
        time_zone="z" * 64,
        certificate=bytes(4096),
        issuer=bytes(512),
        tls_certificate=bytes(2048),
        tls_authority=bytes(2048),
        endpoints=("e" * ENDPOINT_BYTES_MAX,) * ENDPOINTS_MAX,
        server_keys=(bytes(32),) * 2,
        beacon=bytes(16),
        card_key=bytes(32),
        doors=(EnrolledDoor(65_535, "n" * 64),) * DOORS_MAX,
    )
    data = messages.encode(largest)
    assert len(data) <= messages.CEILING
    assert messages.decode_from_backend(data) == largest


@pytest.mark.parametrize("message", [Waiting("acme", "hub-a"), Refused(RefusedCause.USED, "no")])
def test_small_answers_are_read_as_they_were_written(message: Waiting | Refused) -> None:
    assert messages.decode_from_backend(messages.encode(message)) == message
    with pytest.raises(FrameError):
        messages.decode_from_hub(messages.encode(message))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_other_bytes_are_one_error(data: bytes) -> None:
    """messages, law 2"""
    for decode in (messages.decode_from_backend, messages.decode_from_hub):
        with pytest.raises(FrameError):
            decode(data)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(-5, 1 << 40), st.binary(max_size=64), st.text(max_size=8), st.none()),
        max_size=13,
    ),
    st.sampled_from([1, 17, 18, 19]),
)
def test_fields_of_any_shape_are_one_error_or_a_message(values: list[object], kind: int) -> None:
    """messages, law 2"""
    data = cbor.encode([kind, *values])
    for decode in (messages.decode_from_backend, messages.decode_from_hub):
        try:
            message = decode(data)
        except FrameError:
            continue
        assert messages.encode(message) == data


def test_a_proof_is_for_one_set_of_keys_and_a_request_for_one_enrolment() -> None:
    """proofs, its law; tls, law 3"""
    machine = NewHub()
    ask = machine.ask()
    assert messages.decode_from_hub(messages.encode(ask)) == ask
    proven = read_keys(ask, machine.curve_bytes)
    assert proven.identity.kid == machine.identity.verify_key.kid
    assert proven.tls_key == public_of(machine.tls)
    with pytest.raises(ProofError):
        read_keys(ask, bytes(32))
    other = NewHub()
    for changed in (
        replace(ask, identity=other.ask().identity),
        replace(ask, request=other.ask().request),
        replace(ask, request=b"\x30"),
        replace(ask, proof=other.ask().proof),
        replace(ask, identity=b"\xff"),
    ):
        with pytest.raises(PeerError):
            read_keys(changed, machine.curve_bytes)


def test_who_has_not_the_tls_key_gets_nothing_by_the_request_of_another() -> None:
    """proofs, its law: a thief signs somebody else's request with his own identity"""
    victim = NewHub()
    thief = NewHub()
    stolen = victim.ask().request
    proof = prove_keys(thief.identity, thief.curve_bytes, stolen)
    with pytest.raises(ProofError, match="for this enrolment"):
        read_keys(replace(thief.ask(), request=stolen, proof=proof), thief.curve_bytes)


def test_the_version_of_a_question_is_told_whatever_its_fields_are() -> None:
    assert messages.version_asked(messages.encode(NewHub().ask(version=7))) == 7
    assert messages.version_asked(cbor.encode([1, 3])) == 3
    for other in (b"", b"\x82\x01", cbor.encode([17, 3]), cbor.encode([1, 1000]), b"\xff" * 9):
        assert messages.version_asked(other) is None


@settings(deadline=None)
@given(
    st.binary(min_size=1, max_size=80),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=1, max_size=80),
)
def test_a_fingerprint_is_five_groups_and_of_all_keys(
    identity: bytes, curve: bytes, tls_key: bytes
) -> None:
    shown = fingerprint(identity, curve, tls_key)
    assert [len(group) for group in shown.split("-")] == [4] * 5
    assert set(shown) <= {*ALPHABET, "-"}
    assert shown != fingerprint(identity + b"x", curve, tls_key)
    assert shown != fingerprint(identity, curve, tls_key + b"x")
