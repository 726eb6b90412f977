"""The laws of several carriers as one (`hubupdate/turns.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hubcore.errors import LinkError
from hubupdate.carrier import PIECE_BYTES, NotThereError
from hubupdate.folder import Folder
from hubupdate.turns import InTurn


@dataclass(eq=False)
class Breaking:
    """Gives some pieces, and breaks."""

    before: tuple[bytes, ...] = ()

    def pieces(self, path: str) -> Iterator[bytes]:
        yield from self.before
        raise LinkError(f"{path}: the line is cut")


def _stick(folder: Path, data: bytes | None) -> Folder:
    folder.mkdir()
    if data is not None:
        (folder / "a").write_bytes(data)
    return Folder(folder)


def test_law_1_the_first_who_has_it_gives_all_of_it(tmp_path: Path) -> None:
    first = b"1" * (2 * PIECE_BYTES + 1)
    both = InTurn([_stick(tmp_path / "1", first), _stick(tmp_path / "2", b"2")])
    assert b"".join(both.pieces("a")) == first


def test_law_1_an_empty_file_is_a_file(tmp_path: Path) -> None:
    both = InTurn([_stick(tmp_path / "1", b""), _stick(tmp_path / "2", b"2")])
    assert list(both.pieces("a")) == []


def test_law_2_who_has_it_not_or_breaks_at_once_leaves_the_turn(tmp_path: Path) -> None:
    three = InTurn([_stick(tmp_path / "1", None), Breaking(), _stick(tmp_path / "3", b"3")])
    assert list(three.pieces("a")) == [b"3"]


def test_law_3_who_breaks_amid_a_file_is_asked_last(tmp_path: Path) -> None:
    both = InTurn([Breaking((b"half",)), _stick(tmp_path / "2", b"2")])
    pieces = both.pieces("a")
    assert next(pieces) == b"half"
    with pytest.raises(LinkError, match="cut"):
        next(pieces)
    assert list(both.pieces("a")) == [b"2"]


def test_law_3_who_is_left_amid_a_file_is_asked_last(tmp_path: Path) -> None:
    drip = _stick(tmp_path / "1", b"1" * (PIECE_BYTES + 1))
    both = InTurn([drip, _stick(tmp_path / "2", b"2")])
    left = both.pieces("a")
    assert isinstance(next(left), bytes)
    del left
    assert list(both.pieces("a")) == [b"2"]


def test_law_4_all_must_say_that_it_is_not_there(tmp_path: Path) -> None:
    empty = _stick(tmp_path / "1", None)
    with pytest.raises(NotThereError):
        list(InTurn([empty]).pieces("a"))
    with pytest.raises(LinkError) as caught:
        list(InTurn([Breaking(), empty]).pieces("a"))
    assert not isinstance(caught.value, NotThereError)
