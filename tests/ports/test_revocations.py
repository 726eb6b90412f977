"""What every keeper of carried revocations does: the suite of `ports.stores.DocumentFile`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hubcore.access.revocations import BYTES_MAX, LISTS_MAX
from hubcore.codec import cbor
from hubcore.errors import StoreError
from hubcore.ports import stores
from hubd.adapters.host.signed_file import RevocationFile
from tests.fakes.documents import FakeDocumentFile

FILE_BYTES_MAX = 16 + LISTS_MAX * (BYTES_MAX + 3)


@dataclass
class Bench:
    """A file, how to open it again, and how its disk comes to refuse."""

    file: stores.DocumentFile
    again: Callable[[], stores.DocumentFile]
    spoil: Callable[[], None]


def fake(_folder: Path) -> Bench:
    file = FakeDocumentFile()

    def spoil() -> None:
        file.failing = StoreError("the disk is full")

    return Bench(file, lambda: file, spoil)


def real(folder: Path) -> Bench:
    state = folder / "state"
    state.mkdir()
    path = state / "revocations.cbor"

    def spoil() -> None:
        state.rename(folder / "away")
        state.touch()

    return Bench(RevocationFile(path), lambda: RevocationFile(path), spoil)


@pytest.fixture(params=[fake, real])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path)
    return made


async def test_what_was_written_is_found(bench: Bench) -> None:
    assert list(bench.file.found()) == []
    for documents in ([b"one"], [b"one", b"two"], [], [bytes(BYTES_MAX)] * LISTS_MAX):
        await bench.file.write(documents)
        assert list(bench.again().found()) == documents


async def test_a_disk_that_refuses_is_said(bench: Bench) -> None:
    bench.spoil()
    with pytest.raises(StoreError):
        bench.file.found()
    with pytest.raises(StoreError):
        await bench.file.write([b"one"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        b"no cbor",
        cbor.encode([b""]),
        cbor.encode(["text"]),
        cbor.encode([bytes(BYTES_MAX + 1)]),
        cbor.encode([b"one"] * (LISTS_MAX + 1)),
        cbor.encode([b"one"])[:-1],
        cbor.encode([b"one"]) + b"\x00",
        bytes(FILE_BYTES_MAX + 1),
    ],
)
def test_a_damaged_file_is_an_error_and_nothing_of_it_counts(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "revocations.cbor"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=str(path)):
        RevocationFile(path).found()


def test_a_pipe_in_the_place_of_the_file_stops_no_start(tmp_path: Path) -> None:
    path = tmp_path / "revocations.cbor"
    os.mkfifo(path)
    with pytest.raises(StoreError, match=str(path)):
        RevocationFile(path).found()
    writer = os.open(path, os.O_RDWR)  # somebody who never writes
    try:
        with pytest.raises(StoreError, match=str(path)):
            RevocationFile(path).found()
    finally:
        os.close(writer)


async def test_a_replacement_that_was_cut_off_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "revocations.cbor"
    file = RevocationFile(path)
    await file.write([b"one"])
    (tmp_path / "revocations.cbor.new").write_bytes(b"\x82\x43on")
    assert list(file.found()) == [b"one"]
    await file.write([b"two"])
    assert list(file.found()) == [b"two"]
    assert path.stat().st_mode & 0o077 == 0
