"""Reads records of an audit log: the newest, those of a time, or one.

Laws:
1. Each is read once, in order, in constant memory.
2. Values of another type than a record's end in AuditError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import read_unproven
from hubcore.evidence.records import Head
from hubctl.evidence.opening import check_schema, tables_of

FIRST_SINCE = "SELECT min(+number) FROM records WHERE at_ms >= ?"
"""With `+`, SQLite goes by the index of times, and not by the numbers from the first record on."""

_INT64_MIN = -(1 << 63)
_NUMBER_MAX = (1 << 63) - 1
LAST_OF_ALL = "SELECT coalesce(max(number), 0) FROM records"
LAST_BEFORE = "SELECT coalesce(max(+number), 0) FROM records WHERE at_ms < ?"

_INT64_MIN = -(1 << 63)
_NUMBER_MAX = (1 << 63) - 1
_RIGHT = (
    "typeof(number) = 'integer' AND typeof(at_ms) = 'integer' "
    "AND typeof(body) = 'blob' AND typeof(hash) = 'blob'"
)


class Row(NamedTuple):
    """One record as the file holds it."""

    number: int
    at_ms: int
    body: bytes
    hash: bytes


class Window(NamedTuple):
    """The newest records from a moment on. `first`: the number of the oldest of them."""

    first: int
    last: int
    is_cut: bool
    """There are more than were allowed: the oldest are left out."""


def window(connection: sqlite3.Connection, since_ms: int, count_max: int) -> Window:
    """Find the records that are not older than a moment, by the index of times.

    Raise AuditError.
    """
    return window_of(connection, since_ms, None, count_max)


def window_of(
    connection: sqlite3.Connection, since_ms: int | None, until_ms: int | None, count_max: int
) -> Window:
    """Find the records of a half-open span, by the index of times; None: open at that end.

    Where the clock was set, some between them may be of another time. Raise AuditError.
    """
    check_schema(connection)
    (last,) = _one(connection, LAST_OF_ALL, LAST_BEFORE, until_ms)
    if not isinstance(last, int):
        raise AuditError("the newest record has no number")
    allowed = max(_INT64_MIN, last - count_max + 1)
    if since_ms is None:
        return Window(allowed, last, is_cut=allowed > 1)
    (found,) = connection.execute(FIRST_SINCE, (since_ms,)).fetchone()
    first = last + 1 if found is None else found
    if not isinstance(first, int):
        raise AuditError("a record has no number")
    return Window(max(first, allowed), last, first < allowed)


def _one(
    connection: sqlite3.Connection, whole: str, bounded: str, bound: int | None
) -> tuple[object, ...]:
    found = connection.execute(whole) if bound is None else connection.execute(bounded, (bound,))
    row: tuple[object, ...] = found.fetchone()
    return row


def newest(connection: sqlite3.Connection, count: int) -> Iterator[Row]:
    """Yield the newest records, oldest first. Raise AuditError."""
    yield from in_window(connection, window_of(connection, None, None, count))


def in_window(connection: sqlite3.Connection, window: Window) -> Iterator[Row]:
    """Yield the records of a window, oldest first. Raise AuditError."""
    order = "WHERE number BETWEEN ? AND ? ORDER BY number"
    yield from rows_of(connection, order, window.first, window.last)


def rows_of(connection: sqlite3.Connection, order: str, *arguments: int) -> Iterator[Row]:
    """Yield records. Raise AuditError for one that holds values of another type."""
    before = 0
    query = f"SELECT {_RIGHT}, number, at_ms, body, hash FROM records {order}"  # noqa: S608 - own words
    for right, *values in connection.execute(query, arguments):
        if not right:
            raise AuditError(
                f"the record after record {before} holds values that no record can have"
            )
        row = Row(*values)
        before = row.number
        yield row


def begin_of(
    connection: sqlite3.Connection, since_ms: int | None, until_ms: int | None
) -> tuple[Window, Head]:
    """Find the records of a span, without a gap, and the point that the first follows.

    Raise AuditError.
    """
    found = window_of(connection, since_ms, until_ms, _NUMBER_MAX)
    gone = gone_head(connection)
    first = max(found.first, gone.number + 1)
    if first == gone.number + 1 or first > found.last:
        return Window(first, found.last, found.is_cut), gone
    before = list(rows_of(connection, "WHERE number = ?", first - 1))
    if not before:
        raise AuditError(f"record {first - 1} is missing")
    return Window(first, found.last, found.is_cut), Head(first - 1, before[0].hash)


class Placed(NamedTuple):
    """A record, and the point of the chain that it follows."""

    row: Row
    before: Head
    is_acknowledged: bool


def placed(connection: sqlite3.Connection, number: int) -> Placed | str:
    """Find one record; a sentence when there is none of that number. Raise AuditError."""
    check_schema(connection)
    gone = gone_head(connection)
    found = list(rows_of(connection, "WHERE number BETWEEN ? AND ?", number - 1, number))
    rows = {row.number: row for row in found}
    if number not in rows:
        (last,) = connection.execute(LAST_OF_ALL).fetchone()
        if number <= gone.number:
            return f"record {number} has gone, once the backend had it"
        if isinstance(last, int) and number <= last:
            raise AuditError(f"record {number} is missing")
        return f"there is no record {number}; the newest is {last}"
    before = rows.get(number - 1)
    head = gone if before is None else Head(before.number, before.hash)
    if head.number != number - 1:
        raise AuditError(f"record {number - 1} is missing")
    (waits,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE number = ?)", (number,)
    ).fetchone()
    return Placed(rows[number], head, not waits)


def gone_head(connection: sqlite3.Connection) -> Head:
    """Return the newest record that went, by the checkpoint; nobody checks its signature here.

    Raise AuditError.
    """
    if "checkpoint" not in tables_of(connection):
        return Head()
    found = connection.execute("SELECT document FROM checkpoint LIMIT 2").fetchall()
    if len(found) > 1:
        raise AuditError("there are two checkpoints")
    return read_unproven(found[0][0]).head if found else Head()


def count_waiting(connection: sqlite3.Connection) -> int:
    """Return how many records wait for the backend, as the file says it."""
    (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(waiting)
