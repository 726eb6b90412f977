"""The lab's disk loses what was not flushed, in part, and never what was; its NBD is what a
kernel's client expects.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lab.disk import REQUEST_BYTES_MAX, SECTOR_BYTES, Disk, DiskLine, Loss

pytestmark = pytest.mark.once

SECTORS = 64
OLD, NEW, NEWER = (bytes([byte]) * SECTOR_BYTES for byte in (1, 2, 3))
READ, WRITE, DISCONNECT, FLUSH, TRIM = range(5)
FUA = 1


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    image = tmp_path / "disk.img"
    image.write_bytes(OLD * SECTORS)
    return Disk(image)


def _sectors(disk: Disk) -> list[bytes]:
    whole = disk.read(0, SECTORS * SECTOR_BYTES)
    return [whole[at : at + SECTOR_BYTES] for at in range(0, len(whole), SECTOR_BYTES)]


@pytest.mark.parametrize("seed", range(20))
def test_what_was_flushed_outlives_every_cut(disk: Disk, seed: int) -> None:
    disk.write(0, NEW * SECTORS)
    disk.flush()
    assert disk.cut(random.Random(seed)) == Loss(0, 0)
    assert _sectors(disk) == [NEW] * SECTORS


@pytest.mark.parametrize("seed", range(20))
def test_what_was_written_past_the_cache_outlives_every_cut(disk: Disk, seed: int) -> None:
    disk.write(0, NEW * 2)
    disk.write(SECTOR_BYTES, NEWER, fua=True)
    disk.cut(random.Random(seed))
    assert _sectors(disk)[0] in (OLD, NEW)
    assert _sectors(disk)[1] == NEWER


def test_what_was_not_flushed_is_lost_in_part_sometimes_whole_and_sometimes_not_at_all(
    tmp_path: Path,
) -> None:
    lost = []
    for seed in range(60):
        image = tmp_path / str(seed)
        image.write_bytes(OLD * SECTORS)
        disk = Disk(image)
        disk.write(0, NEW * SECTORS)
        assert _sectors(disk) == [NEW] * SECTORS, (
            "who reads before the cut sees what was written last"
        )
        loss = disk.cut(random.Random(seed))
        after = _sectors(disk)
        assert set(after) <= {OLD, NEW}
        assert (after.count(NEW), after.count(OLD)) == (loss.kept, loss.lost)
        lost.append(loss.lost)
    assert {0, SECTORS} < set(lost)
    assert len(set(lost)) > 10


def test_a_sector_may_fall_back_to_any_content_that_it_had(tmp_path: Path) -> None:
    seen = set()
    for seed in range(60):
        image = tmp_path / str(seed)
        image.write_bytes(OLD * SECTORS)
        disk = Disk(image)
        disk.write(0, NEW)
        disk.write(0, NEWER)
        disk.cut(random.Random(seed))
        seen.add(_sectors(disk)[0])
    assert seen == {OLD, NEW, NEWER}


def test_the_same_seed_loses_the_same(tmp_path: Path) -> None:
    after = []
    for name in ("one", "two"):
        image = tmp_path / name
        image.write_bytes(OLD * SECTORS)
        disk = Disk(image)
        disk.write(0, NEW * SECTORS)
        disk.cut(random.Random(3))
        after.append(image.read_bytes())
    assert after[0] == after[1]
    assert set(after[0]) == {1, 2}


class Client:
    """What a kernel's client does: numbered requests, one answer to each."""

    def __init__(
        self, line: DiskLine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.line = line
        self.reader = reader
        self.writer = writer
        self._handle = 0

    def put(
        self, kind: int, offset: int = 0, length: int = 0, data: bytes = b"", flags: int = 0
    ) -> None:
        self._handle += 1
        self.writer.write(
            struct.pack(
                ">IHHQQI", 0x25609513, flags, kind, self._handle, offset, length or len(data)
            )
        )
        self.writer.write(data)

    async def ask(
        self, kind: int, offset: int = 0, length: int = 0, data: bytes = b"", flags: int = 0
    ) -> int | bytes:
        """Return what was read, or the answer's error."""
        self.put(kind, offset, length, data, flags)
        magic, error, handle = struct.unpack(">IIQ", await self.reader.readexactly(16))
        assert (magic, handle) == (0x67446698, self._handle)
        return await self.reader.readexactly(length) if kind == READ and not error else int(error)


@pytest_asyncio.fixture
async def client(disk: Disk) -> AsyncIterator[Client]:
    line = DiskLine(disk)
    server = await asyncio.get_running_loop().create_server(lambda: line, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        yield Client(line, reader, writer)
        writer.close()
        await writer.wait_closed()


async def test_over_the_line_only_a_flush_or_fua_makes_a_write_last(
    client: Client, disk: Disk
) -> None:
    assert await client.ask(WRITE, 0, data=NEW) == 0
    assert await client.ask(WRITE, SECTOR_BYTES, data=NEW, flags=FUA) == 0
    assert await client.ask(READ, 0, SECTOR_BYTES * 3) == NEW + NEW + OLD
    disk.cut(_Loser())
    assert _sectors(disk)[:3] == [OLD, NEW, OLD]
    assert await client.ask(WRITE, 0, data=NEWER) == 0
    assert await client.ask(FLUSH) == 0
    disk.cut(_Loser())
    assert _sectors(disk)[0] == NEWER


class _Loser(random.Random):
    """Chance that keeps nothing."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: object) -> object:  # type: ignore[override]
        return seq[0]  # type: ignore[index]


async def test_what_the_disk_cannot_do_is_an_error_and_the_next_request_is_served(
    client: Client,
) -> None:
    assert await client.ask(TRIM, 0, SECTOR_BYTES) == 22
    assert await client.ask(READ, 1, SECTOR_BYTES) == 22
    assert await client.ask(READ, (SECTORS - 1) * SECTOR_BYTES, 2 * SECTOR_BYTES) == 22
    assert await client.ask(READ, 0, SECTOR_BYTES) == OLD


async def test_from_the_change_it_trips_at_nothing_is_answered_and_nothing_more_is_kept(
    client: Client, disk: Disk
) -> None:
    client.line.trip_after(2)
    assert await client.ask(WRITE, 0, data=NEW) == 0
    assert await client.ask(READ, 0, SECTOR_BYTES) == NEW
    assert await client.ask(FLUSH) == 0
    client.put(WRITE, SECTOR_BYTES, data=NEW, flags=FUA)
    client.put(FLUSH)
    client.put(READ, 0, SECTOR_BYTES)
    await client.line.off.wait()
    client.writer.close()
    assert await client.reader.read() == b""
    disk.cut(_Loser())
    assert _sectors(disk)[:2] == [NEW, OLD]


async def test_what_is_no_request_ends_the_line(client: Client) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: errors.append(context["exception"])
    )
    client.writer.write(struct.pack(">IHHQQI", 0x25609513, 0, WRITE, 1, 0, REQUEST_BYTES_MAX + 1))
    assert await client.reader.read() == b""
    assert "no request of NBD" in str(errors[0])
