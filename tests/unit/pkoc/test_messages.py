"""hubcore.pkoc.tlv, messages and certificate."""

from __future__ import annotations

import pytest

from hubcore.codec.cose import SigningKey
from hubcore.errors import FrameError
from hubcore.pkoc import messages, tlv
from hubcore.pkoc.certificate import ReaderCertificate, compressed, read_certificate, uncompressed
from hubcore.pkoc.messages import PhoneKey, Sealed
from hubcore.pkoc.tlv import BYTES_MAX, ITEMS_MAX, Tag
from hubsim.pkoc.channel import key_of
from hubsim.pkoc.elements import write_byte, write_long
from hubsim.pkoc.trust import KnownSite
from tests.unit.pkoc.bench import LOCATION, SITE, WALL, key

pytestmark = pytest.mark.once


@pytest.mark.parametrize("size", [0, 1, 127, 128, 138, 255])
def test_a_value_comes_back_whole(size: int) -> None:
    assert tlv.decode(tlv.encode(Tag.SEALED, bytes(size))) == {0x40: bytes(size)}


@pytest.mark.parametrize("size", [131, 155, 162, 255])
def test_a_long_value_is_taken_with_one_byte_of_length_and_with_two(size: int) -> None:
    """Law 4: the older apps write one byte, the newer ones 0x81 and one byte."""
    value = bytes(size)
    for message in (write_byte(0x40, value), write_long(0x40, value)):
        assert tlv.decode(message) == {0x40: value}


def test_a_length_of_two_bytes_is_taken() -> None:
    assert tlv.decode(b"\x40\x82\x01\x00" + bytes(256)) == {0x40: bytes(256)}


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", "a message of 0 bytes"),
        (bytes(BYTES_MAX + 1), f"a message of {BYTES_MAX + 1} bytes"),
        (b"\x07", "ends within a TLV"),
        (b"\x40\x81", "ends within a TLV"),
        (b"\x40\x82\x01", "ends within a TLV"),
        (b"\x07\x02\x00", "0x07 ends after the message"),
        (b"\x40\x82\xff\xff\x00", "0x40 ends after the message"),
        (b"\x07\x00\x07\x00", "0x07 comes twice"),
        (bytes(one for tag in range(ITEMS_MAX + 1) for one in (tag, 0)), "more than 8"),
    ],
)
def test_what_is_no_row_of_tlvs_says_why(message: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        tlv.decode(message)


def test_a_value_that_no_reader_says_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        tlv.encode(Tag.SEALED, bytes(256))


POINT = b"\x04" + bytes(64)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (write_long(0x01, POINT), "in the clear"),
        (write_long(0x03, bytes(64)), "in the clear"),
        (write_long(0x07, POINT) + write_long(0x01, POINT), "in the clear"),
        (write_long(0x07, POINT) + write_long(0x40, bytes(20)), "expected either"),
        (write_long(0x0C, bytes(5)), "expected either"),
        (write_long(0x07, POINT[:-1]), "has 64 bytes, not 65"),
        (write_long(0x07, b"\x02" + bytes(64)), "no uncompressed point"),
        (write_long(0x07, POINT) + write_long(0x0C, b"\x01\x00\x00\x00\x02"), "no AES-CCM"),
        (write_long(0x07, POINT) + write_long(0x0C, bytes(3)), "a version of 3 bytes"),
        (write_long(0x40, bytes(16)), "holds nothing"),
    ],
)
def test_what_no_phone_should_write_says_why(message: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        messages.read(message)


def test_a_phone_with_the_first_form_of_a_version_or_none_is_taken() -> None:
    for version in (b"", write_long(0x0C, bytes(2)), write_long(0x0C, b"\x01\x00\x00\x00\x03")):
        assert messages.read(write_long(0x07, POINT) + version) == PhoneKey(POINT)


def test_an_unknown_type_is_passed_over() -> None:
    assert messages.read(write_long(0x77, b"x") + write_long(0x40, bytes(17))) == Sealed(bytes(17))


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        (write_long(3, bytes(64)), "0x01 is not there"),
        (write_long(1, POINT), "0x03 is not there"),
        (write_long(1, POINT) + write_long(3, bytes(63)), "0x03 has 63 bytes, not 64"),
        (
            write_long(1, POINT) + write_long(3, bytes(64)) + write_long(9, bytes(5)),
            "0x09 has 5 bytes",
        ),
    ],
)
def test_what_no_phone_should_seal_says_why(inside: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        messages.read_credential(inside)


def _certificate(
    not_before: int | None = None, not_after: int | None = None
) -> tuple[bytes, ReaderCertificate, SigningKey]:
    issuer = SigningKey(key())
    said = ReaderCertificate(
        location=LOCATION,
        site=SITE,
        not_before=not_before,
        not_after=not_after,
        key=compressed(key().public_key()),
    )
    return said.encode(issuer), said, issuer


@pytest.mark.parametrize("span", [(None, None), (1, 2), (None, 5), (7, None)])
def test_a_certificate_comes_back_and_a_phone_reads_the_same(
    span: tuple[int | None, int | None],
) -> None:
    encoded, said, issuer = _certificate(*span)
    assert len(encoded) == 138
    assert read_certificate(encoded) == said
    public = key_of(uncompressed(issuer.private.public_key()))  # type: ignore[arg-type]
    knows = KnownSite(SITE, frozenset({LOCATION}), public)
    now = span[0] or span[1] or WALL
    found = knows.reader_key(SITE, LOCATION, encoded, now)
    assert compressed(found) == said.key


def test_a_certificate_holds_within_its_times() -> None:
    _, said, _ = _certificate(WALL, WALL + 10)
    assert [said.holds(WALL + at) for at in (-1, 0, 10, 11)] == [False, True, True, False]
    assert _certificate()[1].holds(0.0)


def test_each_end_has_its_own_number_for_no_limit() -> None:
    """certificate: 0 before, 0xFFFFFFFF after; at the other end each is a time."""
    encoded, _, _ = _certificate(7, 9)
    for at, none, other in ((33, bytes(4), b"\xff" * 4), (37, b"\xff" * 4, bytes(4))):
        unlimited = read_certificate(encoded[:at] + none + encoded[at + 4 :])
        limited = read_certificate(encoded[:at] + other + encoded[at + 4 :])
        assert unlimited.holds(8)
        assert not limited.holds(8)


@pytest.mark.parametrize("wrong", [b"", bytes(137), bytes(139), b"\x02" + bytes(137)])
def test_what_is_no_certificate_says_why(wrong: bytes) -> None:
    with pytest.raises(FrameError, match="a certificate of"):
        read_certificate(wrong)
