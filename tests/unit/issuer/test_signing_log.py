"""The signer's log: a line is on the disk or nothing is; what was edited is noticed."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hubcore.errors import AuditError, ConfigError, StoreError
from hubcore.issuing.lines import read_line, write_line
from hubcore.issuing.standing import Signed
from hubcore.issuing.words import ASKER_BYTES, DocumentKind
from hubgateway.issuer.signing.log import SigningLog, read_log

pytestmark = pytest.mark.once


def line(number: int, asker: str = "uid 1") -> bytes:
    fact = Signed(DocumentKind.GRANT, 1_800_000_000_000 + number, "anna", 0, bytes(32))
    return write_line(fact, asker, 5)


def written(path: Path, count: int) -> bytes:
    with closing(SigningLog(path)) as log:
        assert list(log.read()) == []
        for number in range(count):
            log.append(line(number))
    return path.read_bytes()


def bodies(path: Path) -> list[bytes]:
    with closing(SigningLog(path)) as log:
        return list(log.read())


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    """law 1"""
    path = tmp_path / "signed.log"
    written(path, 3)
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(SigningLog(path)) as log:
        assert list(log.read()) == [line(0), line(1), line(2)]
        log.append(line(3))
        assert log.head.number == 4
        head = log.head
    records = list(read_log(path))
    assert [record.body for record in records] == [line(0), line(1), line(2), line(3)]
    assert (records[-1].number, records[-1].hash) == (head.number, head.hash)


def test_a_line_that_was_torn_is_cut_off_wherever(tmp_path: Path) -> None:
    """law 3"""
    path = tmp_path / "signed.log"
    whole = written(path, 2)
    first = len(whole) // 2
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        assert bodies(path) == [line(0)], end
        assert path.read_bytes() == whole[:first]
    path.write_bytes(whole[:first] + bytes(100))
    assert len(list(read_log(path))) == 1
    assert bodies(path) == [line(0)]
    assert path.read_bytes() == whole[:first]


def test_each_byte_that_was_changed_is_noticed(tmp_path: Path) -> None:
    """law 3: also in a length, which would hide the lines behind it"""
    path = tmp_path / "signed.log"
    whole = written(path, 2)
    for at in range(len(whole)):
        edited = bytearray(whole)
        edited[at] ^= 0x01 if at % 2 else 0x80
        path.write_bytes(edited)
        with pytest.raises(AuditError, match=str(path)):
            bodies(path)
        assert path.read_bytes() == edited
        with pytest.raises(AuditError):
            list(read_log(path))


def test_a_line_that_was_taken_out_or_swapped_is_noticed(tmp_path: Path) -> None:
    """law 3"""
    path = tmp_path / "signed.log"
    whole = written(path, 3)
    size = len(whole) // 3
    lines = [whole[at : at + size] for at in range(0, len(whole), size)]
    for order in ((1, 2), (0, 2), (1, 0, 2), (0, 0, 1)):
        path.write_bytes(b"".join(lines[one] for one in order))
        with pytest.raises(AuditError):
            bodies(path)


def test_two_programs_do_not_write_one_log(tmp_path: Path) -> None:
    """law 4"""
    path = tmp_path / "signed.log"
    with closing(SigningLog(path)), pytest.raises(ConfigError, match="another program"):
        SigningLog(path)
    SigningLog(path).close()


@contextmanager
def full_disk(path: Path, room: int) -> Iterator[None]:
    """Let files of this process grow no further than that of `path` and some bytes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 50])
def test_on_a_full_disk_nothing_of_a_line_stays(tmp_path: Path, room: int) -> None:
    """law 2"""
    path = tmp_path / "signed.log"
    before = written(path, 1)
    with closing(SigningLog(path)) as log:
        list(log.read())
        with full_disk(path, room), pytest.raises(StoreError, match=str(path)):
            log.append(line(1))
        assert path.read_bytes() == before
        log.append(line(1))
    assert bodies(path) == [line(0), line(1)]


def test_what_cannot_be_cut_off_ends_the_log(tmp_path: Path) -> None:
    """law 2"""
    path = tmp_path / "signed.log"
    written(path, 1)
    with closing(SigningLog(path)) as log:
        list(log.read())
        own = log._file
        log._file = os.open(path, os.O_RDONLY)  # as a disk that became read-only
        with pytest.raises(StoreError):
            log.append(line(1))
        os.close(log._file)
        log._file = own
        with pytest.raises(StoreError, match="start anew"):
            log.append(line(1))
    assert bodies(path) == [line(0)]


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        SigningLog(tmp_path / "no" / "folder")
    with pytest.raises(ConfigError):
        list(read_log(tmp_path / "nothing"))


def test_a_line_says_who_asked_and_no_more_of_it_than_fits() -> None:
    fact, asker = read_line(line(0, "ä" * 200))
    assert (fact.of, asker) == ("anna", "ä" * (ASKER_BYTES // 2))


@pytest.mark.parametrize(
    ("part", "other"),
    [(b"signed", b"signet"), (b"fdocument", b"fdocumenu"), (b"egrant", b"egrand")],
)
def test_a_line_of_another_shape_is_refused(part: bytes, other: bytes) -> None:
    """issuing.lines, law 3"""
    body = line(0)
    assert part[1:] in body
    with pytest.raises(AuditError):
        read_line(body.replace(part[1:], other[1:]))
