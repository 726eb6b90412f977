"""The simulated phone of others, by the laws of its own modules."""

from __future__ import annotations

import dataclasses

import pytest

from hubcore.pkoc import messages
from hubcore.pkoc.certificate import compressed
from hubsim.pkoc.channel import point_of
from hubsim.pkoc.commands import _SAID
from hubsim.pkoc.elements import Kind, read_byte, read_long, read_walk, write_byte, write_long
from hubsim.pkoc.habits import APPS, IPHONE, VALIDATED
from hubsim.pkoc.phone import Answer, Stage
from hubsim.pkoc.trust import Distrust, UntrustedError
from tests.unit.pkoc.bench import LOCATION, SITE, WALL, Reader, key, reader, visited

pytestmark = pytest.mark.once


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 300])
def test_a_long_length_comes_back_whole(size: int) -> None:
    message = write_long(Kind.SEALED, bytes(size)) + write_long(Kind.SITE, SITE)
    sealed, site = read_long(message)
    assert (len(sealed.value), site.value) == (size, SITE)


@pytest.mark.parametrize("read", [read_long, read_byte])
def test_bytes_that_are_no_tlv_are_no_element(read: object) -> None:
    """elements, law 4."""
    whole = write_byte(Kind.SITE, SITE)
    for cut in range(len(whole)):
        assert not any(element.kind for element in read(whole[:cut]))  # type: ignore[operator]


def test_an_iphone_of_1x_walks_by_twos_through_what_it_does_not_know() -> None:
    """elements, law 3: behind a certificate, of an odd size, the site is lost."""
    message = write_long(Kind.CERTIFICATE, b"\x55" * 138) + write_long(Kind.SITE, SITE)
    assert Kind.SITE not in {element.kind for element in read_walk(message)}
    assert Kind.SITE in {element.kind for element in read_long(message)}


def _why(one: Reader, hello: bytes | None = None, at: float = WALL) -> Distrust:
    phone = one.phone()
    phone._wall = lambda: at
    with pytest.raises(UntrustedError) as raised:
        phone.heard(hello or one.side.hello(one.turn()))
    assert phone.stage is Stage.READER
    return raised.value.why


@pytest.mark.parametrize(
    ("not_before", "not_after", "at", "trusts"),
    [
        (WALL, WALL, WALL, True),
        (WALL + 1, None, WALL, False),
        (None, WALL - 1, WALL, False),
        (None, WALL, WALL + 0.5, False),
        (None, None, 0.0, True),
    ],
)
def test_a_certificate_holds_from_its_first_to_its_last_second(
    not_before: int | None, not_after: int | None, at: float, trusts: bool
) -> None:
    """trust, law 4."""
    one = reader(not_before=not_before, not_after=not_after)
    if not trusts:
        assert _why(one, at=at) is Distrust.VALIDITY
        return
    phone = one.phone()
    phone._wall = lambda: at
    assert phone.heard(one.side.hello(one.turn())) is not None


def test_who_leaves_the_certificate_out_gains_nothing_by_the_sites_key() -> None:
    """trust, law 2."""
    one = reader()
    both = dataclasses.replace(one.knows, site_key=key().public_key())
    plain = messages.hello(one.turn().reader_key, LOCATION, SITE, None)
    assert _why(Reader(one.side, both), plain) is Distrust.NO_CERTIFICATE


def test_every_byte_that_the_issuer_has_signed_counts() -> None:
    """trust, law 3."""
    one = reader()
    hello = one.side.hello(one.turn())
    begins = hello.index(b"\x10\x81\x8a") + 3
    for at in range(begins, begins + 138, 7):
        spoiled = bytearray(hello)
        spoiled[at] ^= 1
        assert _why(one, bytes(spoiled)) is Distrust.CERTIFICATE


def test_a_reader_whose_point_is_whole_or_none_is_left() -> None:
    one = reader(with_certificate=False)
    for point in (point_of(key().public_key()), b"\x02" + b"\xff" * 32, b""):
        hello = messages.hello(point, LOCATION, SITE, None)
        assert _why(one, hello) is Distrust.POINT


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("0100000001", "0100000001"),
        ("02000700ff", "0200070003"),
        ("00c8", "0000c80001"),
    ],
)
def test_the_readers_version_is_said_back_in_five_bytes(said: str, back: str) -> None:
    """phone, law 3; ProtocolVersionPacket of both apps."""
    one = reader(with_certificate=False)
    hello = write_long(Kind.VERSION, bytes.fromhex(said))
    hello += write_long(Kind.READER_POINT, compressed(key().public_key()))
    hello += write_long(Kind.LOCATION, LOCATION) + write_long(Kind.SITE, SITE)
    written = one.phone().heard(hello)
    assert written is not None
    assert read_long(written)[1].value.hex() == back
    assert len(read_byte(one.phone(habits=IPHONE).heard(hello) or b"")) == 1


@pytest.mark.parametrize("app", sorted(APPS))
def test_the_key_is_sealed_once_and_one_number_ends_the_visit(app: str) -> None:
    """phone, laws 1 and 4."""
    for number in range(10):
        one = reader(with_certificate=APPS[app] is VALIDATED)
        phone = one.phone(habits=APPS[app])
        visit = visited(one, phone)
        proof = visit.link.frame(b"", 0.2)  # nothing more comes of the reader
        assert proof
        for again in (one.side.hello(visit.turn), write_long(Kind.SIGNATURE, bytes(64))):
            assert phone.heard(again) is None
        assert phone.heard(bytes([Kind.ANSWER, 1, number])) is None
        assert phone.stage is Stage.DONE
        assert phone.answer is (Answer(number) if number <= 8 else Answer.UNKNOWN)
        assert phone.answer in _SAID
