"""One hub's records in the reference backend: an SQLite file, written durably, in the chain's order.

Laws: `keep` returns only when its records are on the disk (WAL, synchronous=FULL: one fsync a call); what is stored is
never changed; a record goes in only as the true successor of the head.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hubd.core.records import StoredRecord, follows
from hubd.errors import AuditError, StoreError

_SCHEMA = "CREATE TABLE IF NOT EXISTS record (number INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the records of one call: `held` numbers are durable, `repeated` of them were so before.

    `early` numbers came before their predecessor; `contradictions` are sentences about records that do not follow.
    """

    held: tuple[int, ...]
    repeated: int
    early: tuple[int, ...]
    contradictions: tuple[tuple[int, str], ...]


class RecordStore:
    """The records of one hub at `path`. Raise StoreError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(_SCHEMA)
                self._db.commit()
            except BaseException:
                self._db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"records at {path} cannot be used: {error}") from error
        self.head = self._get("SELECT number, body, hash FROM record ORDER BY number DESC LIMIT 1")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def records(self) -> list[StoredRecord]:
        """Return all records in order."""
        with closing(self._db.execute("SELECT number, body, hash FROM record ORDER BY number")) as rows:
            return [StoredRecord(*row) for row in rows]

    def keep(self, records: Iterable[StoredRecord]) -> Kept:
        """Store what is new and follows, all in one commit. Raise StoreError when nothing of it was stored."""
        held: list[int] = []
        early: list[int] = []
        contradictions: list[tuple[int, str]] = []
        before, repeated = self.head, 0
        try:
            for record in records:
                last = self.head.number if self.head else 0
                if record.number > last + 1:
                    early.append(record.number)
                elif record.number <= last:
                    if self._get("SELECT number, body, hash FROM record WHERE number = ?", record.number) == record:
                        held.append(record.number)
                        repeated += 1
                    else:
                        contradictions.append((record.number, f"record {record.number} is held here with other bytes"))
                else:
                    try:
                        follows(self.head, record)
                    except AuditError as error:
                        contradictions.append((record.number, str(error)))
                        continue
                    self._db.execute("INSERT INTO record VALUES (?, ?, ?)", (record.number, record.body, record.hash))
                    self.head = record
                    held.append(record.number)
            self._db.commit()
        except sqlite3.Error as error:
            self.head = before
            self._db.rollback()
            raise StoreError(f"records could not be written: {error}") from error
        return Kept(tuple(held), repeated, tuple(early), tuple(contradictions))

    def _get(self, query: str, *arguments: int) -> StoredRecord | None:
        row = self._db.execute(query, arguments).fetchone()
        return StoredRecord(*row) if row else None
