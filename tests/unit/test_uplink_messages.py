"""The messages of the link: each survives the wire, and whatever else comes is a FrameError,
cheaply.
"""

from __future__ import annotations

import time
from dataclasses import fields

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.codec import decode_from_backend, decode_from_hub, encode
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Act,
    Certificate,
    Halt,
    Held,
    KeyTaken,
    NewPolicy,
    Order,
    Pieces,
    Pong,
    Probe,
    Release,
    RotateKey,
    TlsCertificate,
    Welcome,
)
from hubcore.backend.uplink.from_hub import (
    ActResult,
    Alive,
    CertificateRequest,
    DeviceOutcome,
    Evidence,
    Hello,
    Measured,
    NewKey,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Result,
    RetireKey,
    Telemetry,
)
from hubcore.backend.uplink.health import (
    COUNT_MAX,
    PARTS_MAX,
    TROUBLES_MAX,
    HealthState,
    Trouble,
    TroubleSeverity,
)
from hubcore.backend.uplink.updates import (
    QUARANTINE_MAX,
    UpdateFault,
    UpdateHold,
    UpdatePhase,
    UpdateSlot,
    UpdateState,
)
from hubcore.backend.uplink.words import (
    MAX_CERTIFICATE_BYTES,
    MAX_DEVICES,
    MAX_DOCUMENT_BYTES,
    MAX_ENDS_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PIECE_BYTES,
    MAX_PIECES,
    MAX_POLICY_BYTES,
    MAX_RECORD_BYTES,
    MAX_TLS_CERTIFICATE_BYTES,
    MAX_WANTED,
    ActOutcome,
    Cause,
    OrderOutcome,
    ReleaseOutcome,
)
from hubcore.codec import cbor
from hubcore.device.command import Verb
from hubcore.device.state import Quantity
from hubcore.errors import FrameError

HELLO = Hello(2, "hub-1", "site-1", bytes(16), "0.1.0", 3, bytes(32), 12, bytes(range(32)), 4)
NO_UPDATES = UpdateState(
    phase=UpdatePhase.NONE,
    slot=UpdateSlot.NONE,
    version="0.1.0",
    digest=b"",
    other="",
    hold=UpdateHold.NOBODY,
    is_withdrawn=0,
    fault=UpdateFault.NONE,
    lists_end=0,
    quarantine=(),
)
ON_TRIAL = UpdateState(
    phase=UpdatePhase.TRIAL,
    slot=UpdateSlot.B,
    version="1.2.0",
    digest=bytes(range(32)),
    other="1.3.0",
    hold=UpdateHold.PERSON,
    is_withdrawn=0,
    fault=UpdateFault.LINK,
    lists_end=1_795_305_600,
    quarantine=(bytes(32),),
)
WELL = HealthState((), 0)
UNWELL = HealthState(
    (
        Trouble("radio-down", TroubleSeverity.ERROR, 75, (), 0),
        Trouble("locks-weak", TroubleSeverity.WARNING, 86_400, ("lock-1", "lock-2"), 1),
    ),
    2,
)
FULL = HealthState(
    tuple(
        Trouble(
            code="c" * 30 + f"{n:02}",
            severity=TroubleSeverity.ERROR,
            age_seconds=COUNT_MAX,
            parts=("p" * 30 + f"{n:02}", "q" * 32),
            more=COUNT_MAX,
        )
        for n in range(TROUBLES_MAX)
    ),
    COUNT_MAX,
)
FROM_HUB = [
    HELLO,
    Evidence(7, b"\xa0", bytes(32)),
    Evidence(2**63 - 1, bytes(MAX_RECORD_BYTES), bytes(32)),
    Result(bytes(16), ReleaseOutcome.RELEASED, ""),
    Result(bytes(range(16)), ReleaseOutcome.LATE, "7 s too late"),
    PolicyResult(4, ""),
    PolicyResult(4, "the signature is not the issuer's"),
    Ping(bytes(8)),
    ActResult(bytes(16), (), "it came too late"),
    ActResult(bytes(16), (DeviceOutcome("light", ActOutcome.CONFIRMED),), ""),
    ActResult(
        bytes(range(16)),
        tuple(DeviceOutcome("d" * 30 + f"{n:02}", ActOutcome.REFUSED) for n in range(64)),
        "x" * 200,
    ),
    Telemetry((Measured("light", Quantity.POSITION, 3, 0),)),
    Telemetry(
        tuple(
            Measured("d" * 30 + f"{n:02}", Quantity.LEVEL, -(2**63 - 1), 2**63 - 1)
            for n in range(64)
        )
    ),
    OrderResult(bytes(16), OrderOutcome.TAKEN, ""),
    OrderResult(bytes(range(16)), OrderOutcome.BUSY, "too many orders"),
    CertificateRequest(bytes(range(32)), 2**63 - 1),
    PiecesWanted((bytes(32),)),
    PiecesWanted(tuple(bytes([n]) * 32 for n in range(MAX_WANTED))),
    NewKey(bytes(range(32)), bytes(32)),
    RetireKey(bytes(range(32))),
    Alive(bytes(range(8))),
    Notice(7, b"\xa0", bytes(range(32))),
    Notice(2**63 - 1, bytes(MAX_RECORD_BYTES), bytes(32)),
    NO_UPDATES,
    ON_TRIAL,
    UpdateState(
        phase=UpdatePhase.UNKNOWN,
        slot=UpdateSlot.A,
        version="v" * 64,
        digest=bytes(32),
        other="o" * 64,
        hold=UpdateHold.PLAN,
        is_withdrawn=1,
        fault=UpdateFault.STOPPED,
        lists_end=2**63 - 1,
        quarantine=tuple(bytes([n]) * 32 for n in range(QUARANTINE_MAX)),
    ),
    WELL,
    UNWELL,
    FULL,
]
FROM_BACKEND = [
    Welcome(1_795_305_600_123, 0, bytes(32)),
    Welcome(1, 2**63 - 1, bytes(range(32))),
    Held((1,)),
    Held(tuple(range(2**63 - 256, 2**63))),
    Acknowledge((1,)),
    Acknowledge(tuple(range(2**63 - 256, 2**63))),
    Release(bytes(16), 1, 1_795_305_600, None, "operator-9"),
    Release(bytes(16), 65535, 1_795_305_600, 5, "x"),
    NewPolicy(b"\x00"),
    NewPolicy(bytes(MAX_POLICY_BYTES)),
    Pong(bytes(8), 5),
    Pieces((b"\x00",)),
    Pieces((bytes(MAX_PIECE_BYTES),) * MAX_PIECES),
    Order(bytes(16), "op", None, DoorOrder.LOCKDOWN, 1, 1_795_305_600, None),
    Order(bytes(16), "x" * 32, 65535, DoorOrder.HOLD_OPEN, 0, 2**63 - 1, 2**63 - 1),
    Halt(Cause.TWO_HUBS, 0, bytes(32), ""),
    Halt(Cause.GAP, 2**63 - 1, bytes(range(32)), "look at the hub"),
    Act(bytes(16), "operator-9", "light", Verb.ON, None, 1_795_305_600),
    Act(bytes(16), "x", 65535, Verb.SET_LEVEL, 100, 2**63 - 1),
    Certificate(b"\x00"),
    Certificate(bytes(MAX_CERTIFICATE_BYTES)),
    TlsCertificate(b"\x30"),
    TlsCertificate(bytes(MAX_TLS_CERTIFICATE_BYTES)),
    KeyTaken(bytes(range(32)), 2, ""),
    KeyTaken(bytes(32), 1, "another hub has this key"),
    RotateKey(bytes(range(32))),
    Probe(bytes(range(8))),
    CarriedMandate(b"\x00"),
    CarriedMandate(bytes(MAX_DOCUMENT_BYTES)),
    CarriedEnds(b"\x00"),
    CarriedEnds(bytes(MAX_ENDS_BYTES)),
]


def changed(message: UpdateState, at: int, value: object) -> bytes:
    """The message's bytes with another value in one place; 0 is its type."""
    values = cbor.decode(encode(message), max_depth=2, max_items=50)
    values[at] = value
    return cbor.encode(values)


def wrong_trouble(at: int, value: object) -> bytes:
    """A HealthState of one trouble that has another value in one place."""
    trouble: list[object] = ["radio-down", 1, 75, ["front"], 0]
    trouble[at] = value
    return cbor.encode([35, [trouble], 0])


WRONG_FROM_HUB = {
    "empty": b"",
    "one byte": b"\x82",
    "no array": cbor.encode({1: 2}),
    "a field alone": cbor.encode([15, 1]),
    "a phase of none": changed(ON_TRIAL, 1, 9),
    "a phase as text": changed(ON_TRIAL, 1, "trial"),
    "a slot of none": changed(ON_TRIAL, 2, 3),
    "no version": changed(ON_TRIAL, 3, ""),
    "a version of 65 bytes": changed(ON_TRIAL, 3, "v" * 65),
    "a version that draws": changed(ON_TRIAL, 3, "\x1b[2J"),
    "an image's digest of 31 bytes": changed(ON_TRIAL, 4, bytes(31)),
    "an image's digest as text": changed(ON_TRIAL, 4, "0" * 32),
    "another version of 65 bytes": changed(ON_TRIAL, 5, "v" * 65),
    "a hold of nobody known": changed(ON_TRIAL, 6, 3),
    "withdrawn twice": changed(ON_TRIAL, 7, 2),
    "withdrawn true": changed(ON_TRIAL, 7, True),
    "a fault of none": changed(ON_TRIAL, 8, 7),
    "an end below 0": changed(ON_TRIAL, 9, -1),
    "33 in quarantine": changed(ON_TRIAL, 10, [bytes(32)] * 33),
    "a digest in quarantine of 31 bytes": changed(ON_TRIAL, 10, [bytes(31)]),
    "a quarantine alone": changed(ON_TRIAL, 10, bytes(32)),
    "a quarantine too deep": changed(ON_TRIAL, 10, [[bytes(32)]]),
    "a trouble of no name": wrong_trouble(0, ""),
    "a trouble with a name of 33 characters": wrong_trouble(0, "c" * 33),
    "a trouble in words": wrong_trouble(0, "Radio down"),
    "a trouble that draws": wrong_trouble(0, "\x1b[2j"),
    "a trouble by its number": wrong_trouble(0, 7),
    "a severity of none": wrong_trouble(1, 2),
    "a severity true": wrong_trouble(1, True),
    "a trouble that begins later": wrong_trouble(2, -1),
    "a trouble older than a count": wrong_trouble(2, COUNT_MAX + 1),
    "a part alone": wrong_trouble(3, "front"),
    "a part that is a person": wrong_trouble(3, ["Anna Muster"]),
    "a part too deep": wrong_trouble(3, [["front"]]),
    "65 parts": wrong_trouble(3, ["front"] * (PARTS_MAX + 1)),
    "more parts than a count": wrong_trouble(4, COUNT_MAX + 1),
    "33 troubles": cbor.encode([35, [["radio-down", 1, 75, [], 0]] * (TROUBLES_MAX + 1), 0]),
    "590 troubles, above the ceiling": cbor.encode([35, [["a", 1, 7, [], 0]] * 590, 0]),
    "65 parts in two troubles": cbor.encode(
        [35, [["a", 1, 7, ["x"] * 32, 0], ["b", 1, 7, ["x"] * 33, 0]], 0]
    ),
    "a trouble too wide": cbor.encode([35, [["radio-down", 1, 75, [], 0, 0]], 0]),
    "troubles flat": cbor.encode([35, ["radio-down", 1, 75], 0]),
    "troubles no list": cbor.encode([35, 0, 0]),
    "troubles without their count": cbor.encode([35, []]),
    "more troubles than a count": cbor.encode([35, [], COUNT_MAX + 1]),
    "no piece wanted": cbor.encode([9, []]),
    "too many pieces wanted": cbor.encode([9, [bytes(32)] * 65]),
    "a name too short": cbor.encode([9, [bytes(31)]]),
    "a name as text": cbor.encode([9, ["0" * 32]]),
    "a name alone": cbor.encode([9, bytes(32)]),
    "digest short": cbor.encode(
        [1, 2, "h", "site", bytes(16), "0.1", 0, bytes(31), 0, bytes(32), 0]
    ),
    "type as text": cbor.encode(["hello"]),
    "the backend's own message": encode(Welcome(1, 0, bytes(32))),
    "a field short": cbor.encode([2, 1, b"\xa0"]),
    "a field more": cbor.encode([5, bytes(8), 1]),
    "bytes behind": encode(Ping(bytes(8))) + b"\x00",
    "cut": encode(HELLO)[:-1],
    "indefinite length": b"\x9f" + encode(Ping(bytes(8)))[1:] + b"\xff",
    "head too long": b"\x98\x02" + encode(Ping(bytes(8)))[1:],
    "record number 0": cbor.encode([2, 0, b"\xa0", bytes(32)]),
    "record number true": cbor.encode([2, True, b"\xa0", bytes(32)]),
    "record number negative": cbor.encode([2, -1, b"\xa0", bytes(32)]),
    "record number over 63 bits": cbor.encode([2, 2**63, b"\xa0", bytes(32)]),
    "a notice of record 0": cbor.encode([14, 0, b"\xa0", bytes(32)]),
    "a notice of no record": cbor.encode([14, 1, b"", bytes(32)]),
    "empty record": cbor.encode([2, 1, b"", bytes(32)]),
    "record too long": cbor.encode([2, 1, bytes(MAX_RECORD_BYTES + 1), bytes(32)]),
    "short hash": cbor.encode([2, 1, b"\xa0", bytes(31)]),
    "hash as text": cbor.encode([2, 1, b"\xa0", "0" * 32]),
    "outcome unknown": cbor.encode([3, bytes(16), 5, ""]),
    "outcome as text": cbor.encode([3, bytes(16), "released", ""]),
    "detail too long": cbor.encode([3, bytes(16), 0, "x" * 201]),
    "detail too long in bytes": cbor.encode([3, bytes(16), 0, "ä" * 101]),
    "control characters": cbor.encode([3, bytes(16), 0, "\x1b[2J"]),
    "no UTF-8": cbor.encode([3, bytes(16), 0]).replace(b"\x83", b"\x84") + b"\x62\xff\xff",
    "hub id empty": cbor.encode(
        [1, 1, "", "site", bytes(16), "0.1", 0, bytes(32), 0, bytes(32), 0]
    ),
    "hub id too long": cbor.encode(
        [1, 1, "h" * 33, "site", bytes(16), "0.1", 0, bytes(32), 0, bytes(32), 0]
    ),
    "boot id short": cbor.encode(
        [1, 1, "h", "site", bytes(15), "0.1", 0, bytes(32), 0, bytes(32), 0]
    ),
    "head hash short": cbor.encode(
        [1, 2, "h", "site", bytes(16), "0.1", 0, bytes(32), 0, bytes(31), 0]
    ),
    "protocol 0": cbor.encode([1, 0, "h", "site", bytes(16), "0.1", 0, bytes(32), 0, bytes(32), 0]),
    "an outcome of none": cbor.encode([6, bytes(16), [["light", 5]], ""]),
    "an outcome as text": cbor.encode([6, bytes(16), [["light", "ok"]], ""]),
    "an outcome of nobody": cbor.encode([6, bytes(16), [["", 0]], ""]),
    "an outcome of a person": cbor.encode([6, bytes(16), [["Anna Muster", 0]], ""]),
    "an outcome too wide": cbor.encode([6, bytes(16), [["light", 0, 0]], ""]),
    "65 outcomes": cbor.encode([6, bytes(16), [["light", 0]] * 65, ""]),
    "outcomes no list": cbor.encode([6, bytes(16), 5, ""]),
    "outcomes flat": cbor.encode([6, bytes(16), ["light", 0], ""]),
    "no values": cbor.encode([8, []]),
    "65 values": cbor.encode([8, [["light", 1, 1, 1]] * 65]),
    "a quantity of none": cbor.encode([8, [["light", 12, 1, 1]]]),
    "a quantity true": cbor.encode([8, [["light", True, 1, 1]]]),
    "a value out of range": cbor.encode([8, [["light", 1, -(2**63), 1]]]),
    "a value as text": cbor.encode([8, [["light", 1, "cold", 1]]]),
    "an age below 0": cbor.encode([8, [["light", 1, 1, -1]]]),
    "float": cbor2.dumps([4, 1.5, ""]),
    "null for a number": cbor.encode([4, None, ""]),
    "an outcome of no order": cbor.encode([7, bytes(16), 5, ""]),
    "an order's detail too long": cbor.encode([7, bytes(16), 0, "x" * 201]),
    "an order's id short": cbor.encode([7, bytes(15), 0, ""]),
    "a new key of 31 bytes": cbor.encode([10, bytes(31), bytes(32)]),
    "a new key without its proof": cbor.encode([10, bytes(32)]),
    "a new key with a short proof": cbor.encode([10, bytes(32), bytes(31)]),
    "a key as text": cbor.encode([11, "0" * 32]),
    "an old key of 33 bytes": cbor.encode([11, bytes(33)]),
    "a type with a head too long": b"\x82\x18\x0b" + cbor.encode(bytes(32)),
}
WRONG_FROM_BACKEND = {
    "the hub's own message": encode(HELLO),
    "no numbers": cbor.encode([17, []]),
    "257 numbers": cbor.encode([17, list(range(1, 258))]),
    "a number 0": cbor.encode([17, [1, 0]]),
    "numbers no list": cbor.encode([17, 5]),
    "numbers nested": cbor.encode([17, [[1]]]),
    "id of 15 bytes": cbor.encode([18, bytes(15), 1, 5, None, "x"]),
    "access point over 16 bits": cbor.encode([18, bytes(16), 65536, 5, None, "x"]),
    "no seconds": cbor.encode([18, bytes(16), 1, 5, 0, "x"]),
    "seconds for ever": cbor.encode([18, bytes(16), 1, 5, 3601, "x"]),
    "seconds false": cbor.encode([18, bytes(16), 1, 5, False, "x"]),
    "by nobody": cbor.encode([18, bytes(16), 1, 5, None, ""]),
    "by 33 bytes": cbor.encode([18, bytes(16), 1, 5, None, "x" * 33]),
    "policy empty": cbor.encode([19, b""]),
    "policy too long": cbor.encode([19, bytes(MAX_POLICY_BYTES + 1)]),
    "policy no bytes": cbor.encode([19, "text"]),
    "policy nested": cbor.encode([19, [b""]]),
    "a cause of none": cbor.encode([21, 0, 1, bytes(32), ""]),
    "an unknown cause": cbor.encode([21, 5, 1, bytes(32), ""]),
    "a cause as text": cbor.encode([21, "fork", 1, bytes(32), ""]),
    "a short hash of the known": cbor.encode([21, 2, 1, bytes(31), ""]),
    "escapes for a terminal": cbor.encode([21, 2, 1, bytes(32), "\x1b[2J"]),
    "a verb of none": cbor.encode([22, bytes(16), "x", "light", 11, None, 5]),
    "a verb as text": cbor.encode([22, bytes(16), "x", "light", "on", None, 5]),
    "a group 0": cbor.encode([22, bytes(16), "x", 0, 4, None, 5]),
    "a group over 16 bits": cbor.encode([22, bytes(16), "x", 65536, 4, None, 5]),
    "a group true": cbor.encode([22, bytes(16), "x", True, 4, None, 5]),
    "a device by a name": cbor.encode([22, bytes(16), "x", "Anna Muster", 4, None, 5]),
    "a device of 33 characters": cbor.encode([22, bytes(16), "x", "d" * 33, 4, None, 5]),
    "a level below 0": cbor.encode([22, bytes(16), "x", "shutter", 9, -1, 5]),
    "a level false": cbor.encode([22, bytes(16), "x", "shutter", 9, False, 5]),
    "a command of nobody": cbor.encode([22, bytes(16), "", "light", 4, None, 5]),
    "a command that never expires": cbor.encode([22, bytes(16), "x", "light", 4, None, None]),
    "an order's id short": cbor.encode([23, bytes(15), "x", 1, 4, 1, 5, None]),
    "an order of nobody": cbor.encode([23, bytes(16), "", 1, 4, 1, 5, None]),
    "an order of 33 bytes": cbor.encode([23, bytes(16), "x" * 33, 1, 4, 1, 5, None]),
    "an order's point over 16 bits": cbor.encode([23, bytes(16), "x", 65536, 4, 1, 5, None]),
    "a grant as an order": cbor.encode([23, bytes(16), "x", 1, 1, 1, 5, None]),
    "fire as an order": cbor.encode([23, bytes(16), "x", 1, 5, 1, 5, None]),
    "an order neither on nor off": cbor.encode([23, bytes(16), "x", 1, 4, 2, 5, None]),
    "an order on as truth": cbor.encode([23, bytes(16), "x", 1, 4, True, 5, None]),
    "an order without its last moment": cbor.encode([23, bytes(16), "x", 1, 4, 1, None, None]),
    "an order until before 1970": cbor.encode([23, bytes(16), "x", 1, 4, 1, 5, -1]),
    "a key taken that is none": cbor.encode([25, bytes(31), 1, ""]),
    "no key held": cbor.encode([25, bytes(32), 0, ""]),
    "three keys held": cbor.encode([25, bytes(32), 3, ""]),
    "a refusal too long": cbor.encode([25, bytes(32), 1, "x" * 201]),
    "another key for nobody": cbor.encode([28]),
    "another key for a short one": cbor.encode([28, bytes(31)]),
    "an empty mandate": cbor.encode([51, b""]),
    "a mandate too long": cbor.encode([51, bytes(MAX_DOCUMENT_BYTES + 1)]),
    "an empty list of ended bridges": cbor.encode([55, b""]),
    "a list of ended bridges too long": cbor.encode([55, bytes(MAX_ENDS_BYTES + 1)]),
    "a type of two bytes": b"\x82\x19\x00\x1c" + cbor.encode(bytes(32)),
    "a type cut short": b"\x82\x18",
    "time negative": cbor.encode([16, -1]),
    "time as bignum": b"\x82\x10\xc2\x49" + b"\x01" + bytes(8),
}


@pytest.mark.parametrize("message", FROM_HUB, ids=lambda m: type(m).__name__)
def test_what_a_hub_says_survives_the_wire(message):
    data = encode(message)
    assert decode_from_hub(data) == message
    assert len(data) <= message.CEILING <= MAX_MESSAGE_BYTES
    with pytest.raises(FrameError):
        decode_from_backend(data)


@pytest.mark.parametrize("message", FROM_BACKEND, ids=lambda m: type(m).__name__)
def test_what_the_backend_says_survives_the_wire(message):
    data = encode(message)
    assert decode_from_backend(data) == message
    assert len(data) <= message.CEILING <= MAX_MESSAGE_BYTES
    with pytest.raises(FrameError):
        decode_from_hub(data)


@pytest.mark.parametrize("data", WRONG_FROM_HUB.values(), ids=WRONG_FROM_HUB.keys())
def test_a_wrong_message_of_a_hub_is_a_frame_error(data):
    with pytest.raises(FrameError):
        decode_from_hub(data)


@pytest.mark.parametrize("data", WRONG_FROM_BACKEND.values(), ids=WRONG_FROM_BACKEND.keys())
def test_a_wrong_message_of_the_backend_is_a_frame_error(data):
    with pytest.raises(FrameError):
        decode_from_backend(data)


def test_every_type_has_its_own_number_on_its_own_side():
    kinds = [*codec.FROM_HUB.values(), *codec.FROM_BACKEND.values()]
    numbers = [kind.TYPE for kind in kinds]
    assert len(set(numbers)) == len(kinds)
    hubs = {*range(1, 16), *range(32, 48)}
    assert set(codec.FROM_HUB) <= hubs
    assert not set(codec.FROM_BACKEND) & hubs
    assert all(16 <= number < 256 for number in codec.FROM_BACKEND)
    assert all(len(fields(kind)) < 23 for kind in kinds)


def test_the_known_bytes_of_a_hubs_new_key():
    key = bytes(range(32))
    proof = bytes(range(32, 64))
    assert encode(NewKey(key, proof)).hex() == f"830a5820{key.hex()}5820{proof.hex()}"
    assert encode(RetireKey(key)).hex() == f"820b5820{key.hex()}"
    assert encode(KeyTaken(key, 2, "")).hex() == f"8418195820{key.hex()}0260"
    assert encode(KeyTaken(key, 1, "no")).hex() == f"8418195820{key.hex()}01626e6f"
    assert encode(RotateKey(key)).hex() == f"82181c5820{key.hex()}"


def test_the_known_bytes_of_an_order_for_a_door():
    message = Order(bytes(range(16)), "op", 2, DoorOrder.HOLD_OPEN, 1, 1_795_305_600, None)
    assert encode(message).hex() == (
        "881750000102030405060708090a0b0c0d0e0f626f700202011a6b023080f6"
    )


def test_the_known_bytes_of_a_certificate_and_of_asking_for_it():
    assert encode(Certificate(b"\xd2")).hex() == "82181b41d2"
    assert encode(TlsCertificate(b"\x30")).hex() == "82181e4130"
    asked = CertificateRequest(bytes(range(32)), 1_795_305_600)
    assert encode(asked).hex() == f"830c5820{bytes(range(32)).hex()}1a6b023080"


def test_a_type_that_is_longer_than_needed_is_no_message():
    with pytest.raises(FrameError):
        decode_from_backend(b"\x82\x18\x10\x00")


def test_the_known_bytes_of_a_release():
    message = Release(bytes(range(16)), 2, 1_795_305_600, None, "op")
    assert encode(message).hex() == "861250000102030405060708090a0b0c0d0e0f021a6b023080f6626f70"


def test_the_known_bytes_of_a_command_and_its_result():
    act = Act(bytes(range(16)), "op", "light", Verb.ON, None, 1_795_305_600)
    assert encode(act).hex() == (
        "871650000102030405060708090a0b0c0d0e0f626f70656c6967687404f61a6b023080"
    )
    result = ActResult(bytes(range(16)), (DeviceOutcome("light", ActOutcome.TIMEOUT),), "")
    assert encode(result).hex() == ("840650000102030405060708090a0b0c0d0e0f8182656c696768740260")
    said = Telemetry((Measured("light", Quantity.POWER, 12_500, 3),))
    assert encode(said).hex() == "82088184656c69676874051930d403"


def test_the_known_bytes_of_how_an_update_stands():
    assert encode(NO_UPDATES).hex() == "8b0f000065302e312e304060" + "00" * 4 + "80"
    assert encode(ON_TRIAL).hex() == (
        f"8b0f060265312e322e305820{bytes(range(32)).hex()}65312e332e300100021a6b02308081"
        f"5820{bytes(32).hex()}"
    )


def test_a_small_message_padded_to_megabytes_costs_nothing():
    bombs = [
        b"\x82\x13"
        + b"\x9a\x00\x3f\xff\xff"
        + bytes(4 * 2**20 - 1),  # a policy that is an array of four million
        b"\x82\x11" + b"\x9a\x00\x3f\xff\xff" + bytes(4 * 2**20 - 1),  # as many acknowledgements
        b"\x9a\x00\x3f\xff\xff" + bytes(4 * 2**20 - 1),
        b"\x82\x10" + b"\x81" * 4_000_000,
    ]
    began = time.process_time()
    for bomb in bombs:
        with pytest.raises(FrameError):
            decode_from_backend(bomb)
    assert time.process_time() - began < 0.1


def test_a_message_cannot_be_made_out_of_shape():
    with pytest.raises(FrameError, match="body"):
        Evidence(1, bytes(MAX_RECORD_BYTES + 1), bytes(32))
    with pytest.raises(FrameError, match="outcome"):
        Result(bytes(16), 0, "")  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="numbers"):
        Acknowledge([1])  # type: ignore[arg-type]


@given(st.text())
def test_a_sentence_always_fits_a_detail(text):
    Result(bytes(16), ReleaseOutcome.FAILED, sentence(text + "ä" * 150 + "\n"))


def _mutations():
    corpus = [
        encode(message) for message in [*FROM_HUB, *FROM_BACKEND] if len(encode(message)) < 5000
    ]
    return st.builds(
        lambda data, at, replacement, cut: (
            data[: at % len(data)] + replacement + data[at % len(data) + 1 :]
        )[:cut],
        st.sampled_from(corpus),
        st.integers(0, 5000),
        st.binary(max_size=4),
        st.integers(1, 5000),
    )


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=80), _mutations()))
def test_accepted_or_frame_error_and_what_is_accepted_has_one_encoding(data):
    for decode in (decode_from_hub, decode_from_backend):
        try:
            message = decode(data)
        except FrameError:
            continue
        assert encode(message) == data


@pytest.mark.parametrize(
    "kind",
    [*codec.FROM_HUB.values(), *codec.FROM_BACKEND.values()],
    ids=lambda kind: kind.__name__,
)
def test_each_type_has_its_own_ceiling_on_items(kind):
    assert 1 + len(fields(kind)) < kind.ITEMS <= 3 + 5 * MAX_DEVICES
