"""What SQLite and the system say of a database file, in sentences for a technician.

Law: no `sqlite3.Error` and no `OSError` leaves the stores. Each becomes a sentence with a remedy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import StoreError

NO_ROOM_BYTES = 1 << 16
"""With less free, SQLite cannot make its shared memory, and tells an I/O error."""

_FULL = "the disk is full: make room, hubd goes on by itself"
_READ_ONLY = "the disk or the file is read-only: see `dmesg` for disk errors, mount it for writing"
_BAD_DISK = "the disk fails to read or write: see `dmesg`, replace it if it says so"
_CORRUPT = "it is damaged or no database"
_LOCKED = "another process has locked it: end that process"
_FORBIDDEN = "its permissions forbid it: it must belong to hubd's user"
_NOT_OPENED = "it cannot be opened: it and its directory must exist and belong to hubd's user"

_SENTENCES = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_IOERR: _BAD_DISK,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_NOMEM: "there is no memory left: free some",
}
_OS_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _BAD_DISK,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}
_KEPT_OUT = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, SQLITE_ERROR when the error has none."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


@dataclass(frozen=True, slots=True)
class ErrorSentences:
    """How one kind of database speaks of its errors.

    `name` begins each sentence, `error` is what is raised, `damaged` says what to do with a
    damaged file (`{path}` stands for its name).
    """

    name: str
    error: type[StoreError]
    damaged: str

    def says(self, path: Path, what: str) -> StoreError:
        """Return the error for the file: `what` is wrong and how to mend it."""
        return self.error(f"{self.name} {path}: {what}")

    def broken(self, path: Path, what: str) -> StoreError:
        """Return the error for a file whose content cannot be trusted."""
        remedy = self.damaged.format(path=path)
        return self.says(path, f"{what}. {remedy}")

    def translate(self, error: sqlite3.Error | OSError, path: Path) -> StoreError:
        """Return the error that says what a library's error means and what to do."""
        if isinstance(error, OSError):
            sentence = _OS_SENTENCES.get(error.errno or 0, str(error))
            return self.says(path, sentence)
        code = primary_code(error)
        if code in _KEPT_OUT:
            kept_out = self._kept_out(path)
            if kept_out is not None:
                return kept_out
        if code == sqlite3.SQLITE_IOERR and no_room(path):
            code = sqlite3.SQLITE_FULL
        if code in _DAMAGED:
            return self.broken(path, f"{_CORRUPT} ({error})")
        sentence = _SENTENCES.get(code, "unexpected answer of SQLite")
        return self.says(path, f"{sentence} ({error})")

    def _kept_out(self, path: Path) -> StoreError | None:
        """Name the file beside the database that keeps us out; root's `sqlite3` may make one."""
        for suffix in ("-wal", "-shm"):
            beside = path.with_name(path.name + suffix)
            with contextlib.suppress(OSError):
                owner = beside.stat().st_uid
                is_usable = os.access(beside, os.R_OK | os.W_OK)
                if owner != os.geteuid() and not is_usable:
                    wanted = path.stat().st_uid
                    remedy = f"sudo chown {wanted}: {beside}"
                    return self.says(beside, f"it belongs to user {owner}: {remedy}")
        return None

    @contextlib.contextmanager
    def errors(self, path: Path) -> Iterator[None]:
        """Translate what SQLite and the system raise inside the block."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self.translate(error, path) from error


def no_room(path: Path) -> bool:
    """Tell whether the disk of a file is as good as full."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    free_bytes = found.f_bavail * found.f_frsize
    return free_bytes < NO_ROOM_BYTES
