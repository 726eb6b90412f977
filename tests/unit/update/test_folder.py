"""A folder as a carrier: a stick that somebody else has filled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubupdate.carrier import NotThereError, is_path
from hubupdate.folder import Folder


def test_a_file_comes_in_pieces(tmp_path: Path) -> None:
    data = os.urandom(200_000)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.json").write_bytes(data)
    pieces = list(Folder(tmp_path).pieces("images/a.json"))
    assert len(pieces) > 1
    assert b"".join(pieces) == data


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../a", "a/../../b", "a//b", ".hidden", "a/.", "a\n", "a\x00", "a/b/c/d/e"],
)
def test_no_path_leads_out(tmp_path: Path, path: str) -> None:
    assert not is_path(path)
    with pytest.raises(NotThereError):
        list(Folder(tmp_path / "stick").pieces(path))


def test_what_is_not_there_is_told_apart_from_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotThereError):
        list(Folder(tmp_path).pieces("a"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").write_text("of the machine")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for path in ("folder", "link", "pipe"):
        with pytest.raises(LinkError) as refused:
            list(Folder(tmp_path).pieces(path))
        assert not isinstance(refused.value, NotThereError)
