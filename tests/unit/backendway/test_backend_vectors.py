"""tests/vectors/bridge/backend.json and docs/bridge.cddl against our readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pycddl  # type: ignore[import-untyped]
import pytest

from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.bridge.backend import codec
from hubcore.bridge.backend.from_backend import CertificateOfHub, EndsNow
from hubcore.bridge.backend.from_bridge import BornWitness, Forwarded, OwnRequest, RequestOfHub
from hubcore.bridge.backend.words import FROM_BACKEND_BYTES
from hubcore.bridge.frames import Frames
from hubcore.codec import cbor
from hubcore.errors import FrameError
from tests.unit.backendway.test_backend_messages import FROM_BACKEND, FROM_BRIDGE
from tests.unit.test_bridge_vectors import FOR_PYCDDL, GRAMMAR, NESTED
from tests.vectors.cases_backendway import FILE, text

ROWS = json.loads(FILE.read_text("ascii"))
DECODE: dict[str, Callable[[bytes], Any]] = {
    "bridge": codec.decode_from_bridge,
    "backend": codec.decode_from_backend,
}
HOLDING = (CarriedMandate, RequestOfHub, OwnRequest, CertificateOfHub)
RULE = {"bridge": "to-backend", "backend": "from-backend"}


def message_of(row: dict[str, Any]) -> bytes:
    frames = Frames(FROM_BACKEND_BYTES)
    frames.feed(bytes.fromhex(row["frame"]))
    data = frames.next()
    assert data is not None
    assert frames.next() is None
    return data


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.get("name") or row["why"]))
def test_our_reader_says_what_the_file_says(row: dict[str, Any]) -> None:
    data = message_of(row)
    decode = DECODE[row["from"]]
    if row["verdict"] == "valid":
        message = decode(data)
        assert type(message).__name__ == row["name"]
        assert codec.encode(message) == data
        assert GRAMMAR.matches(RULE[row["from"]], data)
        return
    with pytest.raises(FrameError):
        decode(data)


def test_the_file_has_what_the_cases_make() -> None:
    assert FILE.read_text("ascii") == text(), "python -m tests.vectors.generate backendway"


def test_the_grammar_has_each_message() -> None:
    for said_by, messages in (("bridge", FROM_BRIDGE), ("backend", FROM_BACKEND)):
        for message in messages:
            if not isinstance(message, HOLDING):  # what is inside is no document there
                assert GRAMMAR.matches(RULE[said_by], codec.encode(message)), message


def test_another_reader_of_the_grammar_takes_what_we_write() -> None:
    nested = (*NESTED, Forwarded, EndsNow, CarriedMandate)
    for said_by, messages in (("bridge", FROM_BRIDGE), ("backend", FROM_BACKEND)):
        schema = pycddl.Schema(f"start = {RULE[said_by]}\n{FOR_PYCDDL}")
        for message in messages:
            if not isinstance(message, nested):
                schema.validate_cbor(codec.encode(message))


@pytest.mark.parametrize(("at", "value"), [(1, 0), (2, "b" * 33), (4, bytes(15)), (9, None)])
def test_a_near_miss_is_not_of_the_grammar(at: int, value: object) -> None:
    values = cbor.decode(codec.encode(FROM_BRIDGE[0]))
    assert GRAMMAR.matches("bridge-hello", cbor.encode(values))
    values[at] = value
    assert not GRAMMAR.matches("bridge-hello", cbor.encode(values))
    assert not GRAMMAR.matches("to-backend", codec.encode(BornWitness("hub-1", b"t"))[:-1])
