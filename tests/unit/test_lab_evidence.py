"""The lab's judge of a disk after a power cut: it passes what is whole, and names each thing that
lacks.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hubcore.access.words import Action
from hubcore.evidence.records import Head, Record, RecordKind, StoredRecord
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubsim.site import make_key
from lab.evidence import Found, Seen, StrikeSeen, judge
from tests.policies import proven, put_file

pytestmark = pytest.mark.once

AT_MS = 1_800_000_000_000
OPS = [bytes([n]) * 16 for n in range(3)]
AT = [10.0, 14.0, 18.0]
"""When each was decided, in seconds of CLOCK_MONOTONIC."""


async def _state(folder: Path) -> tuple[StoredRecord, ...]:
    """Make a hub's state: a start, then three operations, the last of them denied; policy 2 in
    force.
    """
    async with await AuditStore.open(folder / "audit.db") as audit:
        await audit.append(Record(RecordKind.STARTED, AT_MS, 1000, {}))
        for n, (op, at) in enumerate(zip(OPS, AT, strict=True)):
            detail = {
                "asker": "a",
                "op": op,
                "point": 1 + n % 2,
                "action": int(Action.OPEN),
                "allowed": n < 2,
                "why": None,
            }
            await audit.append(Record(RecordKind.ACCESS, AT_MS + n, int(at * 1000), detail))
        records = tuple(await audit.unacknowledged(0, 100))
    new = proven(Policy("site-1", 2, AT_MS // 1000), make_key())
    async with await PolicyDatabase.open(
        folder / "policy.db", "site-1", lambda _document: new
    ) as store:
        await put_file(store, new)
    return records


def _strike(point: int, decided: float) -> StrikeSeen:
    return StrikeSeen(point, decided + 0.010, decided + 0.012)


@pytest.fixture
async def records(tmp_path: Path) -> tuple[StoredRecord, ...]:
    return await _state(tmp_path)


async def test_a_disk_that_holds_all_that_was_seen_is_passed(
    tmp_path: Path, records: tuple[StoredRecord, ...]
) -> None:
    seen = Seen(OPS[:2], [_strike(1, AT[0]), _strike(2, AT[1])], 2)
    head = Head(4, records[-1].hash)
    assert judge(tmp_path, seen, Head(), records) == Found(head, 2, ())
    assert judge(tmp_path, Seen(), head, records) == Found(head, 2, ()), (
        "what is known from the cut before is there"
    )


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (Seen(allowed=[b"x" * 16]), "has no record"),
        (Seen(allowed=[OPS[2]]), "has no record"),
        (Seen(strikes=[_strike(2, AT[0])]), "point 2 was driven at 10.012 s without"),
        (Seen(strikes=[_strike(1, AT[0] - 1)]), "without a record"),
        (Seen(strikes=[_strike(1, AT[0] + 3)]), "without a record"),
        (Seen(strikes=[_strike(1, AT[0]), _strike(1, AT[0] + 1.5)]), "without a record"),
        (Seen(policy=3), "the hub said that policy 3 is in force, 2 is"),
    ],
)
async def test_each_thing_that_lacks_is_named(
    tmp_path: Path, records: tuple[StoredRecord, ...], seen: Seen, sentence: str
) -> None:
    (wrong,) = judge(tmp_path, seen, Head(), records).wrong
    assert sentence in wrong


async def test_what_was_seen_in_this_life_needs_a_record_of_this_life(
    tmp_path: Path, records: tuple[StoredRecord, ...]
) -> None:
    seen = Seen([OPS[0]], [_strike(1, AT[0])])
    wrong = judge(tmp_path, seen, Head(4, records[-1].hash), records).wrong
    assert ["has no record" in wrong[0], "without a record" in wrong[1]] == [True, True]


async def test_records_lost_at_the_end_are_missed_by_what_others_hold(
    tmp_path: Path, records: tuple[StoredRecord, ...]
) -> None:
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        connection.execute("DELETE FROM outbox WHERE number = 4")
        connection.execute("DELETE FROM records WHERE number = 4")
        connection.commit()
    assert judge(tmp_path, Seen(), Head(), records).wrong == (
        "record 4 is at the backend, but not here",
    )
    assert "missing" in judge(tmp_path, Seen(), Head(4, records[-1].hash), ()).wrong[0]


async def test_a_damaged_file_is_told_and_a_missing_one_is_no_loss_before_the_first_record(
    tmp_path: Path, records: tuple[StoredRecord, ...]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert judge(empty, Seen(), Head(), ()) == Found(Head(), 0, ())
    assert len(judge(empty, Seen([OPS[0]], [_strike(1, AT[0])]), Head(), records).wrong) == 2 + len(
        records
    )
    assert "cannot be read" in judge(empty, Seen(), Head(1, records[0].hash), ()).wrong[0]
    shutil.copy(tmp_path / "audit.db", empty)
    size = (empty / "audit.db").stat().st_size
    with (empty / "audit.db").open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * (size - 4096 * 2))
    assert judge(empty, Seen(), Head(), ()).wrong
