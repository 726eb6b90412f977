"""One hub's records in the reference backend: an SQLite file, written durably, in the chain's
order.

Laws:
1. `keep` returns only when its records are on the disk (WAL, synchronous=FULL: one fsync a call).
2. What is stored is never changed, and never deleted: a chain that ends stays under a name of its
   own.
3. A record goes in only as the true successor of the head, or as the first of a chain that somebody
   has accepted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import StoredRecord, follows

_ROW = "(number INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL)"
_SCHEMAS = (f"CREATE TABLE IF NOT EXISTS record {_ROW}", f"CREATE TABLE IF NOT EXISTS rival {_ROW}")
"""`rival` holds the record that did not follow: the first of another chain, should somebody accept
it.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the records of one call: `held` numbers are durable, `repeated` of them were
    so before.

    `early` came before their predecessor; `contradictions` are records that do not follow, each
    with a sentence.
    """

    held: tuple[int, ...]
    repeated: int
    early: tuple[StoredRecord, ...]
    contradictions: tuple[tuple[StoredRecord, str], ...]


class RecordStore:
    """The records of one hub at `path`. Raise StoreError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                for schema in _SCHEMAS:
                    self._db.execute(schema)
                self._db.commit()
            except BaseException:
                self._db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"records at {path} cannot be used: {error}") from error
        self.path = path
        self.head = self._get("SELECT number, body, hash FROM record ORDER BY number DESC LIMIT 1")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def records(self) -> list[StoredRecord]:
        """Return all records in order."""
        with closing(
            self._db.execute("SELECT number, body, hash FROM record ORDER BY number")
        ) as rows:
            return [StoredRecord(*row) for row in rows]

    def keep(self, records: Iterable[StoredRecord]) -> Kept:
        """Store what is new and follows, all in one commit.

        Raise StoreError when nothing of it was stored.
        """
        held: list[int] = []
        early: list[StoredRecord] = []
        contradictions: list[tuple[StoredRecord, str]] = []
        before = self.head
        repeated = 0
        try:
            for record in records:
                last = self.head.number if self.head else 0
                if record.number > last + 1:
                    early.append(record)
                elif record.number <= last:
                    if (
                        self._get(
                            "SELECT number, body, hash FROM record WHERE number = ?", record.number
                        )
                        == record
                    ):
                        held.append(record.number)
                        repeated += 1
                    else:
                        contradictions.append(
                            (record, f"record {record.number} is held here with other bytes")
                        )
                else:
                    try:
                        follows(self.head, record)
                    except AuditError as error:
                        contradictions.append((record, str(error)))
                        continue
                    self._db.execute(
                        "INSERT INTO record VALUES (?, ?, ?)",
                        (record.number, record.body, record.hash),
                    )
                    self.head = record
                    held.append(record.number)
            self._db.commit()
        except sqlite3.Error as error:
            self.head = before
            self._db.rollback()
            raise StoreError(f"records could not be written: {error}") from error
        return Kept(
            held=tuple(held),
            repeated=repeated,
            early=tuple(early),
            contradictions=tuple(contradictions),
        )

    def note_rival(self, record: StoredRecord) -> None:
        """Keep the record that does not follow, durably. Raise StoreError."""
        try:
            with self._db:
                self._db.execute("DELETE FROM rival")
                self._db.execute(
                    "INSERT INTO rival VALUES (?, ?, ?)", (record.number, record.body, record.hash)
                )
        except sqlite3.Error as error:
            raise StoreError(f"records could not be written: {error}") from error

    def succeed(self, archive: Path) -> RecordStore:
        """Close this chain under the name `archive`, and return the store of the one that begins
        with the rival.

        What both chains have in common comes first in the new one. Raise StoreError when there is
        no rival, or when the disk refuses; this store is closed then, too.
        """
        rival = self._get("SELECT number, body, hash FROM rival")
        if rival is None:
            raise StoreError(f"{self.path}: no other chain is known that could be accepted")
        common = [record for record in self.records() if record.number < rival.number]
        try:
            follows(common[-1] if common else None, rival)
        except AuditError:
            common = []
        new = self.path.with_suffix(".new")
        self._db.close()
        new.unlink(missing_ok=True)
        store = RecordStore(new)
        try:
            with store._db:
                rows = [(record.number, record.body, record.hash) for record in [*common, rival]]
                store._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise StoreError(f"records could not be written: {error}") from error
        finally:
            store.close()
        self.path.rename(archive)
        new.rename(self.path)
        return RecordStore(self.path)

    def _get(self, query: str, *arguments: int) -> StoredRecord | None:
        row = self._db.execute(query, arguments).fetchone()
        return StoredRecord(*row) if row else None
