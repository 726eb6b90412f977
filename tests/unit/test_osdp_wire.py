"""The packets between hubd and its OSDP panel, and what passes from a serial line to libosdp."""

from __future__ import annotations

import math
import secrets

import pytest

from drivers.osdp.gate import (
    FRAME_MAX,
    HANDSHAKE_CODES,
    PLAIN_CODES,
    SEALED,
    Gate,
    Reply,
    checksum,
    crc,
)
from drivers.osdp.messages import LOOKS, card_of, keys_of
from drivers.osdp.pace import QUIET_SECONDS, ReadPace
from drivers.osdp.wire.orders import (
    AddReader,
    ChangeKey,
    InstallKey,
    Order,
    Show,
    Start,
    decode_order,
)
from drivers.osdp.wire.reports import (
    Card,
    KeyChanged,
    Keys,
    ReaderState,
    Report,
    States,
    StatusBits,
    Unfit,
    decode_report,
)
from drivers.osdp.wire.words import DEFAULT_KEY, PACKET_MAX, READERS_MAX
from hubcore.ports.reader import CARD_BITS_MAX, KEYS_MAX, READS_MAX, Sign

KEY = bytes(range(16))
OTHER_KEY = bytes(range(1, 17))
READER = AddReader(number=3, address=101, baud=9600, device="/dev/ttyUSB0", keys=(KEY, OTHER_KEY))
ORDERS: list[Order] = [
    READER,
    AddReader(number=31, address=0, baud=115200, device="/" + "d" * 199, keys=(KEY,)),
    Start(),
    *[Show(31, sign) for sign in Sign],
    ChangeKey(0, KEY),
    InstallKey(31),
]
REPORTS: list[Report] = [
    Unfit("The line is not there, €."),
    States(tuple((state, StatusBits.NONE) for state in ReaderState)),
    States(tuple((ReaderState.PROVEN, StatusBits(bits)) for bits in range(16))),
    States(((ReaderState.GONE, StatusBits.TAMPERED),) * READERS_MAX),
    Card(number=31, bits=26, at=12.5, data=b"\x01\x02\x03\x40"),
    Card(number=0, bits=CARD_BITS_MAX, at=0.0, data=bytes(CARD_BITS_MAX // 8)),
    Keys(number=2, at=1e9, keys="0123456789*#"),
    Keys(number=2, at=1e9, keys="1" * KEYS_MAX),
    KeyChanged(1, done=True),
    KeyChanged(1, done=False),
]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_comes_back_as_it_was(order: Order) -> None:
    data = order.encode()
    assert len(data) <= PACKET_MAX
    assert decode_order(data) == order
    assert decode_report(data) is None or data[0] in (1, 2, 3, 4)


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    data = report.encode()
    assert len(data) <= PACKET_MAX
    assert decode_report(data) == report


@pytest.mark.parametrize("order", [one for one in ORDERS if one != Start()])
def test_an_order_that_is_cut_is_none(order: Order) -> None:
    head = order.encode()[:9]
    for size in range(len(head)):
        assert decode_order(head[:size]) is None


@pytest.mark.parametrize("report", REPORTS[2:])
def test_a_report_that_is_cut_or_too_long_is_not_that_report(report: Report) -> None:
    data = report.encode()
    for size in range(len(data)):
        assert decode_report(data[:size]) != report
    assert decode_report(data + b"\0") != report


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff",
        b"\x02\x00",  # START with data
        b"\x03\x00\x09",  # no such sign
        b"\x03\x20\x00",  # no such reader
        b"\x04\x00" + DEFAULT_KEY,
        b"\x04\x00" + bytes(16),
        READER.encode()[:8] + DEFAULT_KEY + KEY + b"/dev/ttyUSB0",
        READER.encode().replace(b"/dev/ttyUSB0", b"\xff\xfe"),
        READER.encode().replace(b"/dev", b"./ev"),
        READER.encode() + bytes(PACKET_MAX),
    ],
)
def test_what_is_no_order_is_none(data: bytes) -> None:
    assert decode_order(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x02",  # no states
        b"\x02\x01",  # half a reader
        b"\x02\x09\x00",  # no such state
        b"\x02\x01\x10",  # a bit that means nothing
        b"\x02" + b"\x01\x00" * (READERS_MAX + 1),
        Card.LAYOUT.pack(3, 0, 8, math.nan) + b"x",
        Card.LAYOUT.pack(3, 0, 9, 1.0) + b"x",
        Card.LAYOUT.pack(3, 0, 0, 1.0),
        Card.LAYOUT.pack(3, READERS_MAX, 8, 1.0) + b"x",
        Keys.LAYOUT.pack(4, 0, math.inf) + b"1",
        Keys.LAYOUT.pack(4, 0, 1.0) + b"A",
        Keys.LAYOUT.pack(4, 0, 1.0) + b"\xff",
        Keys.LAYOUT.pack(4, 0, 1.0) + b"1" * (KEYS_MAX + 1),
        b"\x05\x00\x02",
        b"\x01" + b"x" * (PACKET_MAX + 1),
    ],
)
def test_what_is_no_report_is_none(data: bytes) -> None:
    assert decode_report(data) is None


def test_a_long_sentence_is_cut() -> None:
    report = decode_report(Unfit("€" * 1000).encode())
    assert isinstance(report, Unfit)
    assert report.text.startswith("€" * 160)


def test_no_repr_tells_a_key_a_card_or_a_pin() -> None:
    for secret in (
        READER,
        ChangeKey(0, KEY),
        Card(number=0, bits=128, at=1.0, data=KEY),
        Reply(1, 0x50, KEY),
    ):
        assert repr(KEY) not in repr(secret)
    assert "4711" not in repr(Keys(number=0, at=1.0, keys="4711"))


# The gate


def frame(
    code: int,
    data: bytes = b"",
    *,
    security: bytes = b"",
    address: int = 5,
    with_crc: bool = True,
) -> bytes:
    control = (0x04 if with_crc else 0) | (0x08 if security else 0) | 1
    body = security + bytes([code]) + data
    length = 5 + len(body) + (2 if with_crc else 1)
    whole = bytes([0x53, address | 0x80]) + length.to_bytes(2, "little") + bytes([control]) + body
    return whole + (crc(whole) if with_crc else checksum(whole))


def passed(data: bytes) -> list[int]:
    return [reply.code for reply in Gate().feed(data)]


def test_the_crc_is_that_of_the_standard() -> None:
    """CRC-16/AUG-CCITT, which has a published check value for these nine digits."""
    assert crc(b"123456789") == (0xE5CC).to_bytes(2, "little")
    assert checksum(b"\x01\x02") == b"\xfd"


@pytest.mark.parametrize("with_crc", [True, False])
@pytest.mark.parametrize("code", range(0x40, 0xB2))
def test_without_a_seal_only_what_begins_a_session_passes(code: int, with_crc: bool) -> None:
    data = frame(code, b"12", with_crc=with_crc)
    assert passed(data) == ([code] if code in PLAIN_CODES else [])


@pytest.mark.parametrize("kind", range(256))
def test_a_card_passes_under_a_seal_only(kind: int) -> None:  # gate, law 2
    data = frame(0x50, bytes(20), security=bytes([2, kind]))
    assert passed(data) == ([0x50] if kind in SEALED else [])


@pytest.mark.parametrize(("kind", "code"), HANDSHAKE_CODES.items())
def test_a_handshake_frame_passes_with_its_own_reply_only(kind: int, code: int) -> None:
    for other in range(0x40, 0xB2):
        data = frame(other, bytes(32), security=bytes([3, kind, 1]))
        assert passed(data) == ([other] if other == code else [])


@pytest.mark.parametrize("size", [0, 1, 9, 200, 255])
def test_a_security_block_of_a_wrong_length_does_not_pass(size: int) -> None:
    assert passed(frame(0x50, b"123456", security=bytes([size, 0x18]))) == []


def test_a_command_is_no_reply() -> None:
    whole = bytearray(frame(0x40))
    whole[1] &= 0x7F
    whole[-2:] = crc(bytes(whole[:-2]))
    assert passed(bytes(whole)) == []


def test_bytes_may_come_one_by_one_and_between_others() -> None:
    gate = Gate()
    stream = b"\xff\x53\xff" + frame(0x40) + b"\x00\x53" + b"\xff" + frame(0x45, bytes(12))
    replies = [reply for byte in stream for reply in gate.feed(bytes([byte]))]
    assert [reply.code for reply in replies] == [0x40, 0x45]
    assert replies[0].frame == frame(0x40)
    assert replies[0].address == 5


def test_a_damaged_frame_does_not_hide_the_next_one() -> None:
    good = frame(0x45, bytes(12))
    for at in range(len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[at] ^= 1 << bit
            codes = passed(bytes(damaged) + frame(0x40) + frame(0x41, b"\x03") + bytes(FRAME_MAX))
            assert set(codes) <= {0x40, 0x41}
            assert codes[-1:] == [0x41]


def test_what_is_kept_is_bounded() -> None:  # gate, law 4
    gate = Gate()
    for _ in range(100):
        gate.feed(secrets.token_bytes(100) + b"\x53\x85\xff\x00\x04")
        assert len(gate._bytes) <= FRAME_MAX
    gate.forget()
    assert [reply.code for reply in gate.feed(frame(0x40))] == [0x40]


def test_what_did_not_pass_is_counted() -> None:
    gate = Gate()
    gate.feed(frame(0x50, bytes(12)) + frame(0x40))
    assert gate.dropped == 1


# What libosdp tells


def test_the_bits_past_the_end_of_a_card_mean_nothing() -> None:
    event = {"reader_no": 0, "length": 26, "data": b"\xff\xff\xff\xff"}
    card = card_of(1, event, 2.0)
    assert card == Card(number=1, bits=26, at=2.0, data=b"\xff\xff\xff\xc0")


@pytest.mark.parametrize(
    "event",
    [
        {"reader_no": 1, "length": 8, "data": b"x"},
        {"reader_no": 0, "length": 0, "data": b""},
        {"reader_no": 0, "length": 9, "data": b"x"},
        {"reader_no": 0, "length": -1, "data": b"x"},
        {"reader_no": 0, "length": CARD_BITS_MAX + 1, "data": bytes(200)},
        {"reader_no": 0},
        {},
    ],
)
def test_what_is_no_card_of_the_first_reader_is_none(event: dict[str, object]) -> None:
    assert card_of(0, event, 1.0) is None


def test_a_card_as_text_has_eight_bits_a_letter() -> None:
    assert card_of(0, {"reader_no": 0, "data": b"ab"}, 1.0) == Card(
        number=0, bits=16, at=1.0, data=b"ab"
    )


def test_keys_are_digits_star_and_hash() -> None:
    codes = b"0123456789\x7f\x0d*#"
    (keys,) = keys_of(4, {"reader_no": 0, "data": codes}, 1.0)
    assert keys == Keys(number=4, at=1.0, keys="0123456789*#*#")
    assert keys_of(0, {"reader_no": 0, "data": b"\x00AB\xff"}, 1.0) == []
    assert keys_of(0, {"reader_no": 1, "data": b"1"}, 1.0) == []
    assert keys_of(0, {}, 1.0) == []
    many = keys_of(0, {"reader_no": 0, "data": b"1" * 40}, 1.0)
    assert [len(one.keys) for one in many] == [KEYS_MAX, 40 - KEYS_MAX]


def test_every_sign_has_a_look() -> None:
    assert set(LOOKS) == set(Sign)
    assert len({look.colour for look in LOOKS.values()}) == len(LOOKS)


# The pace


def test_in_any_second_so_many_reads_pass() -> None:
    pace = ReadPace()
    moments = [step * 0.03 for step in range(200)]
    taken = [now for now in moments if pace.take(now)]
    for now in moments:
        assert sum(now <= one < now + 1.0 for one in taken) <= READS_MAX
    assert len(taken) >= 5 * READS_MAX
    assert pace.refused == len(moments) - len(taken)


def test_a_reader_chatters_until_it_has_been_quiet() -> None:
    pace = ReadPace()
    assert not pace.chatters(0.0)
    for _ in range(READS_MAX):
        assert pace.take(5.0)
    assert not pace.chatters(5.0)
    assert not pace.take(5.5)
    assert pace.chatters(5.5)
    assert pace.chatters(5.5 + QUIET_SECONDS - 0.1)
    assert not pace.chatters(5.5 + QUIET_SECONDS)
    assert pace.take(6.0)
