"""What the policy's file proves when it is opened.

Laws:
1. Nothing is believed that the issuer's signature does not prove: the kept root is verified.
2. The structure of the root's tables is checked, and their rows are compared with the root, each
   with its type and in its place.
3. Where one differs, all of these tables are made again and filled from the root.
4. The hashes of all pages are read, and must lead to the root. No page is read: each proves itself
   when it is looked at. So a start takes no longer with a million cards.
5. What a look before the start has proven counts if nothing was written since (`SeenPolicy`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubcore.errors import FrameError, TrustError
from hubcore.evidence.records import Head
from hubcore.evidence.statecheck import OnDisk
from hubcore.policy.document import MAX_BYTES, Proven
from hubcore.policy.root import NO_DIGEST, Root
from hubd.adapters.sqlite.database import POLICY
from hubd.adapters.sqlite.policy_rows import (
    NOTHING_NOTED,
    TABLES,
    in_force,
    is_whole,
    keyed_rows,
    make_root_again,
    mode_rows,
    read_noted,
    schedule_rows,
    transaction,
)
from hubd.adapters.sqlite.tables import pages
from hubd.adapters.sqlite.tables.pages import Shelves

WRITER = "policy-writer"
"""The name of the thread that writes."""
Prove = Callable[[bytes], Proven]
"""Verifies a signed document for this site; raises TrustError."""

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
    """A file that was opened: the lock's descriptor, the connection that writes, what was found.

    `digest` and `shelves` are those of a proven policy.
    """

    lock: int
    connection: sqlite3.Connection
    found: PolicyFound
    digest: bytes
    shelves: Shelves


@dataclass(frozen=True, slots=True)
class SeenPolicy:
    """What a look has proven while another process wrote the file (`looks.policy`).

    `is_unchanged` tells whether nothing was written since. It may raise sqlite3.Error or OSError.
    """

    found: PolicyFound
    digest: bytes
    shelves: Shelves
    is_unchanged: Callable[[], bool]


def open_policy(
    path: Path,
    site: str,
    prove: Prove,
    seen: SeenPolicy | None = None,
    ready: sqlite3.Connection | None = None,
) -> OpenedPolicy:
    """Open, or make, the file of the site's policy and prove what it holds.

    `ready` is a connection to this very file, which is used if the file needs no step. Raise
    StoreError for a file that cannot be used, TrustError for another site's policy.
    """
    if ready is None:
        POLICY.prepare(path)
    with contextlib.ExitStack() as undo:
        lock = POLICY.hold(path)
        undo.callback(os.close, lock)
        with POLICY.errors(path):
            if seen is not None and ready is not None and seen.is_unchanged():
                undo.pop_all()
                return OpenedPolicy(lock, ready, seen.found, seen.digest, seen.shelves)
        connection = POLICY.opened(path, ready)
        if connection is not ready:
            undo.callback(connection.close)
        with POLICY.errors(path):
            found, digest, shelves = prove_rows(connection, prove)
            stored_site, version = in_force(connection)
        is_anothers = bool(version) and stored_site != site
        if found.policy is OnDisk.UNPROVEN and is_anothers:
            raise TrustError(
                f"policy {path}: it holds the policy of the site {stored_site!r}, this hub is of "
                f"{site!r}: correct the site in the configuration, or move the file aside"
            )
        undo.pop_all()
    return OpenedPolicy(
        lock=lock,
        connection=connection,
        found=found,
        digest=digest,
        shelves=shelves,
    )


def prove_rows(
    connection: sqlite3.Connection, prove: Prove, may_mend: bool = True
) -> tuple[PolicyFound, bytes, Shelves]:
    """Return what a file proves, with the digest of a proven policy and the hashes of its pages.

    Without `may_mend` rows that would have to be built again are not proven. May raise
    sqlite3.Error.
    """
    found, root = _prove(connection, prove, may_mend)
    shelves, found = _shelves(connection, root, found)
    is_proven = root is not None and found.policy is OnDisk.PROVEN
    digest = root.head.digest if root is not None and is_proven else NO_DIGEST
    return found, digest, shelves


def _shelves(
    connection: sqlite3.Connection, root: Root | None, found: PolicyFound
) -> tuple[Shelves, PolicyFound]:
    """Read the hashes of the pages; a policy whose hashes do not lead to its root is not proven."""
    if root is None or found.policy is not OnDisk.PROVEN:
        return {}, found
    try:
        return pages.load(connection, root.trees), found
    except FrameError as error:
        return {}, _unproven(found.noted, str(error))


def _prove(
    connection: sqlite3.Connection, prove: Prove, may_mend: bool
) -> tuple[PolicyFound, Root | None]:
    """Verify the kept document and hold the rows against it.

    May raise sqlite3.Error for a disk that cannot be read.
    """
    noted = read_noted(connection)
    row = connection.execute("SELECT typeof(bytes), length(bytes) FROM document").fetchone()
    if row is None:
        return _without_document(connection, noted), None
    kind, length = row
    if kind != "blob":
        return _unproven(noted, "its document is no string of bytes"), None
    if length > MAX_BYTES:
        return _unproven(noted, f"its document is over {MAX_BYTES} bytes"), None
    (document,) = connection.execute("SELECT bytes FROM document").fetchone()
    try:
        root = prove(document).root()
    except TrustError as error:
        return _unproven(noted, str(error)), None
    if is_whole(connection) and _rows_hold(connection, root):
        return PolicyFound(OnDisk.PROVEN, version=root.version, noted=noted), root
    if not may_mend:
        return _unproven(noted, "its rows are not those of the signed document"), None
    try:
        _build_again(connection, root, noted)
    except (sqlite3.Error, OSError, OverflowError) as error:
        why = f"its rows are not those of the signed document, and cannot be built again: {error}"
        return _unproven(noted, why), None
    found = PolicyFound(
        OnDisk.PROVEN,
        version=root.version,
        noted=noted,
        edited=True,
    )
    return found, root


def _unproven(noted: Head, why: str) -> PolicyFound:
    return PolicyFound(OnDisk.UNPROVEN, noted=noted, why=why)


def _without_document(connection: sqlite3.Connection, noted: Head) -> PolicyFound:
    for table in (*TABLES, "twigs"):
        query = f"SELECT EXISTS (SELECT 1 FROM {table})"  # noqa: S608 - own name
        (has_rows,) = connection.execute(query).fetchone()
        if has_rows:
            why = "there are rows, but not the signed document that they come from"
            return _unproven(noted, why)
    if not is_whole(connection):
        return _unproven(noted, "the file's structure is damaged")
    return PolicyFound(OnDisk.NONE, noted=noted)


def _build_again(connection: sqlite3.Connection, root: Root, noted: Head) -> None:
    """Make the tables of the root again from it.

    Raise sqlite3.DatabaseError for a file whose pages damage even tables that were just made.
    """
    with transaction(connection):
        make_root_again(connection, root, noted)
        if not is_whole(connection):
            raise sqlite3.DatabaseError("its structure is damaged")


def _rows_hold(connection: sqlite3.Connection, root: Root) -> bool:
    """Tell whether the rows are the root's.

    It takes the memory of one row; reading ends at the first that is not the root's.
    """
    site = root.site.encode()
    meta = (1, site, root.version, root.head.issued_at)
    columns = "only_row, CAST(site AS BLOB), version, issued_at"
    if list(_select(connection, columns, "meta")) != [meta]:
        return False
    schedules = _select(connection, "number, rules", "schedules")
    if not _same(set(schedule_rows(root)), _rising(schedules, _first)):
        return False
    modes = _select(connection, "access_point, mode", "modes")
    if not _same(set(mode_rows(root)), _rising(modes, _first)):
        return False
    return _rules_hold(connection, root)


def _rules_hold(connection: sqlite3.Connection, root: Root) -> bool:
    """Tell whether the rows of the root's other rules are the root's."""
    for table, wanted_rows in keyed_rows(root).items():
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


_KEY_COLUMNS = {"points": "number", "operators": "id", "device_groups": "number"}
_KEY_TYPES = {"points": "integer", "operators": "text", "device_groups": "integer"}
_KEY_CASTS = {"points": "INTEGER", "operators": "BLOB", "device_groups": "INTEGER"}


def _select(connection: sqlite3.Connection, columns: str, table: str) -> Rows:
    return iter(connection.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 - own names


def _first(row: tuple[Any, Any]) -> Any:
    return row[0]


def _rising(rows: Rows, key: Key) -> Rows:
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
