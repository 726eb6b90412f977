"""A small file in the state directory: read without waiting, replaced as a whole.

Laws:
1. Whatever lies under its name (a pipe, a directory, a loop of symlinks, a file without end), the
   read ends at once, with at most `most` bytes and one, or an OSError.
2. A replacement takes the place of whatever lies there. It is durable on return: after a power cut
   the file is the old one or the new one.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def read_small(path: Path, most: int) -> bytes:
    """Return what the file holds, cut after `most` bytes and one. Raise OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb", buffering=0) as file:
        data = file.read(most + 1)
    if data is None:  # a pipe to which somebody may write
        raise OSError(errno.EINVAL, "it is no file")
    return data


def replace_small(path: Path, data: bytes) -> None:
    """Put a file with this content in its place. Raise OSError."""
    new = path.with_name(f"{path.name}.new")
    _remove(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.is_dir() and not path.is_symlink():
        _remove(path)
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
