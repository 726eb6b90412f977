"""A policy that lies in a folder or in one file, on a stick: its root, and its pieces by name.

Laws:
1. Nothing here is believed: the hub proves root and pieces. What this program looks at are sizes,
   kinds of files and hashes, so that it reads no more than a policy can have.
2. Below the path that a person has named no link is followed, and only plain files are opened: no
   pipe and no device can hold the program up.
3. A piece that is not there, or has other bytes than its name says, is none.
4. In memory is the root, and of one file the place of each piece.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import pass_sign1
from hubcore.errors import FrameError
from hubcore.policy.document import MAX_BYTES, Brought, split
from hubcore.policy.onstick import PIECE_SUFFIX, PIECES_FOLDER, ROOT_FILE, piece_file
from hubcore.policy.tree import PIECE_BYTES, PIECES_MAX, names_of

_HEAD_BYTES = 5
_ENTRIES_MAX = 4 * PIECES_MAX
"""Of a folder of pieces, that are counted."""
_NO_PLAIN_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR})
"""What opening a link, a socket or a device gives."""
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NoPolicy(Exception):
    """What lies there is no policy: the message says why."""


class Source(Protocol):
    """Where a policy lies."""

    root: bytes
    digest: bytes
    """Of the root, as the hub tells it."""
    count: int
    """How many pieces lie there, as far as it looks."""

    def piece(self, name: bytes) -> bytes | None:
        """Return a piece, None when it is not there. Raise OSError."""


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder or a file. Raise OSError, or NoPolicy."""
    descriptor = os.open(path, _FILE)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            yield _Folder(descriptor)
        elif stat.S_ISREG(kind):
            yield _File(descriptor)
        else:
            raise NoPolicy("it is neither a folder nor a plain file")
    finally:
        os.close(descriptor)


class _Folder:
    """A folder as `hubcore.policy.onstick` has it."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        try:
            root = _read_file(ROOT_FILE, folder, MAX_BYTES)
        except FileNotFoundError:
            raise NoPolicy(f"there is no {ROOT_FILE} in it") from None
        if root is None:
            raise NoPolicy(f"its {ROOT_FILE} is no plain file, or over {MAX_BYTES} bytes")
        brought = _split(root)
        self.root = brought.root
        self.digest = brought.digest
        self.count = self._count()

    def piece(self, name: bytes) -> bytes | None:
        try:
            pieces = os.open(PIECES_FOLDER, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        try:
            data = _read_file(piece_file(name), pieces, PIECE_BYTES)
        except FileNotFoundError:
            return None
        finally:
            os.close(pieces)
        return data if data is not None and name in names_of(data) else None

    def _count(self) -> int:
        count = 0
        try:
            pieces = os.open(PIECES_FOLDER, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folder)
        except FileNotFoundError:
            return 0
        try:
            with os.scandir(pieces) as entries:
                for seen, entry in enumerate(entries):
                    if seen == _ENTRIES_MAX:
                        break
                    count += entry.name.endswith(PIECE_SUFFIX)
        finally:
            os.close(pieces)
        return count


class _File:
    """One document: the root, and its pieces after it."""

    def __init__(self, file: int) -> None:
        self._file = file
        begin = os.pread(file, MAX_BYTES + 1, 0)
        brought = _split_begin(begin)
        self.root = brought.root
        self.digest = brought.digest
        self._places: dict[bytes, tuple[int, int]] = {}
        self.count = self._find_pieces(len(self.root))

    def piece(self, name: bytes) -> bytes | None:
        place = self._places.get(name)
        if place is None:
            return None
        at, length = place
        data = os.pread(self._file, length, at)
        return data if name in names_of(data) else None

    def _find_pieces(self, at: int) -> int:
        """Note where each piece is, from the end of the root on; return how many there are."""
        count = 0
        while data := os.pread(self._file, PIECE_BYTES + _HEAD_BYTES, at):
            count += 1
            if count > 2 * PIECES_MAX:
                raise NoPolicy("it has more pieces than a policy can have")
            cursor = Cursor(data)
            try:
                piece = cursor.string(1, PIECE_BYTES)
            except FrameError as error:
                raise NoPolicy(f"its piece {count} is damaged: {error}") from error
            place = (at + cursor.at - len(piece), len(piece))
            self._places.update((name, place) for name in names_of(piece))
            at += cursor.at
        return count


def _split_begin(begin: bytes) -> Brought:
    """Split off the root that a file begins with."""
    try:
        return split(begin[: _root_bytes(begin)])
    except FrameError as error:
        raise NoPolicy(f"it does not begin with the root of a policy: {error}") from error


def _root_bytes(begin: bytes) -> int:
    cursor = Cursor(begin)
    pass_sign1(cursor, MAX_BYTES)
    if cursor.at > MAX_BYTES:
        raise FrameError(f"over {MAX_BYTES} bytes")
    return cursor.at


def _split(root: bytes) -> Brought:
    try:
        return split(root)
    except FrameError as error:
        raise NoPolicy(f"its {ROOT_FILE} is no root of a policy: {error}") from error


def _read_file(name: str, folder: int, most: int) -> bytes | None:
    """Read a plain file of a folder; None for anything else, and for a longer one.

    Raise OSError.
    """
    try:
        descriptor = os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_PLAIN_FILE:
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = file.read(most + 1)
    return data if len(data) <= most else None
