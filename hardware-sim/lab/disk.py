"""The hub's disk: an image file behind a write-back cache, which a power cut empties.

The guest's kernel reaches it by the transmission phase of NBD (simple replies,
github.com/NetworkBlockDevice/nbd, doc/proto.md); its client gets a socket after the negotiation.

Laws:
1. A write is answered when it is in the cache. Only FLUSH, or FUA on the write itself, makes it
   last.
2. At the cut each sector that was written since keeps any one of its contents, by a seeded coin. So
   a write of several sectors may be torn.
3. A sector is whole: the least that every file system relies on.
4. From the cut on nothing is answered.
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
    """Of the unflushed sectors: how many kept their newest content, and how many did not."""

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
        for sector in _sectors(offset, length):
            if sector in self._cache:
                at = sector * SECTOR_BYTES - offset
                found[at : at + SECTOR_BYTES] = self._cache[sector][-1]
        return bytes(found)

    def write(self, offset: int, data: bytes, fua: bool = False) -> None:
        """Take whole sectors into the cache; with `fua` past it."""
        if fua:
            os.pwrite(self._file, data, offset)
            for sector in _sectors(offset, len(data)):
                self._cache.pop(sector, None)
            return
        for sector in _sectors(offset, len(data)):
            at = sector * SECTOR_BYTES - offset
            contents = self._cache.setdefault(sector, [])
            contents.append(data[at : at + SECTOR_BYTES])

    def flush(self) -> None:
        """Make all that was written last."""
        for sector, contents in self._cache.items():
            os.pwrite(self._file, contents[-1], sector * SECTOR_BYTES)
        self._cache.clear()

    def cut(self, chance: random.Random) -> Loss:
        """Lose power: each unflushed sector keeps its newest content or one that it had before.

        Each cut draws how many keep it; all and none are likely.
        """
        share = chance.choice([0.0, 1.0, chance.random()])
        kept = 0
        for sector, contents in sorted(self._cache.items()):
            content: bytes | None
            if chance.random() < share:
                kept += 1
                content = contents[-1]
            else:
                content = chance.choice([None, *contents[:-1]])
            if content is not None:
                os.pwrite(self._file, content, sector * SECTOR_BYTES)
        loss = Loss(kept, len(self._cache) - kept)
        self._cache.clear()
        return loss


def _sectors(offset: int, length: int) -> range:
    return range(offset // SECTOR_BYTES, (offset + length) // SECTOR_BYTES)


class _InvalidRequest(Exception):
    """A request that the disk cannot do."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request of NBD; `handle` names it in the reply."""

    kind: int
    fua: bool
    handle: int
    offset: int
    length: int


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
        """Lose power at the change that comes after so many more: it is begun, never answered."""
        self._last_change = self.changes + changes

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self.off.is_set() and len(self._buffer) >= _REQUEST.size:
            magic, flags, kind, handle, offset, length = _REQUEST.unpack_from(self._buffer)
            if magic != _REQUEST_MAGIC or length > REQUEST_BYTES_MAX:
                raise ValueError(
                    f"disk: what came is no request of NBD: {bytes(self._buffer[:28]).hex()}"
                )
            size = _REQUEST.size
            if kind == _WRITE:
                size += length
            if len(self._buffer) < size:
                return
            body = bytes(self._buffer[_REQUEST.size : size])
            del self._buffer[:size]
            fua = bool(flags & _FUA)
            self._perform(_Request(kind, fua, handle, offset, length), body)

    def _perform(self, request: _Request, body: bytes) -> None:
        if request.kind in (_WRITE, _FLUSH):
            if self.changes == self._last_change:
                self.off.set()
                if request.kind == _WRITE:
                    self.disk.write(request.offset, body)
                return
            self.changes += 1
        try:
            answer = self._answer(request, body)
            error = 0
        except _InvalidRequest:
            answer = b""
            error = _EINVAL
        if request.kind != _DISCONNECT and self._transport is not None:
            reply = _REPLY.pack(_REPLY_MAGIC, error, request.handle)
            self._transport.write(reply + answer)

    def _answer(self, request: _Request, body: bytes) -> bytes:
        """Do what a request asks; return what it reads."""
        whole_sectors = (request.offset | request.length) % SECTOR_BYTES == 0
        ends = request.offset + request.length
        if not whole_sectors or ends > self.disk.size_bytes:
            raise _InvalidRequest
        if request.kind == _READ:
            return self.disk.read(request.offset, request.length)
        if request.kind == _WRITE:
            self.disk.write(request.offset, body, request.fua)
        elif request.kind == _FLUSH:
            self.disk.flush()
        else:
            raise _InvalidRequest
        return b""


def make_image(path: Path, mebibytes: int) -> None:
    """Make a file with an empty ext4, with the blocks of a larger file system."""
    with path.open("wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-L", "hubd", str(path)], check=True)
