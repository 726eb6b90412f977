"""The messages between bridge and backend: what each side reads, and their ceilings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink import codec as uplink
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, Pong, TlsCertificate
from hubcore.backend.uplink.from_hub import Evidence, PiecesWanted, Ping
from hubcore.backend.uplink.words import MAX_RECORD_BYTES, Cause
from hubcore.bridge import codec as of_hubs
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.codec import decode_from_backend, decode_from_bridge, encode
from hubcore.bridge.backend.from_backend import (
    BackendWelcome,
    CertificateOfHub,
    EndsNow,
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.bridge.backend.from_bridge import (
    Ahead,
    AskHub,
    BornWitness,
    BridgeHello,
    Doubted,
    Forwarded,
    FromBridge,
    OnlyKey,
    OwnRequest,
    RequestOfHub,
)
from hubcore.bridge.backend.words import (
    BATCH_BYTES,
    BATCH_RECORDS,
    CARRIED_BYTES,
    CERTIFICATE_MESSAGE_BYTES,
    ENDS_BYTES,
    FROM_BACKEND_BYTES,
    FROM_BRIDGE_BYTES,
)
from hubcore.bridge.from_bridge import RenewFirst
from hubcore.bridge.words import DOCUMENT_BYTES, FIRST_BYTES
from hubcore.codec import cbor
from hubcore.errors import FrameError

HASH = bytes(range(32))
HIGHEST = 2**63 - 1
NAME = "n" * 32
HELLO = BridgeHello(1, "bridge-1", "site-1", bytes(16), "0.1.0", 3, HASH, 2, 1_800_000_000_000)
LARGEST = Evidence(HIGHEST, bytes(MAX_RECORD_BYTES), HASH)
FROM_BRIDGE: list[FromBridge] = [
    HELLO,
    BridgeHello(255, NAME, NAME, bytes(16), NAME, HIGHEST, HASH, HIGHEST, HIGHEST),
    AskHub(NAME, HIGHEST, HIGHEST, HASH),
    Forwarded(NAME, (uplink.encode(LARGEST),) * (BATCH_BYTES // 4200), b"h"),
    Forwarded("hub-1", (b"r" * (BATCH_BYTES // BATCH_RECORDS),) * BATCH_RECORDS, bytes(1024)),
    Ahead(NAME, bytes(CARRIED_BYTES)),
    BornWitness(NAME, bytes(DOCUMENT_BYTES)),
    Doubted(NAME, Cause.TAIL_CUT, HIGHEST, HASH, HIGHEST, HASH),
    RequestOfHub(NAME, bytes(DOCUMENT_BYTES)),
    OwnRequest(bytes(DOCUMENT_BYTES)),
    OnlyKey(),
    PiecesWanted((HASH,)),
    Ping(bytes(8)),
]
FROM_BACKEND: list[FromBackend] = [
    BackendWelcome(1, "gateway-1", "site-1", 1_800_000_000_000),
    BackendWelcome(255, NAME, NAME, HIGHEST),
    HubKnown(NAME, HIGHEST, HIGHEST, HASH),
    HubReceipt(NAME, bytes(DOCUMENT_BYTES)),
    HubHalted("hub-1", None, ""),
    HubHalted(NAME, Cause.FORK, "d" * 200),
    EndsNow(b"e"),
    EndsNow(bytes(ENDS_BYTES)),
    CertificateOfHub(NAME, bytes(CERTIFICATE_MESSAGE_BYTES)),
    RenewFirst(HIGHEST, HIGHEST),
    TlsCertificate(bytes(2048)),
    CarriedMandate(b"m"),
    NewPolicy(b"policy"),
    Pieces((b"piece",)),
    Pong(bytes(8), 1),
]


@pytest.mark.parametrize("message", FROM_BRIDGE, ids=lambda message: type(message).__name__)
def test_what_a_bridge_says_survives_the_wire(message: FromBridge) -> None:
    data = encode(message)
    assert decode_from_bridge(data) == message
    assert len(data) <= type(message).CEILING <= FROM_BRIDGE_BYTES
    with pytest.raises(FrameError):  # law 3
        decode_from_backend(data)


@pytest.mark.parametrize("message", FROM_BACKEND, ids=lambda message: type(message).__name__)
def test_what_a_backend_says_survives_the_wire(message: FromBackend) -> None:
    data = encode(message)
    assert decode_from_backend(data) == message
    assert len(data) <= type(message).CEILING <= FROM_BACKEND_BYTES
    with pytest.raises(FrameError):  # law 3
        decode_from_bridge(data)


def test_every_message_is_tried() -> None:
    assert {type(message) for message in FROM_BRIDGE} == set(codec.FROM_BRIDGE.values())
    assert {type(message) for message in FROM_BACKEND} == set(codec.FROM_BACKEND.values())


def test_a_message_of_another_talk_has_the_same_bytes() -> None:  # law 1
    shared: list[Any] = [
        message
        for message in (*FROM_BRIDGE, *FROM_BACKEND)
        if type(message) in (*of_hubs.FROM_HUB.values(), *of_hubs.FROM_BRIDGE.values())
    ]
    assert len(shared) == 8
    for message in shared:
        assert encode(message) == of_hubs.encode(message)


def test_no_type_means_two_things() -> None:  # law 2
    own = {
        kind.TYPE: kind
        for kind in (*codec.FROM_BRIDGE.values(), *codec.FROM_BACKEND.values())
        if "bridge.backend" in kind.__module__
    }
    assert len(own) == 15
    taken = {
        *uplink.FROM_HUB,
        *uplink.FROM_BACKEND,
        *of_hubs.FROM_HUB,
        *of_hubs.FROM_BRIDGE,
    }
    assert not taken & set(own)


def test_the_first_messages_fit_the_ceiling_of_first_ones() -> None:
    for kind in (BridgeHello, BackendWelcome):
        assert kind.CEILING == FIRST_BYTES


@pytest.mark.parametrize(
    ("at", "value"),
    [(1, 0), (2, ""), (2, "b" * 33), (3, b"s"), (4, bytes(15)), (5, None), (6, -1), (7, bytes(31))],
)
def test_a_hello_out_of_shape_is_refused(at: int, value: object) -> None:
    values = cbor.decode(encode(HELLO))
    values[at] = value
    with pytest.raises(FrameError):
        decode_from_bridge(cbor.encode(values))


@pytest.mark.parametrize("hub", ["", "Hub", "hub.1", "hub *", ">", "h" * 33, "-hub", None, b"hub"])
def test_a_hub_is_named_as_in_tls(hub: object) -> None:
    """No name of a hub is a subject of more than one."""
    for kind, rest in (
        (AskHub, [1, 0, HASH]),
        (Forwarded, [[b"r"], b"h"]),
        (Ahead, [b"n"]),
        (BornWitness, [b"t"]),
        (Doubted, [2, 1, HASH, 1, HASH]),
    ):
        with pytest.raises(FrameError):
            decode_from_bridge(cbor.encode([kind.TYPE, hub, *rest]))


@pytest.mark.parametrize(
    "records",
    [
        [],
        [b""],
        [b"r"] * (BATCH_RECORDS + 1),
        [bytes(CARRIED_BYTES + 1)],
        [bytes(CARRIED_BYTES)] * (1 + BATCH_BYTES // CARRIED_BYTES),
        ["text"],
        None,
    ],
)
def test_records_have_ceilings(records: object) -> None:
    with pytest.raises(FrameError):
        decode_from_bridge(cbor.encode([Forwarded.TYPE, "hub-1", records, b"h"]))


@pytest.mark.parametrize("document", [b"", bytes(ENDS_BYTES + 1), "text", None])
def test_a_list_of_ends_out_of_shape_is_refused(document: object) -> None:
    with pytest.raises(FrameError):
        decode_from_backend(cbor.encode([EndsNow.TYPE, document]))


@given(st.binary(max_size=64))
def test_any_bytes_give_a_message_or_a_frame_error(data: bytes) -> None:
    for decode in (decode_from_bridge, decode_from_backend):
        try:
            message = decode(data)
        except FrameError:
            continue
        assert encode(message) == data
