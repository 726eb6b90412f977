"""The table of uses: what was spent of grants that have a number of uses.

Laws:
1. A row is written, or removed, in the transaction of the record that says so.
2. A start believes no row: each must be what the record says that it names, and the newest records
   must lead to just these rows. If not, all the rows are made again from all the records. For
   records that have gone, the uses beside the proven checkpoint say it.
3. What a start does not see: a row that was removed, when its record is not one of the newest.
   `hubctl audit verify` compares the table with every record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hubcore.errors import AuditError
from hubcore.evidence.records import Record
from hubcore.evidence.uses import (
    SAYS_USE,
    GivenBack,
    Spent,
    Use,
    UseChange,
    UseKey,
    UseTable,
    read_change,
)

Numbered = tuple[int, UseChange]
"""A record's number, and what it does to the uses."""
UseRows = Mapping[UseKey, tuple[Use, int]]
"""The uses, each with the number of its record."""


@dataclass(frozen=True, slots=True)
class UsesSql:
    """The statements that change a table of uses."""

    spend: str
    give_back: str
    forget: str
    whole: str

    @classmethod
    def of(cls, table: str) -> UsesSql:
        """Return those of a table of this module's."""
        columns = "grant_id, use, op, expires, number"
        return cls(
            spend=f"INSERT OR REPLACE INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - own name
            give_back=f"DELETE FROM {table} WHERE grant_id = ? AND use = ? AND op = ?",  # noqa: S608 - own name
            forget=f"DELETE FROM {table} WHERE expires < ?",  # noqa: S608 - own name
            whole=f"SELECT {columns} FROM {table}",  # noqa: S608 - own name
        )


OF_NOW = UsesSql.of("uses")
OF_CHECKPOINT = UsesSql.of("checkpoint_uses")
_NAMED = "SELECT uses.number, body FROM uses LEFT JOIN records USING (number)"
_NEWEST = "SELECT number, body FROM records WHERE number > ? ORDER BY number"
_ALL = (
    "SELECT number, body FROM records NOT INDEXED "  # noqa: S608 - own bytes
    f"WHERE instr(body, x'{SAYS_USE.hex()}') > 0 ORDER BY number"
)


def change_uses(
    connection: sqlite3.Connection, changes: Iterable[Numbered], sql: UsesSql = OF_NOW
) -> None:
    """Do what records say, in their order; within their transaction."""
    for number, change in changes:
        match change:
            case Spent(use, forget_before):
                if forget_before is not None:
                    connection.execute(sql.forget, (forget_before,))
                row = (use.grant, use.number, use.op, use.expires, number)
                connection.execute(sql.spend, row)
            case GivenBack(grant, use_number, op):
                connection.execute(sql.give_back, (grant, use_number, op))


def standing_uses(connection: sqlite3.Connection) -> Sequence[Use]:
    """Return the uses that stand."""
    rows = read_rows(connection)
    return [use for use, _ in rows.values()]


def mend_uses(connection: sqlite3.Connection, newest_after: int, gone: int = 0) -> int:
    """Hold the table against the records; return how many rows were wrong or missing.

    The records above `newest_after` must lead to these rows. Their chain has been checked. The
    records up to `gone` have gone; the uses beside their checkpoint are proven. Raise sqlite3.Error
    when the rows are wrong and cannot be written.
    """
    if are_right(connection, newest_after, gone):
        return 0
    rows = read_rows(connection)
    base = read_rows(connection, OF_CHECKPOINT)
    said = _said_by(connection, base)
    wrong = {key for key in rows.keys() | said.keys() if rows.get(key) != said.get(key)}
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM uses")
    connection.executemany(
        OF_NOW.spend,
        [(use.grant, use.number, use.op, use.expires, number) for use, number in said.values()],
    )
    connection.execute("COMMIT")
    return len(wrong)


def follow(connection: sqlite3.Connection, known: UseRows, newest_after: int) -> bool:
    """Tell whether the records above `newest_after` lead from the known rows to just these."""
    newer = _changes(connection.execute(_NEWEST, (newest_after,)))
    return _led_to(known, newer) == read_rows(connection)


def are_right(connection: sqlite3.Connection, newest_after: int, gone: int = 0) -> bool:
    """Tell whether the rows fit the records; as `mend_uses` looks, and nothing is mended."""
    rows = read_rows(connection)
    base = read_rows(connection, OF_CHECKPOINT)
    return _are_as_named(connection, rows, base, gone) and _follow(
        connection, rows, max(newest_after, gone)
    )


def read_rows(connection: sqlite3.Connection, sql: UsesSql = OF_NOW) -> UseRows:
    """Return the rows as they stand."""
    rows: dict[UseKey, tuple[Use, int]] = {}
    for grant, use_number, op, expires, number in connection.execute(sql.whole):
        use = Use(grant, use_number, op, expires)
        rows[use.key] = (use, number)
    return rows


def _are_as_named(connection: sqlite3.Connection, rows: UseRows, base: UseRows, gone: int) -> bool:
    """Tell whether each row is what the record says that it names, or the checkpoint for it."""
    said = dict(_changes(connection.execute(_NAMED)))
    for use, number in rows.values():
        if number <= gone:
            if base.get(use.key) != (use, number):
                return False
            continue
        change = said.get(number)
        if not isinstance(change, Spent) or change.use != use:
            return False
    return True


def _follow(connection: sqlite3.Connection, rows: UseRows, newest_after: int) -> bool:
    """Tell whether the newest records lead from the older rows to just these rows."""
    older = [use for use, number in rows.values() if number <= newest_after]
    table = UseTable(older)
    for _, change in _changes(connection.execute(_NEWEST, (newest_after,))):
        table.take(change)
    return table.standing() == {key: use for key, (use, _) in rows.items()}


def _said_by(connection: sqlite3.Connection, base: UseRows) -> UseRows:
    """Return the rows that all the records lead to, from those of the checkpoint on."""
    return _led_to(base, _changes(connection.execute(_ALL)))


def _led_to(rows: UseRows, changes: Iterable[Numbered]) -> UseRows:
    """Return the rows that changes lead to, from others on."""
    table = UseTable(use for use, _ in rows.values())
    numbers = {key: number for key, (_, number) in rows.items()}
    for number, change in changes:
        table.take(change)
        if isinstance(change, Spent):
            numbers[change.use.key] = number
    return {key: (use, numbers[key]) for key, use in table.standing().items()}


def _changes(rows: Iterable[tuple[int, bytes | None]]) -> Iterator[Numbered]:
    for number, body in rows:
        if body is None:
            continue
        try:
            change = read_change(Record.decode(body))
        except AuditError:  # one that a later version wrote
            continue
        if change is not None:
            yield number, change
