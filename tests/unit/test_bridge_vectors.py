"""tests/vectors/bridge and docs/bridge.cddl against our readers: each says the same of the same.

pycddl is a second judge of the grammar, of what it reads rightly (`test_cddl`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pycddl  # type: ignore[import-untyped]
import pytest

from hubcore.access.words import HubName
from hubcore.backend.renewal import prove_renewal
from hubcore.backend.uplink.from_backend import Pieces
from hubcore.backend.uplink.from_hub import PiecesWanted, Telemetry
from hubcore.bridge import codec
from hubcore.bridge.backend.ownrequest import prove_own_request
from hubcore.bridge.ceilings import devices
from hubcore.bridge.ceilings.guests import read_ceiling
from hubcore.bridge.ends import prove_ends
from hubcore.bridge.frames import Frames
from hubcore.bridge.mandate import Mandate, Use, prove_mandate
from hubcore.bridge.signedhead import HeadKind, prove_head, prove_own_head
from hubcore.bridge.site.order import prove_site_order
from hubcore.bridge.words import FROM_BRIDGE_BYTES
from hubcore.codec import cbor, cose
from hubcore.codec.cose import VerifyKey
from hubcore.codec.tls import TlsName, TlsRole, public_der
from hubcore.errors import ProofError
from tests.unit.test_bridge_messages import FROM_BRIDGE, FROM_HUB
from tests.vectors.cases_bridge import FOLDER, documents
from tests.vectors.cddl import Grammar

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "bridge.cddl").read_text()
GRAMMAR = Grammar(TEXT)
FOR_PYCDDL = re.sub(r"\.cbor \S+", "", TEXT).replace("h'010001'", "bytes .size 3")
NESTED = (Telemetry, PiecesWanted, Pieces)
"""Arrays in arrays, which pycddl counts wrongly."""
FILE = json.loads((FOLDER / "bridge.json").read_text("ascii"))
GIVEN = FILE["given"]
BRIDGE = TlsName(GIVEN["site"], TlsRole.BRIDGE, "bridge-1")
HUB = HubName(GIVEN["site"], GIVEN["hub"])
DOCUMENTS = FILE["documents"]
CARRIED = {
    33: "own-head",
    34: "renewal",
    49: "receipt",
    50: "site-order",
    51: "mandate",
    52: "testimony",
    55: "ends",
}


def key(encoded: str) -> VerifyKey:
    return cose.read_key(cbor.decode(bytes.fromhex(encoded)))


def mandate(use: Use) -> Mandate:
    """The mandate that `given` describes."""
    return Mandate(
        site=GIVEN["site"],
        holder=GIVEN["holders"][use.name.lower()],
        use=use,
        version=1,
        key=key(GIVEN["keys"][use.name.lower()]),
        not_before=GIVEN["not_before"],
        expires=GIVEN["expires"],
        guests=read_ceiling(GIVEN["guests"]) if use is Use.ORDERS else None,
        devices=devices.read_ceiling(GIVEN["devices"]) if use is Use.ORDERS else None,
    )


def key_of_now() -> bytes:
    """The bridge's key, as SubjectPublicKeyInfo."""
    return public_der(key(GIVEN["keys"]["testimony"]).public)


READERS: dict[str, Callable[[bytes], Any]] = {
    "mandate": lambda data: prove_mandate(data, HUB.site, key(GIVEN["issuer"])),
    "receipt": lambda data: prove_head(HeadKind.RECEIPT, data, HUB, mandate(Use.RECEIPTS)),
    "testimony": lambda data: prove_head(HeadKind.TESTIMONY, data, HUB, mandate(Use.TESTIMONY)),
    "own-head": lambda data: prove_own_head(data, HUB, key(GIVEN["hub_key"])),
    "site-order": lambda data: prove_site_order(data, HUB, mandate(Use.ORDERS)),
    "bridge-renewal": lambda data: prove_own_request(data, BRIDGE, key_of_now()),
    "ends": lambda data: prove_ends(data, HUB.site, key(GIVEN["issuer"])),
    "renewal": lambda data: prove_renewal(data, HUB, key(GIVEN["hub_key"])),
}


def id_of(entry: dict[str, Any]) -> str:
    return f"{entry['kind']}: {entry.get('shows') or entry['why']}"


@pytest.mark.parametrize("entry", DOCUMENTS, ids=id_of)
def test_our_reader_says_what_the_file_says(entry: dict[str, Any]) -> None:
    read = READERS[entry["kind"]]
    data = bytes.fromhex(entry["bytes"])
    if entry["verdict"] == "valid":
        assert read(data)
        assert GRAMMAR.matches(entry["kind"], data)
        return
    with pytest.raises(ProofError):
        read(data)


@pytest.mark.parametrize("use", list(Use))
def test_a_mandate_of_the_file_is_the_one_that_is_given(use: Use) -> None:
    found = next(one for one in DOCUMENTS if one.get("shows") == f"for {use.name.lower()}")
    assert READERS["mandate"](bytes.fromhex(found["bytes"])) == mandate(use)


def test_a_document_of_one_kind_is_none_of_another() -> None:
    right = [entry for entry in DOCUMENTS if entry["verdict"] == "valid"]
    for entry in right:
        for kind, read in READERS.items():
            if kind != entry["kind"]:
                with pytest.raises(ProofError):
                    read(bytes.fromhex(entry["bytes"]))


def test_the_file_has_what_the_cases_make() -> None:
    made = [(one["verdict"], one["kind"], one.get("shows"), one.get("why")) for one in documents()]
    held = [(one["verdict"], one["kind"], one.get("shows"), one.get("why")) for one in DOCUMENTS]
    assert held == made, "python -m tests.vectors.generate bridge"


@pytest.mark.parametrize("entry", FILE["frames"], ids=lambda entry: str(entry["name"]))
def test_a_frame_of_the_file_holds_its_message(entry: dict[str, Any]) -> None:
    frames = Frames(FROM_BRIDGE_BYTES)
    frames.feed(bytes.fromhex(entry["frame"]))
    data = frames.next()
    assert data is not None
    assert frames.next() is None
    is_of_hub = entry["from"] == "hub"
    decode: Callable[[bytes], Any] = (
        codec.decode_from_hub if is_of_hub else codec.decode_from_bridge
    )
    message = decode(data)
    assert type(message).__name__ == entry["name"]
    assert codec.encode(message) == data
    assert GRAMMAR.matches("to-bridge" if is_of_hub else "to-hub", data)


def test_the_grammar_has_each_message() -> None:
    for message in FROM_HUB:
        if message.TYPE not in CARRIED:
            assert GRAMMAR.matches("to-bridge", codec.encode(message)), message
    for answer in FROM_BRIDGE:
        if answer.TYPE not in CARRIED:  # those hold a document, which the file has
            assert GRAMMAR.matches("to-hub", codec.encode(answer)), answer


def test_another_reader_of_the_grammar_takes_what_we_write() -> None:
    written: list[tuple[str, Any]] = [("to-bridge", message) for message in FROM_HUB]
    written += [("to-hub", message) for message in FROM_BRIDGE]
    for rule, message in written:
        if not isinstance(message, NESTED):
            schema = pycddl.Schema(f"start = {rule}\n{FOR_PYCDDL}")
            schema.validate_cbor(codec.encode(message))
    for entry in DOCUMENTS:
        if entry["verdict"] == "valid":
            schema = pycddl.Schema(f"start = {entry['kind']}\n{FOR_PYCDDL}")
            schema.validate_cbor(bytes.fromhex(entry["bytes"]))


@pytest.mark.parametrize(
    ("rule", "at", "value"),
    [
        ("hub-hello", 1, 0),
        ("hub-hello", 2, "h" * 33),
        ("hub-hello", 4, bytes(15)),
        ("hub-hello", 8, -1),
        ("hub-hello", 12, None),
        ("bridge-welcome", 6, bytes(31)),
        ("bridge-welcome", 7, 2**32),
    ],
)
def test_a_near_miss_is_not_of_the_grammar(rule: str, at: int, value: object) -> None:
    by_rule = {"hub-hello": FROM_HUB[0], "bridge-welcome": FROM_BRIDGE[0]}
    values = cbor.decode(codec.encode(by_rule[rule]))
    assert GRAMMAR.matches(rule, cbor.encode(values))
    values[at] = value
    assert not GRAMMAR.matches(rule, cbor.encode(values))


def test_a_document_that_is_signed_and_misshapen_is_not_of_the_grammar() -> None:
    shapes = {"a use of none", "version 0", "of record 0", "fire", "an id of 15 bytes"}
    found = [one for one in DOCUMENTS if one.get("why") in shapes]
    assert len(found) == len(shapes) + 3
    for one in found:
        assert not GRAMMAR.matches(one["kind"], bytes.fromhex(one["bytes"]))
