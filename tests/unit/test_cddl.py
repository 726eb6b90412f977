"""docs/protocol.cddl against what our writers make, and against near misses.

`tests.vectors.cddl` reads the document. pycddl 0.6 reads it too, as a second judge of its syntax
and of what we write; its "no" is not asked: it counts arrays of arrays wrongly, knows only the
first of two choices inside an array, and may panic on a byte literal or a `.cbor` in an array, so
it is given those as `bytes`, and only rules that it reads rightly.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pycddl  # type: ignore[import-untyped]
import pytest

from hubcore.access import revocations
from hubcore.access.cards import Card
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.words import Action, Mode
from hubcore.calendar.recurrence import Daily, Recurrence
from hubcore.calendar.schedule import Rule, Schedule, SpecialDays
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead
from hubcore.phone import sealing
from hubcore.phone.messages import Request
from hubcore.policy import document as policies
from hubcore.policy.page import Page
from hubcore.policy.policy import HoldOpen, Operator, OperatorRight, PointRules, Policy
from hubcore.policy.tree import split_piece
from tests.vectors import world
from tests.vectors.cddl import Grammar
from tests.vectors.form import WALL, files, load

pytestmark = pytest.mark.once

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.cddl").read_text()
GRAMMAR = Grammar(TEXT)
FOR_PYCDDL = re.sub(r"\.cbor \S+", "", TEXT).replace("= h'010001'", "= bytes .size 3")
TAGS = frozenset({18})
PYCDDL_READS = {
    "request",
    "resume-request",
    "state-plaintext",
    "hub-certificate",
    "epoch-certificate",
    "grant",
    "error",
}
PYCDDL_READS |= {"policy", "request-sign1", "challenge", "get-epoch", "epoch"}


def check(rule: str, data: bytes) -> None:
    """Fail unless `data` is a `rule`, for both readers where both can read it."""
    assert GRAMMAR.matches(rule, data), rule
    if rule in PYCDDL_READS:
        pycddl.Schema(f"start = {rule}\n{FOR_PYCDDL}").validate_cbor(data)


DAILY = Recurrence(Daily(), first=20_000, start=0, minutes=60, until=20_010, interval=2)
PASSBACK = PassbackRule(PassbackKind.TIMED, 0, 1, 60)
CARD = Card(
    digest=bytes(16),
    credential="c",
    not_before=0,
    expires=WALL,
    access=(Access(1, 1, (7, Rule(31, 480, 1080))),),
    pin=bytes(16),
    duress=b"\x01" * 16,
)


def _issued() -> policies.Issued:
    full = Policy(
        "site-1",
        3,
        WALL,
        frozenset({"a", "b"}),
        frozenset({bytes(8)}),
        {
            7: Schedule(
                (Rule(31, 480, 1080), DAILY), (SpecialDays(frozenset({20_000}), ((0, 60),)),)
            )
        },
        {1: Mode.LOCKDOWN, 2: Mode.NO_ENTRY},
        disabled=frozenset({"c"}),
        extended_time=frozenset({"d"}),
        cards={bytes(16): CARD},
        points={1: PointRules(HoldOpen(7), (Demand((Factor.CARD,), 2, 7),), PASSBACK)},
        operators={"operator-7": Operator(OperatorRight.RELEASE, frozenset({1}))},
        groups={1: ("shutter-1",)},
    )
    return policies.issue_tree(full, world.signer("issuer"))


def _policy() -> bytes:
    return _issued().root


def _pieces() -> list[tuple[str, bytes]]:
    found = []
    for piece in _issued().pieces.values():
        found.append(("policy-piece", piece))
        for page in split_piece(piece):
            found.append(("policy-page", page))
            found += [("card", row) for _, row in Page.read(page).all() if len(row) > 32]
    return found


def _plaintext() -> bytes:
    plan = world.Plan(bytes(42), "cddl")
    return world.signed(plan, b"")


def _revocations() -> bytes:
    names = ["c", bytes(8)]
    return revocations.issue("site-1", 3, WALL, names, world.signer("issuer"))


REQUEST = Request(world.grant(), bytes(8), 1, Action.OPEN, bytes(32))


def _real() -> list[tuple[str, bytes]]:
    samples = [
        ("hub-certificate", world.hub_certificate()),
        ("hub-certificate", world.hub_certificate(issuer="issuer_rsa")),
        ("epoch-certificate", world.epoch_certificate()),
        ("epoch-certificate", world.epoch_certificate("epoch_2048")),
        ("grant", world.grant()),
        ("grant", world.grant("phone_rsa", "issuer_rsa")),
        ("grant", world.grant_with_uses(1)),
        ("grant", world.grant_with_uses(65535)),
        ("policy", _policy()),
        ("policy", policies.issue(Policy("site-1", 1, 0), world.signer("issuer"))),
        ("request-sign1", _plaintext()),
        *_pieces(),
        ("revocations", _revocations()),
        ("request", cbor.encode({**REQUEST.encode(), 6: b""})),
        ("request", cbor.encode({**replace(REQUEST, revocations=_revocations()).encode(), 6: b""})),
    ]
    kinds = {"resume plaintext": "resume-request", "challenge": "challenge"}
    kinds |= {"verdict plaintext": "verdict-plaintext", "state plaintext": "state-plaintext"}
    (path,) = (path for path in files("known") if path.stem == "099-plaintexts")
    return samples + [(kinds[a["of"]], bytes.fromhex(a["bytes"])) for a in load(path)["answers"]]


@pytest.mark.parametrize(
    ("rule", "data"), _real(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_our_writers_make_is_of_the_grammar(rule: str, data: bytes) -> None:
    check(rule, data)


def test_every_message_of_the_vectors_that_is_accepted_is_of_the_grammar() -> None:
    seen = set()
    for path in files("hub"):
        for step in load(path)["steps"]:
            verdicts = {out.get("verdict", "") for out in step["gives"]}
            if step["do"] == "message" and verdicts & {"EPOCH", "ACCEPT"}:
                check("to-hub", data := bytes.fromhex(step["bytes"]))
                rule = {1: "get-epoch", 2: "open", 3: "resume"}[data[1]]
                check(rule, data)
                seen.add(rule)
            for message in (
                bytes.fromhex(out["message"]) for out in step["gives"] if "message" in out
            ):
                check("to-phone", message)
                rule = {0: "error", 1: "epoch", 2: "verdict", 3: "state"}[message[1]]
                check(rule, message)
                seen.add(rule)
    assert seen == {"get-epoch", "open", "resume", "error", "epoch", "verdict", "state"}


def _without(data: bytes, label: Any) -> bytes:
    value = cbor.decode(data)
    del value[label]
    return cbor.encode(value)


def _with(data: bytes, label: Any, member: Any) -> bytes:
    value = cbor.decode(data)
    value[label] = member
    return cbor.encode(value)


def _claims(document: bytes) -> bytes:
    payload: bytes = cbor.decode(document, TAGS).value[2]
    return payload


def _near_misses() -> list[tuple[str, str, bytes]]:
    """Return (rule, what is wrong, bytes)."""
    by_rule: dict[str, bytes] = {}
    for rule, data in _real():
        by_rule.setdefault(rule, data)
    request = cbor.decode(_plaintext())[2]
    by_rule |= {"request": request, "grant-claims": _claims(world.grant())}
    by_rule |= {
        "hub-claims": _claims(world.hub_certificate()),
        "epoch-claims": _claims(world.epoch_certificate()),
    }
    by_rule |= {"policy-claims": _claims(_policy())}
    long_key = {**world.signer("phone_rsa").cose_key, -1: b"\x81" * 512}
    wrong = []
    maps = ["request", "resume-request", "verdict-plaintext", "state-plaintext"]
    maps += ["grant-claims", "hub-claims", "epoch-claims", "policy-claims"]
    for rule in maps:
        for label in cbor.decode(by_rule[rule]):
            wrong.append((rule, f"without {label}", _without(by_rule[rule], label)))
            wrong.append((rule, f"true at {label}", _with(by_rule[rule], label, [[]])))
        wrong.append((rule, "a label more", _with(by_rule[rule], 23, 0)))
    wrong += [
        ("request", "op of 9 bytes", _with(request, 2, bytes(9))),
        ("request", "action 5", _with(request, 4, 5)),
        ("verdict-plaintext", "reason 11", _with(by_rule["verdict-plaintext"], 4, 11)),
        ("verdict-plaintext", "door state 7", _with(by_rule["verdict-plaintext"], 5, 7)),
        (
            "verdict-plaintext",
            "short ticket",
            _with(by_rule["verdict-plaintext"], 7, [bytes(15), 1]),
        ),
        ("state-plaintext", "seq 0", _with(by_rule["state-plaintext"], 1, 0)),
        ("state-plaintext", "seq 65536", _with(by_rule["state-plaintext"], 1, 65536)),
        ("grant-claims", "id of 7 bytes", _with(by_rule["grant-claims"], 7, bytes(7))),
        ("grant-claims", "id of 17 bytes", _with(by_rule["grant-claims"], 7, bytes(17))),
        ("grant-claims", "no use", _with(by_rule["grant-claims"], -65550, 0)),
        ("grant-claims", "65536 uses", _with(by_rule["grant-claims"], -65550, 65536)),
        ("grant-claims", "empty name", _with(by_rule["grant-claims"], 2, "")),
        ("grant-claims", "no access", _with(by_rule["grant-claims"], 9, cbor.encode([]))),
        (
            "grant-claims",
            "33 entries",
            _with(by_rule["grant-claims"], 9, cbor.encode([[n, 1, []] for n in range(33)])),
        ),
        (
            "grant-claims",
            "33 rules",
            _with(by_rule["grant-claims"], 9, cbor.encode([[1, 1, [1] * 33]])),
        ),
        (
            "grant-claims",
            "minute 1441",
            _with(by_rule["grant-claims"], 9, cbor.encode([[1, 1, [[127, 0, 1441]]]])),
        ),
        ("grant-claims", "cnf by kid", _with(by_rule["grant-claims"], 8, {3: bytes(8)})),
        (
            "grant-claims",
            "access point 2^32",
            _with(by_rule["grant-claims"], 9, cbor.encode([[2**32, 1, []]])),
        ),
        ("hub-claims", "access point 2^32", _with(by_rule["hub-claims"], 9, cbor.encode([2**32]))),
        (
            "hub-claims",
            "an RSA key",
            _with(by_rule["hub-claims"], 8, {1: world.signer("phone_rsa").cose_key}),
        ),
        ("grant-claims", "an RSA-4096 key", _with(by_rule["grant-claims"], 8, {1: long_key})),
        ("epoch-claims", "four AEADs", _with(by_rule["epoch-claims"], -65537, [3, 2, 1, 3])),
        ("epoch-header", "PS256", cwt.header(cose.PS256, "application/hub-epoch+cwt")),
        (
            "policy-claims",
            "mode of access point 2^32",
            _with(by_rule["policy-claims"], -65542, {2**32: 1}),
        ),
        ("hub-claims", "no points", _with(by_rule["hub-claims"], 9, cbor.encode([]))),
        ("epoch-claims", "AEAD 4", _with(by_rule["epoch-claims"], -65537, [4])),
        ("epoch-claims", "no AEAD", _with(by_rule["epoch-claims"], -65537, [])),
        ("policy-claims", "version 0", _with(by_rule["policy-claims"], -65538, 0)),
        ("policy-claims", "mode 4", _with(by_rule["policy-claims"], -65542, {1: 4})),
        ("grant", "a hub certificate", world.hub_certificate()),
        ("hub-certificate", "a grant", world.grant()),
        ("epoch-certificate", "a hub certificate", world.hub_certificate()),
        ("grant", "untagged", cbor.encode(cbor.decode(world.grant(), TAGS).value)),
        ("challenge", "version 2", cbor.encode([2, bytes(4), bytes(16), bytes(8), bytes(8)])),
        (
            "challenge",
            "nonce of 15 bytes",
            cbor.encode([1, bytes(4), bytes(15), bytes(8), bytes(8)]),
        ),
        ("error", "code 7", cbor.encode([0, 7])),
        ("error", "code 0", cbor.encode([0, 0])),
        ("get-epoch", "a member more", cbor.encode([1, 1])),
        ("to-hub", "kind 4", cbor.encode([4])),
    ]
    exponent = cbor.decode(by_rule["epoch-claims"])
    exponent[8][1][-2] = b"\x01\x00\x02"
    return [*wrong, ("epoch-claims", "exponent 65538", cbor.encode(exponent))]


@pytest.mark.parametrize(
    ("rule", "data"),
    [pytest.param(rule, data, id=f"{rule}: {what}") for rule, what, data in _near_misses()],
)
def test_a_near_miss_is_not(rule: str, data: bytes) -> None:
    assert not GRAMMAR.matches(rule, data)


def _messages() -> list[tuple[str, str, bytes]]:
    """Return the rows 26-31 and 37 of the vectors, whose outer shape is wrong."""
    out = []
    for path in files("hub"):
        file = load(path)
        if file["verdict"] == "CLEAR 1, ACCEPT":
            step = next(step for step in file["steps"] if step["do"] == "message")
            out.append(("open", path.stem, bytes.fromhex(step["bytes"])))
    return out


@pytest.mark.parametrize(
    ("rule", "data"), [pytest.param(r, d, id=name) for r, name, d in _messages()]
)
def test_a_message_that_the_hub_calls_misshapen_is_not_of_the_grammar(
    rule: str, data: bytes
) -> None:
    assert not GRAMMAR.matches(rule, data)


def test_pycddl_refuses_what_it_can_judge() -> None:
    for rule, data in (
        ("error", b"\x82\x00\x07"),
        ("get-epoch", b"\x81\x02"),
        ("challenge", b"\x80"),
    ):
        with pytest.raises(pycddl.ValidationError):
            pycddl.Schema(f"start = {rule}\n{FOR_PYCDDL}").validate_cbor(data)


def test_the_constants_are_those_of_the_grammar() -> None:
    for aead in Aead:
        assert GRAMMAR.matches("aead-header", aead.protected)
    assert not GRAMMAR.matches("aead-header", cbor.encode({1: 4}))
    assert GRAMMAR.matches("direct-header", bytes.fromhex("a10129"))
    assert f'"{sealing.REQUEST_TYPE}"' in TEXT
    for typ in (
        policies.TYPE,
        "application/hub-cert+cwt",
        "application/hub-epoch+cwt",
        "application/hub-grant+cwt",
    ):
        assert f'"{typ}"' in TEXT


@pytest.mark.parametrize(
    "text", ["a = b", "a = [uint", "a = uint .within 3", "a = uint a = bytes", "uint = 1"]
)
def test_the_reader_refuses_a_document_that_it_does_not_understand(text: str) -> None:
    with pytest.raises(AssertionError):
        Grammar(text)
