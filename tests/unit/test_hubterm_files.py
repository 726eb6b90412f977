"""`hubterm.files`: what is read is an ordinary file, and nothing waits for anything else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hubctl.down import configured
from hubctl.gathering.asking import read_config
from hubctl.shell.completion import Names
from hubterm.files import read_ordinary

pytestmark = pytest.mark.once

MOST = 8


@pytest.mark.parametrize("length", [0, 1, MOST])
def test_a_file_within_the_ceiling_is_read_whole_also_by_a_link(
    tmp_path: Path, length: int
) -> None:
    (tmp_path / "file").write_bytes(bytes(length))
    (tmp_path / "link").symlink_to("file")
    assert read_ordinary(tmp_path / "file", MOST) == bytes(length)
    assert read_ordinary(tmp_path / "link", MOST) == bytes(length)


def _longer(folder: Path) -> Path:
    path = folder / "file"
    path.write_bytes(bytes(MOST + 1))
    return path


def _pipe(folder: Path) -> Path:
    path = folder / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (_longer, errno.EFBIG),
        (_pipe, errno.EINVAL),
        (lambda _folder: Path("/dev/zero"), errno.EINVAL),
        (lambda folder: folder / "missing", errno.ENOENT),
        (lambda folder: folder, errno.EINVAL),
    ],
    ids=["too long", "a pipe", "a device", "missing", "a folder"],
)
def test_anything_else_is_an_error_at_once(
    tmp_path: Path, make: Callable[[Path], Path], number: int
) -> None:
    with pytest.raises(OSError) as raised:
        read_ordinary(make(tmp_path), MOST)
    assert raised.value.errno == number


def test_no_command_waits_for_a_configuration_that_is_a_pipe(tmp_path: Path) -> None:
    pipe = _pipe(tmp_path)
    assert configured.read(pipe) is None
    with pytest.raises(OSError):
        read_config(pipe)
    names = Names(tmp_path / "no-socket", pipe)
    assert not list(names.of("reader"))
