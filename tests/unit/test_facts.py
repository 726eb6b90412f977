"""The list of facts and events: whole, used, without bare strings beside it, and nothing that names
somebody is shown.

What is recorded and told in the tests with phones is held against it, too (`tests.pair.DeskHub`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore import errors
from hubcore.evidence.facts import (
    EVENTS,
    FACTS,
    ON_EVERY_RECORD,
    RECORD_FACTS,
    SHOWN_CHARS,
    EventName,
    Fact,
    RecordKind,
    Shown,
    named,
    shown,
)
from hubcore.evidence.records import Record
from tests.facts_fit import misfits_of_event, misfits_of_record

ROOT = Path(__file__).parents[2]
LIST = ROOT / "hubcore" / "evidence" / "facts.py"
ROOMS = (
    "hubcore",
    "hubd/devices",
    "hubd/networks",
    "hubd/doors",
    "hubd/orders",
    "hubd/phones",
    "hubd/backend",
    "hubd/evidence",
    "hubd/policy",
    "hubd/readers",
    "hubd/session",
    "hubd/trying",
    "hubd/upkeep",
)
"""Who tells and records. What adapters write into the journal is for people alone."""
RESERVED = {"kind", "at", "mono", "event"}
_RECORDING = ("at", "record_now", "_record", "_append", "append_record", "_note")
"""Functions that take what is recorded."""


def _trees() -> Iterator[tuple[str, ast.Module]]:
    files = [ROOT / "hubd" / name for name in ("app.py", "serve.py")]
    for room in ROOMS:
        files += sorted((ROOT / room).rglob("*.py"))
    for path in files:
        if path != LIST:
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _bare(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def bare_strings(tree: ast.AST) -> list[str]:
    """Return what is told or recorded, or looked for in a record, under a bare string: LINE: NAME
    each.
    """
    found = list[str]()
    for node in ast.walk(tree):
        names = list[ast.AST | None]()
        match node:
            case ast.Call(args=[first, *rest]) if _called(node) in ("tell", "_tell"):
                names = [first, *_keys(rest)]
            case ast.Call(args=args) if _called(node) in _RECORDING:
                names = _keys(args)
            case ast.AnnAssign(annotation=ast.Name(id="Detail"), value=ast.Dict(keys=keys)):
                names = list(keys)
            case ast.Call(func=ast.Attribute(attr="get", value=holder), args=[first, *_]) if (
                _is_detail(holder)
            ):
                names = [first]
            case ast.Subscript(value=holder, slice=first) if _is_detail(holder):
                names = [first]
            case ast.Compare(left=first, ops=[ast.In() | ast.NotIn()], comparators=[holder]) if (
                _is_detail(holder)
            ):
                names = [first]
            case ast.MatchMapping(keys=keys):
                names = list(keys)
        found += [f"{node.lineno}: {name}" for name in map(_bare, names) if name is not None]
    return found


def _keys(arguments: list[ast.expr]) -> list[ast.AST | None]:
    return [key for one in arguments if isinstance(one, ast.Dict) for key in one.keys]


def _is_detail(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in ("detail", "fault")
    return False


def test_nothing_is_told_recorded_or_looked_for_under_a_bare_string() -> None:
    wrong = [f"{path}:{found}" for path, tree in _trees() for found in bare_strings(tree)]
    assert wrong == []


@pytest.mark.parametrize(
    "code",
    [
        "self._tell('audit_failed', {Fact.WHY: ''})",
        "tell(EventName.DOOR, {'door': door})",
        "books.tell(EventName.DOOR, {Fact.WHAT: 1, 'door': door})",
        "Record.at(Kind.DOOR, 1, 2, {'door': door})",
        "detail: Detail = {'door': door}",
        "record.detail.get('why')",
        "record.detail['why']",
        "'why' in detail",
        "match a:\n    case {'door': str(door)}: pass",
    ],
)
def test_a_bare_string_is_noticed(code: str) -> None:
    assert len(bare_strings(ast.parse(code))) == 1


def _named(enum: str) -> set[str]:
    found = set[str]()
    for _, tree in _trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == enum
            ):
                found.add(node.attr)
    return found


def test_every_fact_is_of_a_record_or_an_event_and_every_name_is_used() -> None:
    said = frozenset[Fact]().union(
        ON_EVERY_RECORD, *RECORD_FACTS.values(), *(event.facts for event in EVENTS.values())
    )
    assert said == set(Fact)
    by_name = {
        Fact.FRAME_ERRORS,
        Fact.PEER_ERRORS,
        Fact.PROOF_ERRORS,
        Fact.SEQUENCE_ERRORS,
    }  # of errors that are summed
    assert {fact.name for fact in Fact} - _named("Fact") == {fact.name for fact in by_name}
    by_kind = {EventName.ACCESS, EventName.REMOTE}  # an order is told under the kind of its record
    assert {event.name for event in EventName} - _named("EventName") == {
        event.name for event in by_kind
    }
    assert not RESERVED & set(Fact)


def test_every_error_of_a_peer_can_be_summed_under_its_name() -> None:
    kinds = [errors.PeerError, *errors.PeerError.__subclasses__()]
    assert all(not kind.__subclasses__() for kind in kinds[1:])
    assert {kind.__name__ for kind in kinds} == {
        fact for fact in RECORD_FACTS[RecordKind.REFUSED] if fact.endswith("Error")
    }


def test_ids_are_shown_by_their_beginning_and_nothing_that_is_shown_whole_could_be_one() -> None:
    hidden = {fact for fact, its in FACTS.items() if its.shown is Shown.BEGINNING}
    assert hidden == {
        Fact.ASKER,
        Fact.CREDENTIAL,
        Fact.GRANT,
        Fact.OP,
        Fact.OF,
        Fact.ORDERS,
        Fact.PARTNER,
        Fact.SOURCE,
    }
    whole_bytes = {fact for fact, its in FACTS.items() if bytes in its.types} - hidden
    assert whole_bytes == {Fact.KNOWN_HASH, Fact.SITE_ORDERS}, "a hash names nobody"
    told = shown(
        {
            Fact.ASKER: "a" * 40,
            Fact.OP: bytes(20),
            Fact.SOURCE: "bob",
            Fact.POINT: 1,
            Fact.WHY: None,
        }
    )
    assert told == {
        "asker": "a" * SHOWN_CHARS + "…",
        "op": "00000000…",
        "source": "b…",
        "point": 1,
        "why": None,
    }


@pytest.mark.parametrize(
    "fact", [fact for fact, its in FACTS.items() if its.shown is Shown.BEGINNING]
)
def test_no_id_is_shown_whole_however_short(fact: Fact) -> None:
    for length in range(40):
        text = shown({fact: "x" * length})[fact]
        assert isinstance(text, str)
        assert len(text.removesuffix("…")) <= min(SHOWN_CHARS, length // 2)


def test_a_record_holds_plain_names_and_the_bytes_of_before() -> None:
    detail = {Fact.DOOR: "front", Fact.WHAT: "opened"}
    record = Record.at(RecordKind.DOOR, 1.0, 2.0, detail)
    assert {type(name) for name in record.detail} == {str}
    assert named(detail) == {"door": "front", "what": "opened"}
    plain = Record(RecordKind.DOOR, 1000, 2000, {"door": "front", "what": "opened"})
    assert record.encode() == plain.encode()
    assert (
        record.encode().hex()
        == "a56261741903e864646f6f726566726f6e74646b696e6464646f6f72646d6f6e6f1907d0647768617466"
        + (b"opened".hex())
    )


def test_what_does_not_fit_is_noticed() -> None:
    assert misfits_of_record(RecordKind.DOOR, {"door": "front", "what": "opened"}) == []
    assert misfits_of_record(RecordKind.DOOR, {"door": 1}) == ["door of a door record is no int"]
    assert misfits_of_record(RecordKind.DOOR, {"asker": "x"}) == ["a door record has no fact asker"]
    assert misfits_of_record(RecordKind.CLOCK, {"proven": 1}) == [
        "proven of a clock record is no int"
    ]
    assert misfits_of_event("no_such", {}) == ["no event is called no_such"]
    assert misfits_of_event("part", {"part": "radio", "up": True, "why": "on air"}) == []
