"""The hub's disk: an image file behind a write-back cache, which a power cut empties as the cache
of a real one.

Laws: a write is answered when it is in the cache, and only FLUSH, or FUA on the write itself, makes
it last; at the cut each sector that was written since keeps any one of its contents, by a seeded
coin, so that a write of several sectors may be torn; from the cut on nothing is answered. A sector
is whole: the least that every file system relies on. The guest's kernel reaches it by the
transmission phase of NBD (simple replies, github.com/NetworkBlockDevice/nbd, doc/proto.md), its
client being given a socket that is past the negotiation.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512
REQUEST_BYTES_MAX = 32 << 20
_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">IIQ")
_REQUEST_MAGIC = 0x25609513
_REPLY_MAGIC = 0x67446698
_READ = 0
_WRITE = 1
_DISCONNECT = 2
_FLUSH = 3
_FUA = 1
_EINVAL = 22


@dataclass(frozen=True, slots=True)
class Loss:
    """What a cut did to the sectors that were not flushed: how many kept their newest content, and
    how many not.
    """

    kept: int
    lost: int


class Disk:
    """An image file of whole sectors and the cache before it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        self.size_bytes = os.fstat(self._file).st_size
        self._cache: dict[int, list[bytes]] = {}

    def close(self) -> None:
        """Let go of the file; what is in the cache is lost."""
        os.close(self._file)

    def read(self, offset: int, length: int) -> bytes:
        """Return what was written last, flushed or not."""
        found = bytearray(os.pread(self._file, length, offset))
        for sector in range(offset // SECTOR_BYTES, (offset + length) // SECTOR_BYTES):
            if sector in self._cache:
                at = sector * SECTOR_BYTES - offset
                found[at : at + SECTOR_BYTES] = self._cache[sector][-1]
        return bytes(found)

    def write(self, offset: int, data: bytes, fua: bool = False) -> None:
        """Take whole sectors into the cache; with `fua` past it."""
        for at in range(0, len(data), SECTOR_BYTES):
            self._cache.setdefault((offset + at) // SECTOR_BYTES, []).append(
                data[at : at + SECTOR_BYTES]
            )
        if fua:
            os.pwrite(self._file, data, offset)
            for sector in range(offset // SECTOR_BYTES, (offset + len(data)) // SECTOR_BYTES):
                del self._cache[sector]

    def flush(self) -> None:
        """Make all that was written last."""
        for sector, contents in self._cache.items():
            os.pwrite(self._file, contents[-1], sector * SECTOR_BYTES)
        self._cache.clear()

    def cut(self, chance: random.Random) -> Loss:
        """Lose power: each unflushed sector keeps its newest content or one that it had before.

        How many keep it is drawn anew for each cut, with all and none among the likely ones.
        """
        share = chance.choice([0.0, 1.0, chance.random()])
        kept = 0
        for sector, contents in sorted(self._cache.items()):
            if chance.random() < share:
                kept += 1
                os.pwrite(self._file, contents[-1], sector * SECTOR_BYTES)
            elif older := chance.choice([None, *contents[:-1]]):
                os.pwrite(self._file, older, sector * SECTOR_BYTES)
        loss = Loss(kept, len(self._cache) - kept)
        self._cache.clear()
        return loss


class DiskLine(asyncio.Protocol):
    """Serves a disk on one byte stream, until `off`."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.off = asyncio.Event()
        self.changes = 0
        """Writes and flushes so far."""
        self._last_change: int | None = None
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def trip_after(self, changes: int) -> None:
        """Lose power by itself at the change that comes after so many more: it is begun and never
        answered.
        """
        self._last_change = self.changes + changes

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self.off.is_set() and len(self._buffer) >= _REQUEST.size:
            magic, flags, kind, handle, offset, length = _REQUEST.unpack_from(self._buffer)
            if magic != _REQUEST_MAGIC or length > REQUEST_BYTES_MAX:
                raise ValueError(
                    f"disk: what came is no request of NBD: {bytes(self._buffer[:28]).hex()}"
                )
            size = _REQUEST.size + (length if kind == _WRITE else 0)
            if len(self._buffer) < size:
                return
            body = bytes(self._buffer[_REQUEST.size : size])
            del self._buffer[:size]
            self._perform(kind, bool(flags & _FUA), handle, offset, length, body)

    def _perform(
        self, kind: int, fua: bool, handle: int, offset: int, length: int, body: bytes
    ) -> None:
        if kind in (_WRITE, _FLUSH):
            if self.changes == self._last_change:
                self.off.set()
                if kind == _WRITE:
                    self.disk.write(offset, body)
                return
            self.changes += 1
        answer = b""
        error = 0
        if (offset | length) % SECTOR_BYTES or offset + length > self.disk.size_bytes:
            error = _EINVAL
        elif kind == _READ:
            answer = self.disk.read(offset, length)
        elif kind == _WRITE:
            self.disk.write(offset, body, fua)
        elif kind == _FLUSH:
            self.disk.flush()
        else:
            error = _EINVAL
        if kind != _DISCONNECT and self._transport is not None:
            self._transport.write(_REPLY.pack(_REPLY_MAGIC, error, handle) + answer)


def make_image(path: Path, mebibytes: int) -> None:
    """Make a file with an empty ext4 as `mkfs.ext4` of this machine makes it, with the blocks of a
    larger one.
    """
    with path.open("wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-L", "hubd", str(path)], check=True)
