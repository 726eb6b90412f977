"""The one thread in which a part that has a loop reads and writes rows.

Law: what the database refuses is a StoreError with its words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import Error, close_old_connections, connection

from hubcore.errors import StoreError

_T = TypeVar("_T")


class RowsThread:
    """A thread with a connection of its own to the database."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)

    async def do(self, work: Callable[[], _T]) -> _T:
        """Do what reads or writes rows. Raise StoreError."""

        def fresh() -> _T:
            try:
                close_old_connections()
                return work()
            except Error as error:
                raise StoreError(f"The database does not answer as it must: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, fresh)

    def end(self) -> None:
        """Close the connection, and end the thread."""
        self._thread.submit(lambda: connection.close()).result()
        self._thread.shutdown()
