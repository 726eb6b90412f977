"""The table of acts, and the head of its chain.

Laws:
1. A row is never changed and never removed: the database itself refuses both (migration 1).
2. The head is one row. It says which act is the newest, so that a cut tail shows.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from hubcore.evidence.records import StoredRecord, facts

HEAD = 1
"""The key of the one row of the head."""
HASH_BYTES = 32


class Act(models.Model):
    """One act: its number, its bytes as those of a hub's record, the chain's hash with it."""

    number = models.BigIntegerField(primary_key=True)
    at_ms = models.BigIntegerField(db_index=True)
    body = models.BinaryField(max_length=4096)
    hash = models.BinaryField(max_length=HASH_BYTES)

    def __str__(self) -> str:
        return f"act {self.number}"

    @property
    def stored(self) -> StoredRecord:
        """The row as the chain has it."""
        return StoredRecord(self.number, bytes(self.body), bytes(self.hash))

    @property
    def said(self) -> dict[str, Any]:
        """What the bytes say. Raise AuditError when they are no record."""
        return facts(bytes(self.body))


class ChainHead(models.Model):
    """The newest act (law 2)."""

    number = models.BigIntegerField(default=0)
    hash = models.BinaryField(max_length=HASH_BYTES)

    def __str__(self) -> str:
        return f"{self.number}:{bytes(self.hash).hex()}"
