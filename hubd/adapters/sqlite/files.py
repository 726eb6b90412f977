"""The file of a database on the disk: its rights, and the lock beside it.

Law: whoever else can write the file, or its directory, refuses the start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from hubd.adapters.sqlite.errors import ErrorSentences

_DIRECTORY_FORBIDDEN = 0o022
"""Nobody else may write the directory."""
_FILE_FORBIDDEN = 0o037
"""Nobody else may write the file; the group may read it."""
_BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite writes beside a database."""


def make_file(path: Path, kind: ErrorSentences) -> None:
    """Create the file (0600) and its directory (0700) where missing; check whom they let in.

    Raise the kind's error for what others can write.
    """
    with kind.errors(path):
        directory = path.parent
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True)
            _sync_directory(directory.parent)
        _check_rights(
            directory,
            status=directory.stat(),
            forbidden=_DIRECTORY_FORBIDDEN,
            remedy="chmod 700",
            kind=kind,
        )
        if not os.path.lexists(path):
            _create(path)
            _sync_directory(directory)
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise kind.says(path, f"it is no regular file: move it aside, `mv {path} {path}.aside`")
        _check_rights(
            path,
            status=status,
            forbidden=_FILE_FORBIDDEN,
            remedy="chmod 600",
            kind=kind,
        )
        _check_beside(path, kind)


def _check_beside(path: Path, kind: ErrorSentences) -> None:
    """Refuse what SQLite would open beside the file and is none: at a pipe it waits for ever."""
    for suffix in _BESIDE:
        _check_regular(path.with_name(path.name + suffix), kind)


def _check_regular(path: Path, kind: ErrorSentences) -> None:
    """Refuse what lies under the name of a file that holds nothing of worth, and is none."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise kind.says(path, f"it is no regular file: remove it with `rm -r {path}`")


def _check_rights(
    what: Path,
    status: os.stat_result,
    forbidden: int,
    remedy: str,
    kind: ErrorSentences,
) -> None:
    """Refuse what others may write (a file: also read), or what belongs to another user."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        raise kind.says(what, f"its mode {mode:04o} lets others in: `{remedy} {what}`")
    owner = status.st_uid
    if owner not in (os.geteuid(), 0):
        raise kind.says(what, f"it belongs to user {owner}, hubd runs as {os.geteuid()}: chown it")


def file_of(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of its name. May raise OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino


def sync_journal(path: Path) -> None:
    """Have all commits of a database on the disk. Raise OSError.

    SQLite locks nothing of the journal itself, so that it may be opened and closed beside it.
    """
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def take_lock(lock: Path, database: Path, kind: ErrorSentences) -> int:
    """Take the lock beside the file: one hubd alone writes it.

    Return its descriptor; closing that lets go.
    """
    with kind.errors(lock):
        _check_regular(lock, kind)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(lock, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _process_in(descriptor)
            os.close(descriptor)
            sentence = f"another hubd (process {holder}) uses it: stop that one first"
            raise kind.says(database, sentence) from None
        except OSError:
            os.close(descriptor)
            raise
        # for people only: a full disk must not keep hubd from starting
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        return descriptor


def _create(path: Path) -> None:
    """Create a file that only this user can read and write."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
    descriptor = os.open(path, flags, 0o600)
    os.close(descriptor)


def _process_in(descriptor: int) -> str:
    """Return the process number that a lock file holds, "unknown" when it holds none."""
    text = os.pread(descriptor, 20, 0).decode("ascii", "replace")
    return text.strip() or "unknown"


def _sync_directory(directory: Path) -> None:
    """Make new entries of a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
