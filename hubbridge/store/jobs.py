"""What is asked of a bridge's file: each job runs inside the transaction of its batch.

Laws:
1. A job changes the file and the batch's own values, and both count only after the commit.
2. A refusal is a value. What a job raises undoes its whole batch, so a value that cannot be written
   is refused where the job is made.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from hubbridge.rules.room import RoomLimits
from hubbridge.store import rows
from hubbridge.store.rows import HubRow
from hubcore.bridge.ends import Ends
from hubcore.evidence.records import Head

_Result = TypeVar("_Result", covariant=True)


@dataclass(slots=True)
class Batch:
    """One transaction: the connection, and all hubs as they are in it."""

    connection: sqlite3.Connection
    limits: RoomLimits
    hubs: dict[str, HubRow]
    ends: Ends
    is_tight: bool = False
    """The disk has no room for records (`room`, law 5)."""
    proven: dict[str, Head] = field(default_factory=dict)
    """The last record of each hub that was read and proven: the next read goes on from there."""

    def used(self) -> dict[str, int]:
        """Return the bytes of each hub."""
        return {name: row.used_bytes for name, row in self.hubs.items()}

    def put(self, hub: str, row: HubRow) -> None:
        """Write what is held of a hub."""
        if self.hubs.get(hub) != row:
            rows.write_hub(self.connection, row)
            self.hubs[hub] = row


class Job(Protocol[_Result]):
    """Something that is done in a batch."""

    def run(self, batch: Batch) -> _Result:
        """Do it (laws 1 and 2)."""


@dataclass(frozen=True, slots=True)
class TakeEnds:
    """A list of whom the site has ended."""

    offered: Ends

    def run(self, batch: Batch) -> Ends:
        """Write it, if it is a newer one; return the list that counts."""
        if self.offered.version > batch.ends.version:
            rows.write_ends(batch.connection, self.offered)
            batch.ends = self.offered
        return batch.ends


@dataclass(frozen=True, slots=True)
class PutDocuments:
    """These documents of one kind, by their places, instead of those that were there."""

    kind: str
    documents: dict[bytes, bytes]

    def run(self, batch: Batch) -> None:
        """Write them."""
        rows.write_documents(batch.connection, self.kind, self.documents)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one kind. They prove nothing until their signatures are proven."""

    kind: str

    def run(self, batch: Batch) -> dict[bytes, bytes]:
        """Return them by their places."""
        return rows.load_documents(batch.connection, self.kind)
