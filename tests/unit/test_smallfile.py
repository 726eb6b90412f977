"""Small files of the state directory: whatever lies there, a read ends and a replacement works."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hubd.adapters.smallfile import read_small, replace_small

MOST = 10


def pipe(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", [pipe, directory, loop, endless])
def test_a_read_ends_and_a_replacement_takes_the_place(
    tmp_path: Path, kind: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    kind(path)
    kind(tmp_path / "file.new")
    try:
        assert len(read_small(path, MOST)) in (0, MOST + 1)
    except OSError:
        assert kind is not endless
    replace_small(path, b"new")
    assert read_small(path, MOST) == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_to_which_somebody_may_write_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    try:
        with pytest.raises(OSError, match="no file"):
            read_small(path, MOST)
    finally:
        os.close(writer)
