"""One hub's records in the reference backend: an SQLite file, in the chain's order.

Laws:
1. `keep` returns only when its records are on the disk (WAL, synchronous=FULL: one fsync a call).
2. What is stored is never changed and never deleted: a chain that ends stays under a name of its
   own.
3. A record goes in only as the true successor of the head, or as the first of a chain that somebody
   has accepted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, StoredRecord, follows

_COLUMNS = "(number INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL)"
_SCHEMAS = (
    f"CREATE TABLE IF NOT EXISTS record {_COLUMNS}",
    f"CREATE TABLE IF NOT EXISTS rival {_COLUMNS}",
)
"""`rival` holds the record that did not follow: somebody may accept the chain it begins.

A rival without a body is the head that a hub told in its Hello.
"""
_INSERT = "INSERT INTO record VALUES (?, ?, ?)"
_ALL = "SELECT number, body, hash FROM record ORDER BY number"
_NEWEST = "SELECT number, body, hash FROM record ORDER BY number DESC LIMIT 1"
_ONE = "SELECT number, body, hash FROM record WHERE number = ?"
_RIVAL = "SELECT number, body, hash FROM rival"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A record that does not follow, with a sentence."""

    record: StoredRecord
    why: str


@dataclass(frozen=True, slots=True)
class KeepOutcome:
    """What became of the records of one call.

    `held` numbers are durable, `repeated` of them were so before. `early` records came before their
    predecessor.
    """

    held: tuple[int, ...]
    repeated: int
    early: tuple[StoredRecord, ...]
    contradictions: tuple[Contradiction, ...]


@dataclass(slots=True)
class _Sorted:
    """What a call has found so far."""

    held: list[int] = field(default_factory=list)
    repeated: int = 0
    early: list[StoredRecord] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)

    def contradicts(self, record: StoredRecord, why: str) -> None:
        self.contradictions.append(Contradiction(record, why))


class RecordStore:
    """The records of one hub at `path`. Raise StoreError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"records at {path} cannot be used: {error}") from error
        self.path = path
        self.head = self._get(_NEWEST)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def records(self) -> list[StoredRecord]:
        """Return all records in order."""
        with closing(self._db.execute(_ALL)) as rows:
            return [StoredRecord(*row) for row in rows]

    def keep(self, records: Iterable[StoredRecord]) -> KeepOutcome:
        """Store what is new and follows, all in one commit.

        Raise StoreError when nothing of it was stored.
        """
        found = _Sorted()
        head_before = self.head
        try:
            for record in records:
                self._keep_one(record, found)
            self._db.commit()
        except sqlite3.Error as error:
            self.head = head_before
            self._db.rollback()
            raise _unwritten(error) from error
        return KeepOutcome(
            held=tuple(found.held),
            repeated=found.repeated,
            early=tuple(found.early),
            contradictions=tuple(found.contradictions),
        )

    def _keep_one(self, record: StoredRecord, found: _Sorted) -> None:
        newest = self.head.number if self.head else 0
        if record.number > newest + 1:
            found.early.append(record)
        elif record.number > newest:
            self._append(record, found)
        elif self._get(_ONE, record.number) == record:
            found.held.append(record.number)
            found.repeated += 1
        else:
            found.contradicts(record, f"record {record.number} is held here with other bytes")

    def _append(self, record: StoredRecord, found: _Sorted) -> None:
        try:
            follows(self.head, record)
        except AuditError as error:
            found.contradicts(record, str(error))
            return
        self._db.execute(_INSERT, _row(record))
        self.head = record
        found.held.append(record.number)

    def note_rival(self, record: StoredRecord) -> None:
        """Keep the record that does not follow, durably. Raise StoreError."""
        try:
            with self._db:
                self._db.execute("DELETE FROM rival")
                self._db.execute("INSERT INTO rival VALUES (?, ?, ?)", _row(record))
        except sqlite3.Error as error:
            raise _unwritten(error) from error

    def succeed(self, archive: Path) -> RecordStore:
        """Close this chain under the name `archive`; return the store of the rival's chain.

        It begins with what both chains have in common. Raise StoreError when there is no rival, or
        when the disk refuses; this store is closed then, too.
        """
        rival = self._get(_RIVAL)
        if rival is None:
            raise StoreError(f"{self.path}: no other chain is known that could be accepted")
        chain = self._chain_of(rival)
        self._db.close()
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        _write_chain(new, chain)
        self.path.rename(archive)
        new.rename(self.path)
        return RecordStore(self.path)

    def _chain_of(self, rival: StoredRecord) -> list[StoredRecord]:
        """Return what is known of the rival's chain.

        Where nothing is, the hub is asked for all of it: the Welcome after it names no record.
        """
        if not rival.body:
            held = self.holds(Head(rival.number, rival.hash))
            return [record for record in self.records() if held and record.number <= rival.number]
        common = [record for record in self.records() if record.number < rival.number]
        try:
            follows(common[-1] if common else None, rival)
        except AuditError:
            return [rival]
        return [*common, rival]

    def holds(self, head: Head) -> bool:
        """Tell whether this head is one of the chain."""
        found = self._get(_ONE, head.number)
        return found is not None and found.hash == head.hash

    def note_head(self, head: Head) -> None:
        """Keep the head of a chain that does not follow, durably. Raise StoreError."""
        self.note_rival(StoredRecord(head.number, b"", head.hash))

    def _get(self, query: str, *arguments: int) -> StoredRecord | None:
        row = self._db.execute(query, arguments).fetchone()
        return StoredRecord(*row) if row else None


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        for schema in _SCHEMAS:
            database.execute(schema)
        database.commit()
    except BaseException:
        database.close()
        raise
    return database


def _write_chain(path: Path, records: list[StoredRecord]) -> None:
    store = RecordStore(path)
    try:
        with store._db:
            store._db.executemany(_INSERT, map(_row, records))
    except sqlite3.Error as error:
        raise _unwritten(error) from error
    finally:
        store.close()


def _row(record: StoredRecord) -> tuple[int, bytes, bytes]:
    return (record.number, record.body, record.hash)


def _unwritten(error: sqlite3.Error) -> StoreError:
    return StoreError(f"records could not be written: {error}")
