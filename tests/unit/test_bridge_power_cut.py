"""A bridge's file through power cuts: what was written and not synced may be lost, in any part.

How it works: SQLite is told to call us where it syncs a file. What lies in a file then is on the
disk. Of all that was written later, a power cut leaves each block or loses it, as chance has it.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from hubbridge.rules.room import RoomLimits
from hubbridge.store.leaving import Durable
from hubbridge.store.meeting import Resume
from hubbridge.store.offering import Offer
from hubbridge.store.reading import Read
from hubbridge.store.schema import open_file
from hubbridge.store.writer import Writer
from hubcore.evidence.records import Head, StoredRecord, chain_hash

BLOCK_BYTES = 4096
OPEN_INDEX = 3
"""The place of `xOpen` among the pointers of a `sqlite3_vfs`, behind its three numbers."""
SYNC_INDEX = 4
"""The place of `xSync` among the pointers of `sqlite3_io_methods`, behind its number."""
METHODS = 18
FULL = 2
LIMITS = RoomLimits(budget_bytes=1 << 26, hubs_max=4)

_Open = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,  # the name: SQLite keeps this very pointer
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """The head of a `sqlite3_vfs`, up to `xOpen`."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes", ctypes.c_int),
        ("pointers", ctypes.c_void_p * (OPEN_INDEX + 1)),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`."""

    _fields_ = (("version", ctypes.c_int), ("pointers", ctypes.c_void_p * METHODS))


@dataclass(frozen=True)
class Cut:
    """What a disk holds after a power cut; and which record the bridge had said to hold by then."""

    files: dict[str, bytes]
    said: int


@dataclass
class Disk:
    """What is synced of each file, and the power cuts that were tried."""

    chance: Random
    said: int = 0
    durable: dict[str, bytes] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    syncs: int = 0
    _kept: list[object] = field(default_factory=list)
    """What SQLite has pointers to."""

    def opened(self, path: str) -> None:
        self.durable.setdefault(path, Path(path).read_bytes())

    def synced(self, path: str) -> None:
        self.syncs += 1
        self.durable[path] = Path(path).read_bytes()

    def cut(self) -> None:
        """Note what a power cut at this moment would leave."""
        found = {}
        for name, old in self.durable.items():
            path = Path(name)
            if path.exists():  # SQLite syncs the folder when it removes a file
                found[path.name] = self._mixed(old, path.read_bytes())
        self.cuts.append(Cut(found, self.said))

    def _mixed(self, old: bytes, new: bytes) -> bytes:
        likely = self.chance.choice((0.0, 0.5, 1.0))
        blocks: list[bytes] = []
        for at in range(0, max(len(old), len(new)), BLOCK_BYTES):
            source = new if self.chance.random() < likely else old
            block = source[at : at + BLOCK_BYTES]
            is_last = at + BLOCK_BYTES >= max(len(old), len(new))
            blocks.append(block if is_last else block.ljust(BLOCK_BYTES, b"\0"))
        return b"".join(blocks)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Have SQLite tell of each file that it opens and syncs inside the block."""
        vfs = _default_vfs()
        before = vfs.pointers[OPEN_INDEX]
        really_open = _Open(before)

        @_Open
        def opens(of: int, name: int | None, file: int, flags: int, out: int) -> int:
            answer: int = really_open(of, name, file, flags, out)
            if answer == 0 and name is not None:
                path = ctypes.string_at(name).decode()
                self.opened(path)
                self._watch(file, path)
            return answer

        self._kept.append(opens)
        vfs.pointers[OPEN_INDEX] = ctypes.cast(opens, ctypes.c_void_p).value
        try:
            yield
        finally:
            vfs.pointers[OPEN_INDEX] = before

    def _watch(self, file: int, path: str) -> None:
        place = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(_Methods)))
        methods = _Methods.from_buffer_copy(place.contents.contents)
        really_sync = _Sync(methods.pointers[SYNC_INDEX])

        @_Sync
        def syncs(of: int, flags: int) -> int:
            if self.chance.random() < 0.2:
                self.cut()
            answer: int = really_sync(of, flags)
            self.synced(path)
            return answer

        methods.pointers[SYNC_INDEX] = ctypes.cast(syncs, ctypes.c_void_p).value
        self._kept += [syncs, methods]
        place[0] = ctypes.pointer(methods)


def _default_vfs() -> _Vfs:
    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        find = library.sqlite3_vfs_find
    except AttributeError:
        pytest.skip("the SQLite of this Python cannot be asked for its files")
    find.restype = ctypes.POINTER(_Vfs)
    found: _Vfs = find(None).contents
    return found


def long_chain(count: int) -> list[StoredRecord]:
    made: list[StoredRecord] = []
    head = Head()
    for number in range(1, count + 1):
        body = number.to_bytes(4, "big") * 800
        head = Head(number, chain_hash(head.hash, number, body))
        made.append(StoredRecord(number, body, head.hash))
    return made


def test_what_was_said_to_be_held_survives_a_power_cut(tmp_path: Path) -> None:
    """schema, law 1; writer, law 2: at each moment, also amid a sync or a checkpoint"""
    disk = Disk(Random(161))
    log = long_chain(64 * 26)
    (tmp_path / "on").mkdir()
    with disk.watched(), closing(Writer(tmp_path / "on" / "bridge.db", LIMITS)) as writer:
        writer.write([Resume("hub-1", Head())])
        while disk.said < len(log):
            batch = tuple(log[disk.said : disk.said + disk.chance.randrange(1, 128)])
            (offered,) = writer.write([Offer("hub-1", batch)])
            assert offered.held[-1] == batch[-1].number
            disk.said = batch[-1].number
            if disk.chance.random() < 0.2:
                disk.cut()
            if disk.chance.random() < 0.2:
                writer.write([Durable("hub-1", disk.said // 3)])
    for number, cut in enumerate(disk.cuts):
        _is_whole(tmp_path / f"cut-{number}", cut, log)
    assert disk.syncs > 20
    assert len(disk.cuts) > 5


def _is_whole(folder: Path, cut: Cut, log: list[StoredRecord]) -> None:
    """Start a bridge's store on what a power cut has left."""
    folder.mkdir()
    for name, data in cut.files.items():
        (folder / name).write_bytes(data)
    with closing(Writer(folder / "bridge.db", LIMITS)) as writer:
        assert not writer.opened.damaged
        kept = writer.hubs.get("hub-1")
        newest = 0 if kept is None else kept.newest.number
        assert newest >= cut.said
        durable = 0 if kept is None else kept.durable
        (read,) = writer.write([Read("hub-1", durable, len(log))])
        assert list(read) == log[durable:newest][: len(read)]
        assert bool(read) == (newest > durable)


def test_each_connection_that_writes_syncs_each_commit(tmp_path: Path) -> None:
    """schema, law 1"""
    asked = ("journal_mode", "synchronous", "foreign_keys")
    for _ in range(2):  # a new file, and one that is there
        with closing(open_file(tmp_path / "bridge.db")) as connection:
            found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
            assert found == ["wal", FULL, 1]
