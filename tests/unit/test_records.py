"""Records and their chain: what can be written can be read again, and no single change goes
unseen.
"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence.records import (
    BODY_BYTES,
    GENESIS,
    Head,
    Record,
    RecordKind,
    StoredRecord,
    Walk,
    agrees,
    chain_hash,
    facts,
    follows,
)
from hubcore.evidence.show import record_line

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = INT64 | st.text(max_size=20) | st.binary(max_size=20) | st.booleans() | st.none()
KEYS = st.text(max_size=8).filter(lambda key: key not in ("kind", "at", "mono"))
RECORDS = st.builds(
    Record, st.sampled_from(RecordKind), INT64, INT64, st.dictionaries(KEYS, VALUES, max_size=5)
)


def chain(records: list[Record]) -> list[StoredRecord]:
    stored = []
    previous = GENESIS
    for number, record in enumerate(records, 1):
        body = record.encode()
        previous = chain_hash(previous, number, body)
        stored.append(StoredRecord(number, body, previous))
    return stored


def walk(
    stored: list[StoredRecord], known: tuple[Head, ...] = (), times: list[int] | None = None
) -> Head:
    check = Walk(known)
    for index, record in enumerate(stored):
        check.take(record, times[index] if times else facts(record.body)["at"])
    return check.finish()


@given(RECORDS)
def test_a_record_reads_as_it_was_written(record: Record) -> None:
    assert Record.decode(record.encode()) == record


@given(st.binary(max_size=64))
def test_bytes_are_a_record_or_an_audit_error(body: bytes) -> None:
    try:
        record = Record.decode(body)
    except AuditError:
        return
    assert record.encode() == body


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (Record(RecordKind.DOOR, 1, 2, {"at": 3}), "named 'at'"),
        (Record(RecordKind.DOOR, 1, 2, {"kind": "access"}), "named 'kind'"),
        (Record(RecordKind.DOOR, 1, 2, {3: "x"}), "named 3"),  # type: ignore[dict-item]
        (Record(RecordKind.DOOR, 1, 2, {"x": 0.5}), "cannot hold x: float"),  # type: ignore[dict-item]
        (Record(RecordKind.DOOR, 1, 2, {"x": [1]}), "cannot hold x: list"),  # type: ignore[dict-item]
        (Record(RecordKind.DOOR, 1, 2, {"x": 1 << 63}), "cannot hold x: int"),
        (Record(RecordKind.DOOR, 1 << 63, 2), "times"),
        (Record(RecordKind.DOOR, True, 2), "times"),
        (Record(RecordKind.DOOR, 1, 2.0), "times"),  # type: ignore[arg-type]
        (Record(RecordKind.DOOR, 1, 2, {"x": "\ud800"}), "no Unicode"),
        (Record(RecordKind.DOOR, 1, 2, {"x": bytes(BODY_BYTES)}), "above the ceiling"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(record: Record, says: str) -> None:
    with pytest.raises(AuditError, match=says):
        record.encode()


@pytest.mark.parametrize(
    "said",
    [
        [1],
        {"kind": "door", "at": 1},
        {"at": 1, "mono": 2},
        {"kind": 5, "at": 1, "mono": 2},
        {"kind": "door", "at": "1", "mono": 2},
        {"kind": "door", "at": True, "mono": 2},
        {"kind": "door", "at": 1, "mono": 2, 7: 8},
        {"kind": "door", "at": 1, "mono": 2, "x": [1]},
    ],
)
def test_other_cbor_is_no_record(said: object) -> None:
    with pytest.raises(AuditError):
        facts(cbor.encode(said))


def test_a_kind_of_a_newer_version_can_be_checked_but_not_decoded() -> None:
    body = cbor.encode({"kind": "levitated", "at": 1, "mono": 2})
    assert facts(body)["kind"] == "levitated"
    with pytest.raises(AuditError, match="not known to this version"):
        Record.decode(body)


def test_the_chains_hash_is_what_the_document_says() -> None:
    # array of 4: text of 12 bytes, 1, byte string of 32 zeros, byte string of 2
    data = (
        bytes.fromhex("84")
        + b"\x6chub/record/1"
        + b"\x01"
        + b"\x58\x20"
        + bytes(32)
        + b"\x42\x01\x02"
    )
    assert chain_hash(GENESIS, 1, b"\x01\x02") == hashlib.sha256(data).digest()


@given(
    st.one_of(st.integers(1, 300), st.integers(1, 1 << 33), st.integers(1, (1 << 63) - 1)),
    st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes)),
)
def test_a_hash_covers_one_array(number, body):
    """law 2"""
    covered = cbor.encode(["hub/record/1", number, GENESIS, body])
    assert chain_hash(GENESIS, number, body) == hashlib.sha256(covered).digest()


def test_heads_are_read_and_written() -> None:
    head = Head(17, bytes(range(32)))
    assert Head.parse(str(head)) == head
    for text in (
        "",
        "17",
        "17:",
        "0:" + "00" * 32,
        "-1:" + "00" * 32,
        "17:" + "0" * 63,
        "17:" + "00" * 33,
        "1٣:" + "00" * 32,
    ):
        with pytest.raises(ValueError, match="a head is"):
            Head.parse(text)


BASE = chain([Record(RecordKind.DOOR, 1000 + n, n, {"n": n}) for n in range(6)])


def test_a_true_chain_holds() -> None:
    assert walk(BASE) == Head(6, BASE[-1].hash)
    assert walk([]) == Head()
    follows(BASE[0], BASE[1])
    agrees(Head(3, BASE[2].hash), BASE[2])


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ([*BASE[:2], *BASE[3:]], "record 3 is missing: 4 comes in its place"),
        (BASE[1:], "record 1 is missing"),
        ([BASE[0], BASE[2], BASE[1], *BASE[3:]], "record 2 is missing: 3 comes in its place"),
        ([BASE[0], StoredRecord(2, BASE[2].body, BASE[2].hash)], "record 2 was edited"),
        ([BASE[0], StoredRecord(2, BASE[1].body, bytes(32))], "record 2 was edited"),
        ([BASE[0], BASE[0]], "record 2 is missing: 1 comes in its place"),
    ],
)
def test_the_first_wrong_record_is_named(stored: list[StoredRecord], says: str) -> None:
    with pytest.raises(AuditError, match=says):
        walk(stored)


def test_a_cut_end_is_found_by_a_known_head_only() -> None:
    cut = BASE[:4]
    assert walk(cut).number == 4
    with pytest.raises(
        AuditError,
        match="record 5 is missing: the end of the chain was cut off, for record 6 was known",
    ):
        walk(cut, (Head(5, BASE[4].hash), Head(6, BASE[5].hash)))


def test_a_rewritten_chain_is_found_by_a_known_head_only() -> None:
    other = chain(
        [Record(RecordKind.DOOR, 1000 + n, n, {"n": n if n != 2 else 99}) for n in range(6)]
    )
    assert walk(other).number == 6
    with pytest.raises(AuditError, match="record 4 is not the one that was known"):
        walk(other, (Head(4, BASE[3].hash), Head(4, BASE[3].hash)))


def test_a_record_filed_under_another_time_is_found() -> None:
    with pytest.raises(AuditError, match="record 2 is filed under the time 7 ms but says 1001 ms"):
        walk(BASE[:2], times=[1000, 7])


def test_bytes_that_are_no_record_are_found_even_when_their_hash_is_right() -> None:
    with pytest.raises(AuditError, match="record 1: a record's bytes are no record"):
        Walk().take(StoredRecord(1, b"\x01", chain_hash(GENESIS, 1, b"\x01")), 0)


@st.composite
def changed(draw: st.DrawFn) -> tuple[list[StoredRecord], list[StoredRecord], list[int]]:
    """A chain, and the same with one edit, removal, swap or insertion, with the times it is filed
    under.
    """
    original = chain(draw(st.lists(RECORDS, min_size=1, max_size=8)))
    after = list(original)
    times = [facts(record.body)["at"] for record in after]
    at = draw(st.integers(0, len(after) - 1))
    record = after[at]
    match draw(st.sampled_from(["body", "hash", "number", "time", "remove", "swap", "insert"])):
        case "body":
            bit = draw(st.integers(0, len(record.body) * 8 - 1))
            body = bytearray(record.body)
            body[bit // 8] ^= 1 << bit % 8
            after[at] = StoredRecord(record.number, bytes(body), record.hash)
        case "hash":
            bit = draw(st.integers(0, 255))
            digest = bytearray(record.hash)
            digest[bit // 8] ^= 1 << bit % 8
            after[at] = StoredRecord(record.number, record.body, bytes(digest))
        case "number":
            after[at] = StoredRecord(
                draw(INT64.filter(lambda n: n != record.number)), record.body, record.hash
            )
        case "time":
            times[at] = draw(INT64.filter(lambda ms: ms != times[at]))
        case "remove":
            del after[at], times[at]
        case "swap":
            other = (
                draw(st.integers(0, len(after) - 1).filter(lambda index: index != at))
                if len(after) > 1
                else at
            )
            if other == at:
                del after[at], times[at]
            else:
                one = after[at]
                two = after[other]
                after[at] = StoredRecord(one.number, two.body, two.hash)
                after[other] = StoredRecord(two.number, one.body, one.hash)
        case "insert":
            after.insert(at, record)
            times.insert(at, times[at])
    return original, after, times


@settings(max_examples=300)
@given(changed())
def test_any_single_change_is_found(
    case: tuple[list[StoredRecord], list[StoredRecord], list[int]],
) -> None:
    original, after, times = case
    end = Head(original[-1].number, original[-1].hash)
    walk(original, (end,))
    with pytest.raises(AuditError, match=r"record -?[0-9]+"):
        walk(after, (end,), times)


def test_a_record_in_one_line_cannot_steer_a_terminal() -> None:
    detail = {"why\x1b": "a\n\x1b[2J", "op": b"\x01\xff", "point": 10}
    line = record_line(7, 1_764_000_000_000, "\x1b]0;x", detail)
    assert line.isprintable()
    assert line.startswith("       7  2025-11-24T")
    assert line.endswith('op="01ff" point=10')
