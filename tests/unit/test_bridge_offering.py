"""What a bridge makes of the records of a hub: looked at as one run, or each alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbridge.rules.kept import Kept, Span
from hubbridge.rules.room import RoomLimits
from hubbridge.store import rows
from hubbridge.store.jobs import Batch
from hubbridge.store.offering import look_at_each, look_at_run
from hubbridge.store.rows import ROWS_AT_ONCE, HubRow
from hubbridge.store.schema import open_file
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.ends import Ends
from hubcore.bridge.witness import Doubt, SeenChain
from hubcore.evidence.records import Head, StoredRecord, chain_hash, head_after

pytestmark = pytest.mark.once

HELD = 5
"""So many records of the chain are on the disk."""


def chain(count: int, before: Head | None = None, story: str = "told") -> list[StoredRecord]:
    made: list[StoredRecord] = []
    head = before or Head()
    for number in range(head.number + 1, head.number + 1 + count):
        body = f"{story} {number}".encode()
        head = Head(number, chain_hash(head.hash, number, body))
        made.append(StoredRecord(number, body, head.hash))
    return made


CHAIN = chain(12)
OTHER = chain(12, story="otherwise")


def head(number: int) -> Head:
    return Head(number, CHAIN[number - 1].hash) if number else Head()


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    path: Path = tmp_path_factory.mktemp("store") / "bridge.db"
    with closing(open_file(path)) as connection:
        yield Batch(connection, RoomLimits(), {"hub-1": with_records(connection)}, Ends())


def with_records(connection: sqlite3.Connection) -> HubRow:
    row = rows.add_hub(connection, "hub-1")
    kept = Kept((Span(Head(), head(HELD)),))
    row = rows.insert_records(connection, row, kept, CHAIN[:HELD])
    return replace(row, seen=SeenChain(head(HELD), 1))


RECORDS = st.one_of(
    st.integers(0, HELD + 2).flatmap(
        lambda begins: st.integers(0, 6).map(lambda count: CHAIN[begins : begins + count])
    ),
    st.lists(st.sampled_from([*CHAIN, *OTHER]), max_size=6),
    st.tuples(st.integers(HELD, 11), st.sampled_from(OTHER)).map(
        lambda parts: [*CHAIN[HELD : parts[0]], parts[1], *CHAIN[parts[0] : 12]]
    ),
)


@given(RECORDS)
def test_a_run_is_what_each_of_its_records_is(batch: Batch, records: list[StoredRecord]) -> None:
    """offering, law 2"""
    row = batch.hubs["hub-1"]
    each = look_at_each(batch, row, records)
    run = look_at_run(row, records)
    if run is not None:
        assert run == each
    follows = head_after(head(HELD), records) is not None
    assert (run is not None) == follows


def test_what_follows_another_head_is_no_run(batch: Batch) -> None:
    """offering, law 2: what was seen, what is held, and a doubt"""
    row = batch.hubs["hub-1"]
    more = CHAIN[HELD:]
    assert look_at_run(row, more) is not None
    doubt = Doubt(Cause.FORK, OTHER_HEAD)
    for seen in (None, SeenChain(head(HELD + 1), 1), SeenChain(head(HELD), 1, doubt)):
        assert look_at_run(replace(row, seen=seen), more) is None
    assert look_at_run(replace(row, kept=Kept()), more) is None
    shorter = Kept((Span(Head(), head(HELD - 1)),))
    assert look_at_run(replace(row, kept=shorter), more) is None


OTHER_HEAD = Head(OTHER[HELD].number, OTHER[HELD].hash)


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 1])
def test_as_many_as_there_are_are_written(tmp_path: Path, count: int) -> None:
    records = chain(count)
    with closing(open_file(tmp_path / "bridge.db")) as connection:
        row = rows.add_hub(connection, "hub-1")
        rows.insert_records(connection, row, row.kept, records)
        assert rows.load_records(connection, row.id, 0, count + 1) == records
