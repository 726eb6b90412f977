"""What is read of records may be kept for a while: it says the same, and belongs to nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubcore.errors import AuditError
from hubcore.evidence import records
from hubcore.evidence.records import READ_KEPT_MAX, Record, RecordKind, facts, keep_what_is_read


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    keep_what_is_read(False)


def body(number: int) -> bytes:
    return Record(RecordKind.DOOR, number, number, {"door": "front", "what": "closed"}).encode()


def test_what_is_kept_says_the_same_and_is_nobodys_to_change() -> None:
    before = facts(body(1))
    keep_what_is_read(True)
    for _ in range(3):
        said = facts(body(1))
        assert said == before
        said["door"] = "another"
        assert Record.decode(body(1)).detail == {"door": "front", "what": "closed"}


def test_bytes_that_are_no_record_are_refused_again_and_again() -> None:
    keep_what_is_read(True)
    for _ in range(2):
        with pytest.raises(AuditError):
            facts(b"none")


def test_what_is_kept_has_a_ceiling_and_is_forgotten() -> None:
    keep_what_is_read(True)
    for number in range(READ_KEPT_MAX + 5):
        facts(body(number))
    assert records._Kept.read is not None
    assert len(records._Kept.read) == READ_KEPT_MAX
    keep_what_is_read(True)  # who begins twice forgets nothing
    assert len(records._Kept.read) == READ_KEPT_MAX
    keep_what_is_read(False)
    assert records._Kept.read is None
    facts(body(1))
    assert records._Kept.read is None
