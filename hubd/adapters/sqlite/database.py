"""What the databases of hubd share: the file and its rights, the lock, pragmas, schema steps,
sentences for errors.

Laws: a commit that returned is on the disk (WAL, synchronous=FULL); a file is only touched after
its header showed that it is ours and not from a newer hubd; schema steps are numbered files,
applied in order in one transaction; no `sqlite3.Error` and no `OSError` leaves the adapters, each
becomes a sentence with a remedy.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from hubcore.errors import HardwareError, StoreError
from hubd.aside import aside

BUSY_SECONDS = 0.5
"""How long a statement waits for a lock that another process holds on the file. Twice that, for the
batch before it, is less than anybody waits for a record, so that who waits learns the cause.
"""

CHECKPOINT_PAGES = 1000
"""The write-ahead log is folded into the file at the latest when it has so many pages of 4 KiB."""

JOURNAL_BYTES = 5 << 20
"""What the write-ahead log is cut back to once it has been folded in; above CHECKPOINT_PAGES, see
`warm`.
"""

WARM_BYTES = 1 << 20
"""How large `warm` makes the write-ahead log, and how much it leaves inside the file for records to
come.
"""

WARM_BYTES_MIN = 1 << 18
"""The same where the disk has no room to spare."""

NO_ROOM_BYTES = 1 << 16
"""Where less is free, SQLite cannot make its shared memory, and tells an I/O error."""

_FULL = "the disk is full: make room, hubd goes on by itself"
_READ_ONLY = "the disk or the file is read-only: see `dmesg` for disk errors, mount it for writing"
_BAD_DISK = "the disk fails to read or write: see `dmesg`, replace it if it says so"
_CORRUPT = "it is damaged or no database"

_SENTENCES = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: "its permissions forbid it: it must belong to hubd's user",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: it and its directory must exist and belong "
    "to hubd's user",
    sqlite3.SQLITE_IOERR: _BAD_DISK,
    sqlite3.SQLITE_BUSY: "another process has locked it: end that process",
    sqlite3.SQLITE_LOCKED: "another process has locked it: end that process",
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_NOMEM: "there is no memory left: free some",
}
_OS_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _BAD_DISK,
    errno.EACCES: "its permissions forbid it: it must belong to hubd's user",
    errno.EPERM: "its permissions forbid it: it must belong to hubd's user",
}
_FILLER = "CREATE TABLE filler (data BLOB)"
_OBJECTS = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master "
    "WHERE NOT (type = 'table' AND name = 'filler' AND sql = 'CREATE TABLE filler (data BLOB)')"
)
"""All but the table of `warm`, which a crash may leave behind.

Anything else of that name acts, or is none of ours.
"""
_NOT_OURS = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """One kind of database: its name in sentences, schema folder, mark in the file's header, lock
    beside the file, the error it raises and what to do with a damaged file (`{path}` stands for its
    name); how many KiB of it each connection keeps in memory.
    """

    name: str
    schema: str
    application_id: int
    lock: str
    error: type[StoreError]
    damaged: str
    cache_kib: int

    def says(self, path: Path, what: str) -> StoreError:
        """Return the error of this kind for the file: `what` is wrong and how to mend it."""
        return self.error(f"{self.name} {path}: {what}")

    async def close_aside(
        self, path: Path, thread: str, finish: Callable[[], None], seconds: float
    ) -> None:
        """Have the file closed in a thread of that name.

        Raise StoreError when that does not end in time.
        """
        try:
            async with asyncio.timeout(seconds):
                await aside(thread, finish)
        except TimeoutError:
            raise self.says(
                path, f"the disk did not answer within {seconds:g} s while closing"
            ) from None
        except HardwareError as error:
            raise self.says(path, f"it is not closed: {error}") from error

    def broken(self, path: Path, what: str) -> StoreError:
        """Return the error for a file whose content cannot be trusted."""
        return self.says(path, f"{what}. {self.damaged.format(path=path)}")

    def translate(self, error: sqlite3.Error | OSError, path: Path) -> StoreError:
        """Return the error of this kind that says what a library's error means and what to do."""
        if isinstance(error, OSError):
            return self.says(path, _OS_SENTENCES.get(error.errno or 0, str(error)))
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _NOT_OURS and (other := _not_ours(path)):
            return self.says(*other)
        if code == sqlite3.SQLITE_IOERR and no_room(path):
            code = sqlite3.SQLITE_FULL
        if code in _DAMAGED:
            return self.broken(path, f"{_CORRUPT} ({error})")
        return self.says(path, f"{_SENTENCES.get(code, 'unexpected answer of SQLite')} ({error})")

    @contextlib.contextmanager
    def errors(self, path: Path) -> Iterator[None]:
        """Translate what SQLite and the system raise inside the block."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self.translate(error, path) from error

    def prepare(self, path: Path) -> None:
        """Create the file (0600) in its directory (0700) where missing; refuse what strangers can
        write.
        """
        with self.errors(path):
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, parents=True)
                _sync_directory(path.parent.parent)
            self._check_rights(path.parent, path.parent.stat(), 0o022, "chmod 700")
            if not os.path.lexists(path):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
                _sync_directory(path.parent)
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode):
                raise self.says(path, "it is no regular file: name one in the configuration")
            self._check_rights(path, about, 0o037, "chmod 600")

    def _check_rights(self, what: Path, about: os.stat_result, forbidden: int, remedy: str) -> None:
        """Refuse what others may write (a file: also read), or what belongs to another user."""
        mode = stat.S_IMODE(about.st_mode)
        if mode & forbidden:
            raise self.says(what, f"its mode {mode:04o} lets others in: `{remedy} {what}`")
        if about.st_uid not in (os.geteuid(), 0):
            raise self.says(
                what, f"it belongs to user {about.st_uid}, hubd runs as {os.geteuid()}: chown it"
            )

    def removed(self, path: Path) -> bool:
        """Tell whether the file was there once and is gone: its lock or its write-ahead log
        outlived it.
        """
        beside = (path.with_name(self.lock), path.with_name(path.name + "-wal"))
        return not os.path.lexists(path) and any(os.path.lexists(file) for file in beside)

    def hold(self, path: Path) -> int:
        """Take the lock beside the file: one hubd alone writes it.

        Return its descriptor; closing that lets go.
        """
        lock = path.with_name(self.lock)
        with self.errors(lock):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise self.says(
                    path, f"another hubd (process {holder}) uses it: stop that one first"
                ) from None
            except OSError:
                os.close(descriptor)
                raise
            with contextlib.suppress(
                OSError
            ):  # for people only; a full disk must not keep hubd from starting
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            return descriptor

    def open(self, path: Path) -> sqlite3.Connection:
        """Open a prepared file for writing: ours, durable, at the newest schema.

        One thread at a time may use it.
        """
        with self.errors(path):
            connection = self.connect(path)
            try:
                self._check_header(connection, path)
                self._migrate(connection, path)
                self._check_schema(connection, path)
            except BaseException:
                connection.close()
                raise
            return connection

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a file that was opened before for writing, with all pragmas.

        May raise sqlite3.Error.
        """
        connection = _connect(path)
        try:
            self._check_header(connection, path)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise self.says(
                    path, "its file system cannot hold a write-ahead log: use a local disk"
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self, path: Path) -> sqlite3.Connection:
        """Open a second connection that only reads."""
        with self.errors(path):
            connection = _connect(path)
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.execute(f"PRAGMA cache_size = -{self.cache_kib}")
            except BaseException:
                connection.close()
                raise
            return connection

    def look(self, path: Path) -> None:
        """Look into an existing file and change nothing. Raise what `open` would for one that is
        none of ours, is damaged or comes from a newer hubd. What only its write-ahead log holds is
        not seen.
        """
        with self.errors(path):
            uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                self._check_header(connection, path)
                self._check_version(connection, path, len(self._steps()))

    def _check_header(self, connection: sqlite3.Connection, path: Path) -> None:
        """Refuse, before anything is written, a database that is not of this kind."""
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != self.application_id and (mark or tables):
            raise self.broken(path, "it is a database, but not of this kind")

    def _migrate(self, connection: sqlite3.Connection, path: Path) -> None:
        """Apply the schema steps that the file lacks, all or none."""
        steps = self._steps()
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = self._check_version(connection, path, len(steps))
            for step in steps[version:]:
                for statement in _statements(step):
                    connection.execute(statement)
            if version < len(steps):
                connection.execute(f"PRAGMA user_version = {len(steps)}")
                connection.execute(f"PRAGMA application_id = {self.application_id}")
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise

    def _check_version(self, connection: sqlite3.Connection, path: Path, known: int) -> int:
        """Return the schema of a file; refuse one that is newer than what is known here."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > known:
            raise self.says(
                path,
                f"this data was written by a newer hubd (schema {version}, known here up to "
                f"{known}): "
                "install that version again",
            )
        return int(version)

    def _check_schema(self, connection: sqlite3.Connection, path: Path) -> None:
        """Refuse a file with any table, index, view or trigger that the schema steps do not
        make.
        """
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            for statement in self.statements():
                model.execute(statement)
            expected = set(model.execute(_OBJECTS))
        found = set(connection.execute(_OBJECTS))
        odd = sorted(str(item[1]) for item in expected ^ found)
        if odd:
            raise self.broken(path, f"its schema was changed: {', '.join(odd[:5])}")

    def statements(self) -> list[str]:
        """Return the statements that make the newest schema in an empty file, in order."""
        return [statement for step in self._steps() for statement in _statements(step)]

    def _steps(self) -> list[str]:
        """Return the text of the schema files 0001_*.sql, 0002_*.sql and so on."""
        folder = resources.files("hubd.adapters.sqlite") / "schema" / self.schema
        files = sorted(
            (item for item in folder.iterdir() if item.name.endswith(".sql")),
            key=lambda item: item.name,
        )
        if not files or [item.name[:5] for item in files] != [
            f"{n:04}_" for n in range(1, len(files) + 1)
        ]:
            raise self.error(
                f"{self.name}: the installation lacks schema files: install hubd again"
            )
        return [item.read_text("utf-8") for item in files]


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing file; transactions are written out by hand (`isolation_level=None`)."""
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def no_room(path: Path) -> bool:
    """Tell whether the disk of a file is as good as full."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < NO_ROOM_BYTES


def _not_ours(path: Path) -> tuple[Path, str] | None:
    """Return the file beside the database that keeps us out, and what to do: root's `sqlite3` may
    have made it.
    """
    for beside in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(OSError):
            about = beside.stat()
            if about.st_uid != os.geteuid() and not os.access(beside, os.R_OK | os.W_OK):
                owner = path.stat().st_uid
                return beside, f"it belongs to user {about.st_uid}: sudo chown {owner}: {beside}"
    return None


def warm(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Grow the write-ahead log once, so that commits overwrite its blocks: a sync of a file that
    grows costs twice.

    As many bytes stay free inside the file: records go there when the disk is full. A full disk is
    no error here.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("DROP TABLE IF EXISTS filler")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_FILLER)
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (size_bytes,))
        connection.execute("COMMIT")
        connection.execute("DROP TABLE filler")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Worker:
    """One thread that does what it is given, in order.

    Being a daemon's, it never keeps a process from ending.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Hand in a job, which must not raise."""
        self._jobs.put(job)

    def end(self) -> None:
        """Finish what was handed in and end.

        Call in a thread that may wait as long as the disk takes.
        """
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
            del job  # or what it holds would stay until the next one


def _statements(script: str) -> Iterator[str]:
    """Split a script at the ends of its statements (`executescript` would commit the transaction
    first).
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if any(line.strip() and not line.strip().startswith("--") for line in pending.splitlines()):
        yield pending


def _sync_directory(directory: Path) -> None:
    """Make new entries of a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
