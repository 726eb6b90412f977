"""The messages between hub and bridge: what each side reads, and what no bridge may say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.backend.uplink import arrays
from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.evidence import message_of, record_of
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Certificate,
    Halt,
    Held,
    NewPolicy,
    Pieces,
    Pong,
    Probe,
    Release,
    RotateKey,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import (
    Alive,
    Evidence,
    Measured,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Telemetry,
)
from hubcore.backend.uplink.words import MAX_ENDS_BYTES, MAX_RECORD_BYTES, Cause, OrderOutcome
from hubcore.bridge import codec
from hubcore.bridge.codec import decode_from_bridge, decode_from_hub, encode
from hubcore.bridge.ends import Ends, Whom, issue_ends, prove_ends
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    FromBridge,
    Full,
    RenewFirst,
    Witnessed,
)
from hubcore.bridge.from_hub import CarriedRequest, FromHub, HubHello, OwnHead
from hubcore.bridge.words import DOCUMENT_BYTES, FIRST_BYTES, FROM_BRIDGE_BYTES, FROM_HUB_BYTES
from hubcore.codec import cbor
from hubcore.device.state import Quantity
from hubcore.errors import FrameError
from hubcore.evidence.records import StoredRecord
from tests.fakes.bridgedhub import ISSUER

HASH = bytes(range(32))
HIGHEST = 2**63 - 1
HELLO = HubHello(
    protocol=1,
    hub="hub-1",
    site="site-1",
    boot_id=bytes(16),
    software="0.1.0",
    policy_version=3,
    policy_digest=bytes(32),
    durable=11,
    durable_hash=bytes(32),
    last_record=12,
    head_hash=HASH,
    time_ms=1_800_000_000_000,
)
WELCOME = BridgeWelcome(1, "bridge-1", "site-1", 1_800_000_000_000, 12, HASH, None, 11)
LARGEST_HELLO = HubHello(
    255,
    "h" * 32,
    "s" * 32,
    bytes(16),
    "v" * 32,
    HIGHEST,
    HASH,
    HIGHEST,
    HASH,
    HIGHEST,
    HASH,
    HIGHEST,
)
FROM_HUB: list[FromHub] = [
    HELLO,
    LARGEST_HELLO,
    OwnHead(bytes(DOCUMENT_BYTES)),
    Evidence(13, bytes(MAX_RECORD_BYTES), HASH),
    Notice(14, b"\xa0", HASH),
    PolicyResult(3, ""),
    Ping(bytes(8)),
    OrderResult(bytes(16), OrderOutcome.TAKEN, ""),
    Telemetry((Measured("sensor-1", Quantity.TEMPERATURE, 21_500, 3),)),
    Alive(bytes(8)),
    PiecesWanted((HASH,)),
    CarriedRequest(bytes(DOCUMENT_BYTES)),
]
FROM_BRIDGE: list[FromBridge] = [
    WELCOME,
    BridgeWelcome(255, "b" * 32, "s" * 32, HIGHEST, HIGHEST, HASH, 0xFFFFFFFF, HIGHEST),
    Held((1, HIGHEST)),
    NewPolicy(b"policy"),
    Pieces((b"piece",)),
    Pong(bytes(8), 1),
    Probe(bytes(8)),
    Halt(Cause.FORK, 12, HASH, "another record 12"),
    Certificate(b"certificate"),
    TlsCertificate(b"certificate"),
    CarriedReceipt(b"r"),
    CarriedOrder(bytes(DOCUMENT_BYTES)),
    CarriedMandate(b"m"),
    CarriedEnds(bytes(MAX_ENDS_BYTES)),
    Witnessed(b"w"),
    Full(600),
    RenewFirst(HIGHEST, HIGHEST),
]


def changed(message: FromHub | FromBridge, at: int, value: object) -> bytes:
    """The message's bytes with another value in one place; 0 is its type."""
    values = cbor.decode(encode(message))
    values[at] = value
    return cbor.encode(values)


@pytest.mark.parametrize("message", FROM_HUB, ids=lambda message: type(message).__name__)
def test_what_a_hub_says_survives_the_wire(message: FromHub) -> None:
    data = encode(message)
    assert decode_from_hub(data) == message
    assert len(data) <= type(message).CEILING <= FROM_HUB_BYTES
    with pytest.raises(FrameError):  # law 3
        decode_from_bridge(data)


NUMBERS = st.one_of(st.integers(1, 300), st.integers(1, HIGHEST))
RECORDS = st.builds(
    Evidence, NUMBERS, st.binary(min_size=1, max_size=300), st.binary(min_size=32, max_size=32)
)


@st.composite
def nearly_records(draw: st.DrawFn) -> bytes:
    """Return a record's message with a few bytes changed, cut out or put in."""
    data = bytearray(encode(draw(RECORDS)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


@given(RECORDS)
def test_a_record_has_the_bytes_that_it_has_on_the_uplink(record: Evidence) -> None:
    """codec, laws 1 and 4"""
    data = arrays.write(record, codec._NAMES)
    assert encode(record) == data
    assert uplink.encode(record) == data
    assert decode_from_hub(data) == record
    assert uplink.decode_from_hub(data) == record


@given(nearly_records())
@example(bytes.fromhex("8402 1801 4100") + b"\x58\x20" + HASH)
@example(bytes.fromhex("8402 01 58 01 00") + b"\x58\x20" + HASH)
@example(bytes.fromhex("8402 00 41 00") + b"\x58\x20" + HASH)
@example(bytes.fromhex("8402 1b8000000000000000 41 00") + b"\x58\x20" + HASH)
@example(bytes.fromhex("8402 01 40") + b"\x58\x20" + HASH)
def test_what_is_no_record_on_the_uplink_is_none_here(data: bytes) -> None:
    """codec, law 4; evidence, laws 1 and 2: what the reader of all shapes reads, and no more"""
    try:
        expected = arrays.read(data, {Evidence.TYPE: Evidence}, codec._NAMES)
    except FrameError:
        expected = None
    try:
        found = decode_from_hub(data)
    except FrameError:
        found = None
    try:
        record = record_of(data)
    except FrameError:
        record = None
    if expected is None:
        assert not isinstance(found, Evidence)
        assert record is None
    else:
        assert record == StoredRecord(expected.number, expected.body, expected.hash)
        assert message_of(expected.number, expected.body, expected.hash) == data
        assert found == expected
        assert uplink.decode_from_hub(data) == expected


@pytest.mark.parametrize("message", FROM_BRIDGE, ids=lambda message: type(message).__name__)
def test_what_a_bridge_says_survives_the_wire(message: FromBridge) -> None:
    data = encode(message)
    assert decode_from_bridge(data) == message
    assert len(data) <= type(message).CEILING <= FROM_BRIDGE_BYTES
    with pytest.raises(FrameError):  # law 3
        decode_from_hub(data)


def test_every_message_is_tried() -> None:
    assert {type(message) for message in FROM_HUB} == set(codec.FROM_HUB.values())
    assert {type(message) for message in FROM_BRIDGE} == set(codec.FROM_BRIDGE.values())


def test_a_message_of_both_talks_has_the_same_bytes() -> None:  # law 1
    shared: list[Any] = [
        message
        for message in (*FROM_HUB, *FROM_BRIDGE)
        if type(message) in (*uplink.FROM_HUB.values(), *uplink.FROM_BACKEND.values())
    ]
    assert len(shared) == 18
    for message in shared:
        assert encode(message) == uplink.encode(message)


def test_no_type_means_two_things() -> None:  # law 2
    own: set[Any] = {
        HubHello,
        BridgeWelcome,
        CarriedReceipt,
        CarriedOrder,
        Witnessed,
        Full,
    }
    taken = {*uplink.FROM_HUB, *uplink.FROM_BACKEND}
    assert not taken & {kind.TYPE for kind in own}
    assert len({*codec.FROM_HUB, *codec.FROM_BRIDGE}) == len(codec.FROM_HUB) + len(
        codec.FROM_BRIDGE
    )


@pytest.mark.parametrize(
    "message",
    [
        Acknowledge((1,)),
        Release(bytes(16), 1, 1_800_000_000, None, "operator-7"),
        RotateKey(bytes(32)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_bridge_orders_nothing_by_its_word(message: Any) -> None:  # law 3
    with pytest.raises(FrameError):
        decode_from_bridge(uplink.encode(message))


def test_the_first_messages_fit_the_ceiling_of_first_ones() -> None:
    for kind in (HubHello, BridgeWelcome):
        assert kind.CEILING == FIRST_BYTES


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (1, 0),
        (1, 256),
        (2, ""),
        (2, "h" * 33),
        (2, "\x1b[2J"),
        (3, b"site-1"),
        (4, bytes(15)),
        (5, "x" * 33),
        (6, -1),
        (7, bytes(31)),
        (8, 13),
        (8, None),
        (9, bytes(33)),
        (10, 2**63),
        (10, 10),
        (11, b""),
        (12, "now"),
    ],
)
def test_a_hello_out_of_shape_is_refused(at: int, value: object) -> None:
    with pytest.raises(FrameError):
        decode_from_hub(changed(HELLO, at, value))


@pytest.mark.parametrize(
    ("at", "value"),
    [(1, 0), (2, ""), (3, None), (4, -1), (5, "12"), (6, bytes(31)), (7, 2**32), (7, -1)],
)
def test_a_welcome_out_of_shape_is_refused(at: int, value: object) -> None:
    with pytest.raises(FrameError):
        decode_from_bridge(changed(WELCOME, at, value))


@pytest.mark.parametrize("seconds", [0, 601, None, -1])
def test_a_pause_out_of_shape_is_refused(seconds: object) -> None:
    with pytest.raises(FrameError):
        decode_from_bridge(cbor.encode([Full.TYPE, seconds]))


@pytest.mark.parametrize("kind", [CarriedReceipt, CarriedOrder, CarriedMandate, Witnessed])
@pytest.mark.parametrize("document", [b"", bytes(DOCUMENT_BYTES + 1), "text"])
def test_a_document_out_of_shape_is_refused(kind: Any, document: object) -> None:
    with pytest.raises(FrameError):
        decode_from_bridge(cbor.encode([kind.TYPE, document]))


@pytest.mark.parametrize("document", [b"", bytes(MAX_ENDS_BYTES + 1), "text"])
def test_a_list_of_ended_bridges_out_of_shape_is_refused(document: object) -> None:
    with pytest.raises(FrameError):
        decode_from_bridge(cbor.encode([CarriedEnds.TYPE, document]))


def test_the_longest_list_of_each_kind_fits() -> None:
    """ends: the sizes of the messages are those of the documents"""
    assert Whom.BRIDGES.document_bytes == MAX_ENDS_BYTES
    for whom in Whom:
        some = whom.named_max // 2
        keys = frozenset(number.to_bytes(32, "big") for number in range(some))
        names = frozenset(f"{number:032d}" for number in range(whom.named_max - some))
        ends = Ends(HIGHEST, names, keys, whom)
        document = issue_ends(ends, "s" * 32, ISSUER)
        assert len(document) <= whom.document_bytes - 320  # a longer signature fits, too
        assert prove_ends(document, "s" * 32, ISSUER.verify_key) == ends


def test_what_is_durable_is_no_more_than_what_there_is() -> None:
    with pytest.raises(FrameError):
        replace(HELLO, durable=13)


@given(st.binary(max_size=64))
def test_any_bytes_give_a_message_or_a_frame_error(data: bytes) -> None:
    for decode in (decode_from_hub, decode_from_bridge):
        try:
            message = decode(data)
        except FrameError:
            continue
        assert encode(message) == data
