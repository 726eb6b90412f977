"""What the policy's file proves when it is opened.

Laws:
1. Nothing is believed that the issuer's signature does not prove: the kept document is verified.
2. The file's structure is checked, and the rows are compared with the document, each with its type
   and in its place.
3. Where one differs, all tables are made again and filled from the document.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.errors import TrustError
from hubcore.evidence.records import Head
from hubcore.evidence.statecheck import OnDisk
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.policy import Policy
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.policy_rows import (
    NOTHING_NOTED,
    TABLES,
    in_force,
    is_whole,
    keyed_rows,
    make_tables,
    mode_rows,
    read_noted,
    schedule_rows,
    transaction,
    write_all,
)

Read = Callable[[bytes], Policy]
"""Verifies a signed document for this site and reads it; raises TrustError."""


Rows = Iterator[Any]
Key = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class PolicyFound:
    """What the file held when it was opened.

    `version` is that of a proven policy, else 0. `noted` is the head of the audit log that was
    noted last. `edited`: rows were not those of the signed document, and were built again. `why`
    says why a policy is not proven.
    """

    policy: OnDisk
    version: int = 0
    noted: Head = NOTHING_NOTED
    edited: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class OpenedPolicy:
    """A file that was opened: the lock's descriptor, the connection that writes, what was found."""

    lock: int
    connection: sqlite3.Connection
    found: PolicyFound


def open_policy(path: Path, site: str, read: Read) -> OpenedPolicy:
    """Open, or make, the file of the site's policy and prove what it holds.

    Raise StoreError for a file that cannot be used, TrustError for another site's policy.
    """
    POLICY.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = POLICY.hold(path)
        undo.callback(os.close, lock)
        connection = POLICY.open(path)
        undo.callback(connection.close)
        with POLICY.errors(path):
            found = _prove(connection, read)
            stored_site, version = in_force(connection)
        is_anothers = bool(version) and stored_site != site
        if found.policy is OnDisk.UNPROVEN and is_anothers:
            raise TrustError(
                f"policy {path}: it holds the policy of the site {stored_site!r}, this hub is of "
                f"{site!r}: correct the site in the configuration, or move the file aside"
            )
        undo.pop_all()
    return OpenedPolicy(lock, connection, found)


def _prove(connection: sqlite3.Connection, read: Read) -> PolicyFound:
    """Verify the kept document and hold the rows against it.

    May raise sqlite3.Error for a disk that cannot be read.
    """
    noted = read_noted(connection)
    row = connection.execute("SELECT typeof(bytes), length(bytes) FROM document").fetchone()
    if row is None:
        return _without_document(connection, noted)
    kind, length = row
    if kind != "blob":
        return _unproven(noted, "its document is no string of bytes")
    if length > MAX_BYTES:
        return _unproven(noted, f"its document is over {MAX_BYTES} bytes")
    (document,) = connection.execute("SELECT bytes FROM document").fetchone()
    try:
        policy = read(document)
    except TrustError as error:
        return _unproven(noted, str(error))
    if is_whole(connection) and _rows_hold(connection, policy):
        return PolicyFound(OnDisk.PROVEN, version=policy.version, noted=noted)
    try:
        _build_again(connection, policy, document, noted)
    except (sqlite3.Error, OSError, OverflowError) as error:
        why = f"its rows are not those of the signed document, and cannot be built again: {error}"
        return _unproven(noted, why)
    return PolicyFound(
        OnDisk.PROVEN,
        version=policy.version,
        noted=noted,
        edited=True,
    )


def _unproven(noted: Head, why: str) -> PolicyFound:
    return PolicyFound(OnDisk.UNPROVEN, noted=noted, why=why)


def _without_document(connection: sqlite3.Connection, noted: Head) -> PolicyFound:
    for table in TABLES:
        query = f"SELECT EXISTS (SELECT 1 FROM {table})"  # noqa: S608 - own name
        (has_rows,) = connection.execute(query).fetchone()
        if has_rows:
            why = "there are rows, but not the signed document that they come from"
            return _unproven(noted, why)
    if not is_whole(connection):
        return _unproven(noted, "the file's structure is damaged")
    return PolicyFound(OnDisk.NONE, noted=noted)


def _build_again(
    connection: sqlite3.Connection,
    policy: Policy,
    document: bytes,
    noted: Head,
) -> None:
    """Make the tables again from the document.

    Raise sqlite3.DatabaseError for a file whose pages damage even tables that were just made.
    """
    with transaction(connection):
        make_tables(connection)
        write_all(connection, policy, document, noted)
        if not is_whole(connection):
            raise sqlite3.DatabaseError("its structure is damaged")


def _rows_hold(connection: sqlite3.Connection, policy: Policy) -> bool:
    """Tell whether the rows are the policy's.

    It takes the memory of one row; reading ends at the first that is not the policy's.
    """
    site = policy.site.encode()
    meta = (1, site, policy.version, policy.issued_at)
    columns = "only_row, CAST(site AS BLOB), version, issued_at"
    if list(_select(connection, columns, "meta")) != [meta]:
        return False
    credentials = _ids(connection, "revoked_credentials", "text")
    if not _same(policy.revoked_credentials, _rising(credentials)):
        return False
    grants = _ids(connection, "revoked_grants", "blob")
    if not _same(policy.revoked_grants, _rising(grants)):
        return False
    schedules = _select(connection, "number, rules", "schedules")
    if not _same(set(schedule_rows(policy)), _rising(schedules, _first)):
        return False
    modes = _select(connection, "access_point, mode", "modes")
    if not _same(set(mode_rows(policy)), _rising(modes, _first)):
        return False
    return _rules_hold(connection, policy)


def _rules_hold(connection: sqlite3.Connection, policy: Policy) -> bool:
    """Tell whether the rows of the policy's other rules are the policy's."""
    sets = {"disabled": policy.disabled, "extended_time": policy.extended_time}
    for table, wanted in sets.items():
        if not _same(wanted, _rising(_ids(connection, table, "text"))):
            return False
    for table, wanted_rows in keyed_rows(policy).items():
        found = _keyed(connection, table)
        if not _same(set(wanted_rows), _rising(found, _first)):
            return False
    return True


def _keyed(connection: sqlite3.Connection, table: str) -> Rows:
    """Yield (key, bytes) of a table; None for a key that no lookup would find."""
    key = _KEY_COLUMNS[table]
    columns = f"typeof({key}), CAST({key} AS {_KEY_CASTS[table]}), row"
    for found, raw, row in _select(connection, columns, table):
        if found != _KEY_TYPES[table]:
            yield None
        elif found == "text":
            yield raw.decode("utf-8", "surrogateescape"), row
        else:
            yield raw, row


_KEY_COLUMNS = {"cards": "id", "points": "number", "operators": "id", "device_groups": "number"}
_KEY_TYPES = {"cards": "blob", "points": "integer", "operators": "text", "device_groups": "integer"}
_KEY_CASTS = {"cards": "BLOB", "points": "INTEGER", "operators": "BLOB", "device_groups": "INTEGER"}


def _select(connection: sqlite3.Connection, columns: str, table: str) -> Rows:
    return iter(connection.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 - own names


def _ids(connection: sqlite3.Connection, table: str, kind: str) -> Rows:
    """Yield the ids of a table, None for one of another type than `kind`.

    No lookup would find that one. Text that is no UTF-8 comes as text that no policy can hold.
    """
    for found, raw in _select(connection, "typeof(id), CAST(id AS BLOB)", table):
        if found != kind:
            yield None
        elif kind == "text":
            yield raw.decode("utf-8", "surrogateescape")
        else:
            yield raw


def _first(row: tuple[Any, Any]) -> Any:
    return row[0]


def _itself(row: Any) -> Any:
    return row


def _rising(rows: Rows, key: Key = _itself) -> Rows:
    """Yield the rows up to the first whose key does not rise: None in its place.

    No lookup may find that one. SQLite orders text by its UTF-8 bytes; so Python orders its code
    points.
    """
    before = None
    for row in rows:
        if row is None:
            yield None
            return
        present = key(row)
        if before is not None and before >= present:
            yield None
            return
        yield row
        before = present


def _same(wanted: Any, rows: Rows) -> bool:
    """Tell whether the rows, each of which comes once, are just what is wanted."""
    seen = 0
    for row in rows:
        seen += 1
        if row not in wanted:
            return False
    return seen == len(wanted)
