"""A database that is open before it is written: its connections, and the thread that is to write.

Laws:
1. Nothing is written by them before they are taken, and no lock is held.
2. They are taken once, for the same file. What is not taken is closed by `end`.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from hubd.adapters.sqlite.database import DatabaseKind
from hubd.adapters.sqlite.files import file_of
from hubd.adapters.sqlite.worker import Worker


class ReadyFile:
    """One file. `reader` only reads; `writer` has all pragmas."""

    def __init__(
        self, file: tuple[int, int], reader: sqlite3.Connection, writer: sqlite3.Connection
    ) -> None:
        self.file = file
        self.reader = reader
        self.writer = writer
        self._worker: Worker | None = None
        self._is_taken = False

    @classmethod
    def open(cls, kind: DatabaseKind, path: Path, thread: str) -> Self:
        """Open a file that is there; `thread` is the name of the one that is to write.

        Raise StoreError.
        """
        with ExitStack() as undo:
            reader = kind.reader(path)
            undo.callback(reader.close)
            kind.prepare(path)
            with kind.errors(path):
                writer = kind.connect(path)
                undo.callback(writer.close)
                ready = cls(file_of(path), reader, writer)
            ready._worker = Worker(thread)
            undo.pop_all()
        return ready

    def is_of(self, path: Path) -> bool:
        """Tell whether that is the file under this name. May raise OSError."""
        return file_of(path) == self.file

    def take(self) -> Worker | None:
        """Make the connections and the thread the caller's."""
        self._is_taken = True
        return self._worker

    def end(self) -> None:
        """Close what nobody has taken."""
        if self._is_taken:
            return
        self._is_taken = True
        self.reader.close()
        self.writer.close()
        if self._worker is not None:
            self._worker.submit_end()
