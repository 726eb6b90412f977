"""The newest records of a log that another process writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hubd.adapters.sqlite.database import AUDIT


def newest_bodies(path: Path, limit: int) -> Sequence[bytes]:
    """Return the bytes of at most `limit` records, the newest first. Raise AuditError."""
    query = "SELECT body FROM records ORDER BY number DESC LIMIT ?"
    with closing(AUDIT.reader(path)) as connection, AUDIT.errors(path):
        return [body for (body,) in connection.execute(query, (limit,))]
