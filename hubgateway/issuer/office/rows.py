"""The rows of the engine, as an office writes them.

Law: each row is written after the revision that was read. Who comes second hears of it, and
changes nothing.
"""

from __future__ import annotations

from hubgateway.engine.buckets import Table
from hubgateway.engine.trouble import MovedOnError
from hubgateway.issuer.office.words import NoError


class Rows:
    """Reads and writes rows."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        """Return a row, None for none, and its revision."""
        return await self._table.at(bucket, key)

    async def snapshot(self, bucket: str) -> dict[str, bytes]:
        """Return all rows of a bucket."""
        return await self._table.snapshot(bucket)

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> None:
        """Write a row in the place of that revision. Raise NoError."""
        try:
            await self._table.swap(bucket, key, value, revision)
        except MovedOnError as error:
            raise NoError(f"somebody else decides about {key}, too: look again") from error

    async def put(self, bucket: str, key: str, value: bytes | None) -> None:
        """Write a row in the place of what is there now; None takes it away. Raise NoError."""
        _, revision = await self._table.at(bucket, key)
        if value is not None or revision:
            await self.swap(bucket, key, value, revision)
