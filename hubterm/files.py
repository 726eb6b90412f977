"""Files that a program reads, and those that it makes for somebody: as a whole, or not at all.

Laws:
1. What is written has another name until it is whole. Whatever ends the writing by an exception, a
   Ctrl-C, SIGTERM and SIGHUP too (`hubterm.endings`), leaves no part of it behind, and what was
   there before stays.
2. Only the user who made it can read it.
3. It takes the place of an ordinary file alone: never that of a device, a folder or a link.
4. What is read is an ordinary file with a ceiling. Nothing waits for a pipe or a device.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600


def read_ordinary(path: Path, most: int, follows: bool = True) -> bytes:
    """Read a file of at most so many bytes; a link in its place only if it `follows`.

    Raise OSError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags if follows else flags | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most} bytes", str(path))
    return data


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file of this name; it is there once the block has ended well. Raise OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "it is there, and no ordinary file")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(unfinished, flags, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        raise
