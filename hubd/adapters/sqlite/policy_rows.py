"""The tables of the policy's root: what its small parts are in rows, written and read.

Law: a policy is put in force whole, in one transaction, and only upwards.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from hubcore.calendar import codec as schedule_codec
from hubcore.calendar.codec import Take
from hubcore.calendar.schedule import Schedule, SpecialDays
from hubcore.codec import cbor
from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError, RollbackError, StoreError
from hubcore.evidence.records import GENESIS, Head
from hubcore.policy import rows
from hubcore.policy.root import Root
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.tables import pages
from hubd.adapters.sqlite.tables.pages import NameOf, Shelves

TABLES = (
    "meta",
    "document",
    "schedules",
    "modes",
    "points",
    "operators",
    "device_groups",
)
"""The tables that a root fills; `noted` stands beside them."""
PAGES = ("pages", "twigs", "staged_twigs", "staged")
"""Those of the large tables: see `hubd.adapters.sqlite.tables.pages`."""
KeyedRow = tuple[int | str | bytes, bytes]
T = TypeVar("T")
NOTHING_NOTED = Head()

_MOVE_ASIDE = "Stop hubd, move policy.db aside, and start hubd: the backend sends the policy again"
_INT64_MAX = (1 << 63) - 1


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or leave all as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")


@contextlib.contextmanager
def not_synced(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the commits of the block not wait for the disk; a later one that does waits for them."""
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        connection.execute("PRAGMA synchronous = FULL")


def stage(
    connection: sqlite3.Connection, new: Root, least: int, fresh: bool
) -> Mapping[int, bytes]:
    """Begin to stage a policy, or go on; return the names of its pieces that are staged, by place.

    `fresh`: nothing that stands in the file is proven, so the tables are made again first. Raise
    RollbackError when its version is below `least`.
    """
    with transaction(connection):
        _refuse_below(least, new)
        if fresh and not _is_staged(connection, new):
            make_tables(connection)
        return pages.begin_staging(connection, new.head.document, new.trees)


def _is_staged(connection: sqlite3.Connection, new: Root) -> bool:
    row = connection.execute("SELECT document FROM staged").fetchone()
    return bool(row == (new.head.document,))


def put_in_force(
    connection: sqlite3.Connection,
    new: Root,
    head: Head,
    *,
    least: int,
    before: Shelves,
    name: NameOf,
    fresh: bool,
) -> Shelves:
    """Commit the staged policy in one transaction; return its pages.

    `fresh`: what stands in the tables of the root is not proven. Raise RollbackError when its
    version is below `least`, StoreError for a damaged file.
    """
    with transaction(connection):
        _refuse_below(least, new)
        try:
            shelves = pages.put_in_force(connection, new.trees, before, name)
        except FrameError as error:
            raise StoreError(f"policy {new.version} is not whole in the file: {error}") from error
        if fresh:
            make_root_again(connection, new, head)
        else:
            write_root(connection, new, head)
        if not is_whole(connection):
            raise StoreError(
                f"policy {new.version} cannot be kept: the file is damaged. {_MOVE_ASIDE}"
            )
    return shelves


def _refuse_below(least: int, new: Root) -> None:
    if new.version < least:
        raise RollbackError(
            f"policy {new.version} is not newer than {least - 1}, which is in force"
        )


def note(connection: sqlite3.Connection, head: Head) -> None:
    """Commit a head of the audit log as the one that was noted last."""
    with transaction(connection):
        _write_noted(connection, head)


def make_tables(connection: sqlite3.Connection) -> None:
    """Drop every table, whatever is in it, and make it again, empty."""
    for table in (*TABLES, *PAGES, "noted"):
        connection.execute(f"DROP TABLE {table}")
    for statement in POLICY.statements():
        connection.execute(statement)


def make_root_again(connection: sqlite3.Connection, root: Root, head: Head) -> None:
    """Drop the tables of the root, whatever is in them, and make and fill them again."""
    for table in TABLES:
        connection.execute(f"DROP TABLE {table}")
    for statement in POLICY.tables(TABLES):
        connection.execute(statement)
    write_root(connection, root, head)


def write_root(connection: sqlite3.Connection, root: Root, head: Head) -> None:
    """Make the rows those of the root, and keep its document and the head beside them."""
    _write_policy(connection, root)
    connection.execute(
        "INSERT OR REPLACE INTO document (only_row, bytes) VALUES (1, ?)", (root.head.document,)
    )
    _write_noted(connection, head)


def _write_noted(connection: sqlite3.Connection, head: Head) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO noted (only_row, number, hash) VALUES (1, ?, ?)",
        (head.number, head.hash),
    )


def _write_policy(connection: sqlite3.Connection, policy: Root) -> None:
    for table, content in keyed_rows(policy).items():
        _fill(connection, table, content)
    connection.execute("DELETE FROM schedules")
    connection.executemany(
        "INSERT INTO schedules (number, rules) VALUES (?, ?)",
        schedule_rows(policy),
    )
    connection.execute("DELETE FROM modes")
    connection.executemany(
        "INSERT INTO modes (access_point, mode) VALUES (?, ?)",
        mode_rows(policy),
    )
    connection.execute("DELETE FROM meta")
    connection.execute(
        "INSERT INTO meta (only_row, site, version, issued_at) VALUES (1, ?, ?, ?)",
        (policy.site, policy.version, policy.head.issued_at),
    )


def _fill(connection: sqlite3.Connection, table: str, rows: Iterable[KeyedRow]) -> None:
    """Make the table hold just these rows, each a key and the bytes that stand for it."""
    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - own name
    insert = f"INSERT INTO {table} VALUES (?, ?)"  # noqa: S608 - own name
    connection.executemany(insert, rows)


def keyed_rows(policy: Root) -> Mapping[str, Iterator[KeyedRow]]:
    """Return the rows of the tables that have a key and bytes, by table."""
    return {
        "points": (
            (number, cbor.encode(rows.write_point(rules)))
            for number, rules in policy.points.items()
        ),
        "operators": (
            (name, cbor.encode(rows.write_operator(operator)))
            for name, operator in policy.operators.items()
        ),
        "device_groups": (
            (number, cbor.encode(list(devices))) for number, devices in policy.groups.items()
        ),
    }


def decode_row(data: object, read: Callable[[Cursor, Take], T]) -> T:
    """Read a row as `hubcore.policy.rows` has it. Raise FrameError, TypeError or ValueError."""
    if not isinstance(data, bytes):
        raise TypeError("a row that holds no bytes")
    cursor = Cursor(data)
    value = read(cursor, _no_ceiling)
    cursor.end()
    return value


def schedule_rows(policy: Root) -> Iterator[tuple[int, bytes]]:
    """Yield (number, rules and special days) of each schedule."""
    for number, schedule in policy.schedules.items():
        rules = [schedule_codec.write_rule(rule) for rule in schedule.rules]
        special = [
            [sorted(one.days), [list(span) for span in one.spans]] for one in schedule.special
        ]
        yield number, cbor.encode([rules, special])


def mode_rows(policy: Root) -> Iterator[tuple[int, int]]:
    """Yield (access point, mode) of each mode that is ordered."""
    for access_point, mode in policy.modes.items():
        yield access_point, int(mode)


def decode_schedule(data: object) -> Schedule:
    """Read a schedule from its row. Raise FrameError, TypeError or ValueError."""
    if not isinstance(data, bytes):
        raise TypeError("a schedule's row that holds no bytes")
    cursor = Cursor(data)
    if cursor.array() != 2:
        raise FrameError("a schedule's row is [rules, special days]")
    rules = schedule_codec.read_rules(cursor, _no_ceiling)
    count = cursor.array()
    special = tuple(_read_special(cursor) for _ in range(count))
    cursor.end()
    return Schedule(rules, special)


def _read_special(cursor: Cursor) -> SpecialDays:
    if cursor.array() != 2:
        raise FrameError("special days in a row are [days, spans]")
    days = schedule_codec.read_days(cursor, _no_ceiling, schedule_codec.DAYS_A_GROUP)
    return SpecialDays(frozenset(days), schedule_codec.read_spans(cursor, _no_ceiling))


def _no_ceiling(count: int) -> int:
    """Take any count: a row is no longer than the policy that it was made of."""
    return count


def is_whole(connection: sqlite3.Connection) -> bool:
    """Tell whether every row of the root has its place, and every value the type of its column.

    A lookup does not notice a row that stands out of order; this reads all rows of those tables.
    Pages prove themselves, and are not read.
    """
    for table in (*TABLES, "noted"):
        if connection.execute(f"PRAGMA integrity_check({table})").fetchall() != [("ok",)]:
            return False
    return True


def in_force(connection: sqlite3.Connection) -> tuple[str, int]:
    """Return site and version as the rows say; of rows that a policy cannot have: of none."""
    row = connection.execute(
        "SELECT typeof(site), CAST(site AS BLOB), version FROM meta"
    ).fetchone()
    match row:
        case ("text", bytes(site), int(version)):
            return site.decode("utf-8", "backslashreplace"), version
    return "", 0


def read_noted(connection: sqlite3.Connection) -> Head:
    """Return the head that was noted; of a row that no head can have: none."""
    row = connection.execute(
        "SELECT number, CAST(hash AS BLOB), typeof(hash) FROM noted"
    ).fetchone()
    match row:
        case (int(number), bytes(hash_), "blob"):
            if number >= 0 and len(hash_) == len(GENESIS):
                return Head(number, hash_)
    return NOTHING_NOTED


def fits(number: int) -> bool:
    """Tell whether SQLite can hold the number; one that it cannot is in no policy."""
    return -_INT64_MAX <= number <= _INT64_MAX
