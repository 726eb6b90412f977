"""The signer's log: an append-only file of lines, each with the hash of the one before.

Shape: frames (`hubcore.bridge.frames`), in each `[number, body, hash]` in CBOR. The hash is that of
`hubcore.evidence.records`.

Laws:
1. A line is on the disk when `append` returns.
2. What could not be written whole is cut off again. Where that fails, too, the log takes nothing
   more until the next start.
3. At the start the whole chain is verified. A line that was edited, swapped or is missing refuses
   the start. The beginning of a last line is cut off: nobody has had its signature.
4. One process has the log.

A chain shows no tail that was cut off between lines: compare its head with one that was noted
(`hubissuer signed --known`). Each start tells the head.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hubcore.bridge.frames import HEAD_BYTES, Frames, frame
from hubcore.codec import cbor
from hubcore.errors import AuditError, ConfigError, FrameError, StoreError
from hubcore.evidence.records import BODY_BYTES, Head, StoredRecord, chain_hash, follows

LINE_BYTES = BODY_BYTES + 64
READ_BYTES = 65_536
_REST_BYTES = HEAD_BYTES + LINE_BYTES + 1
_LINE_BEGINS = b"\x83"
"""An array of three in CBOR."""
_SIZE_BYTES = 5
"""The longest head of a body."""
_HASH_BYTES = 2 + 32
"""A hash, with its head."""
_MODE = 0o600


class SigningLog:
    """Open it once a process; `close` gives it up."""

    def __init__(self, path: Path) -> None:
        """Take the file, and make it if it is not there (law 4). Raise ConfigError."""
        self._path = path
        self._broken = ""
        self.head = Head()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(path, flags, _MODE)
        except OSError as error:
            raise ConfigError(f"{path}: the log cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_folder(path.parent)
        except OSError as error:
            os.close(self._file)
            raise ConfigError(
                f"{path}: another program has the log open, or it cannot be locked: "
                f"{error.strerror}"
            ) from error

    def read(self) -> Iterator[bytes]:
        """Yield the body of each line, proven, before the first `append` (law 3).

        Raise AuditError or StoreError.
        """
        good = 0
        try:
            for record, ends in _records(self._file):
                follows(self.head, record)
                self.head = Head(record.number, record.hash)
                good = ends
                yield record.body
            if os.fstat(self._file).st_size != good:
                _must_be_torn(os.pread(self._file, _REST_BYTES, good), self.head.number + 1)
                os.ftruncate(self._file, good)
                os.fsync(self._file)
        except AuditError as error:
            raise AuditError(f"{self._path}: {error}") from error
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error

    def append(self, body: bytes) -> None:
        """Write the next line (laws 1 and 2). Raise StoreError."""
        if self._broken:
            raise StoreError(f"{self._path}: {self._broken}")
        number = self.head.number + 1
        record = StoredRecord(number, body, chain_hash(self.head.hash, number, body))
        line = frame(cbor.encode([record.number, record.body, record.hash]))
        try:
            before = os.fstat(self._file).st_size
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from error
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(0, "the disk took a part of a line")
            os.fdatasync(self._file)
        except OSError as error:
            self._cut_off(before)
            raise StoreError(f"{self._path}: {error.strerror}") from error
        self.head = Head(record.number, record.hash)

    def close(self) -> None:
        """Give it up."""
        os.close(self._file)

    def _cut_off(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
            os.fdatasync(self._file)
        except OSError as error:
            self._broken = f"a part of a line cannot be cut off: {error.strerror}; start anew"


def read_log(path: Path) -> Iterator[StoredRecord]:
    """Yield each line of a log, proven, without changing it. Raise AuditError or ConfigError."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        head = Head()
        good = 0
        for record, ends in _records(file):
            follows(head, record)
            head = Head(record.number, record.hash)
            good = ends
            yield record
        _must_be_torn(os.pread(file, _REST_BYTES, good), head.number + 1)
    finally:
        os.close(file)


def _records(file: int) -> Iterator[tuple[StoredRecord, int]]:
    """Yield the records of a file and where each ends; a torn last one is left out."""
    frames = Frames(LINE_BYTES)
    at = 0
    ends = 0
    while data := os.pread(file, READ_BYTES, at):
        at += len(data)
        frames.feed(data)
        try:
            while (line := frames.next()) is not None:
                ends += HEAD_BYTES + len(line)
                yield _record(line), ends
        except FrameError:
            return  # `_must_be_torn` looks at what stands there


def _must_be_torn(rest: bytes, number: int) -> None:
    """Raise AuditError unless `rest` is the beginning of the line of this number, or nothing.

    A length that was edited would hide the lines behind it: so it is compared with the line's own.
    Zeros are the beginning of a line, too: some disks have the new length before the bytes.
    """
    if len(rest) < HEAD_BYTES or (len(rest) < _REST_BYTES and not any(rest)):
        return
    begins = _LINE_BEGINS + cbor.write_head(cbor.UINT, number)
    line = rest[HEAD_BYTES:]
    size = int.from_bytes(rest[:HEAD_BYTES], "big")
    at = len(begins)
    is_own = line[:at] == begins[: len(line)] and len(line) < size <= LINE_BYTES
    if is_own and len(line) >= at + _SIZE_BYTES:
        is_own = size == _own_size(line, at)
    if not is_own:
        raise AuditError(f"after line {number - 1} stands no line: the log was edited or damaged")


def _own_size(line: bytes, at: int) -> int:
    """Return how long a line is by the head of its body, 0 where that is none."""
    try:
        body, after = cbor.read_head(line, at, cbor.BYTES)
    except FrameError:
        return 0
    return after + body + _HASH_BYTES


def _record(line: bytes) -> StoredRecord:
    try:
        match cbor.decode(line):
            case [int() as number, bytes() as body, bytes() as digest] if len(digest) == 32:
                return StoredRecord(number, body, digest)
    except FrameError as error:
        raise AuditError(f"a line cannot be read: {error}") from error
    raise AuditError("a line is no [number, body, hash]")


def sync_folder(folder: Path) -> None:
    """Have what a folder names on the disk. Raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
