"""What an update keeps on the disk, on a real one."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.errors import LinkError, StoreError, TrustError
from hubcore.update.image import IMAGE_BYTES_MAX, Image
from hubcore.update.slots import Phase, Slot, Slots
from hubupdate.disk import Disk

BYTES = os.urandom(300_000)
IMAGE = Image("hubd-2.squashfs", "2.0", hashlib.sha256(BYTES).digest(), len(BYTES))
SLOTS = Slots(well=Slot.A, running=IMAGE, other=IMAGE, phase=Phase.TRIAL, starts=2)


def pieces(data: bytes = BYTES) -> Iterator[bytes]:
    for start in range(0, len(data), 70_000):
        yield data[start : start + 70_000]


def test_a_state_is_kept_and_replaced(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with pytest.raises(StoreError):
        disk.state()
    disk.keep_state(SLOTS)
    assert disk.state() == SLOTS
    (tmp_path / "state.new").write_bytes(b"what a power cut left")
    disk.keep_state(Slots(well=Slot.B, running=IMAGE))
    assert Disk(tmp_path).state() == Slots(well=Slot.B, running=IMAGE)


def test_a_state_that_grew_without_end_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "state", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StoreError):
        Disk(tmp_path).state()


def test_the_link_points_to_the_slot_that_was_last_said(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    assert disk.linked() is None
    (tmp_path / "current.new").symlink_to("what a power cut left")
    for slot in (Slot.A, Slot.B, Slot.B):
        disk.point(slot)
        assert disk.linked() is slot
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("/elsewhere")
    assert disk.linked() is None


def test_a_good_image_is_written_and_found_again(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write_image(Slot.B, IMAGE, pieces())
    disk.prove_image(Slot.B, IMAGE)
    assert disk.image_file(Slot.B).read_bytes() == BYTES
    assert not disk.image_file(Slot.A).exists()


@pytest.mark.parametrize(
    "data",
    [b"", BYTES[:-1], BYTES + b"\x00", BYTES[:-1] + bytes([BYTES[-1] ^ 1]), bytes(len(BYTES))],
)
def test_an_image_that_is_cut_longer_or_flipped_is_none(tmp_path: Path, data: bytes) -> None:
    disk = Disk(tmp_path)
    with pytest.raises(TrustError):
        disk.write_image(Slot.B, IMAGE, pieces(data))
    assert not disk.image_file(Slot.B).exists()


def test_a_bit_that_flips_on_the_disk_later_is_found(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write_image(Slot.B, IMAGE, pieces())
    with open(disk.image_file(Slot.B), "r+b") as file:
        file.seek(150_000)
        file.write(bytes([BYTES[150_000] ^ 4]))
    with pytest.raises(TrustError):
        disk.prove_image(Slot.B, IMAGE)


def test_a_carrier_that_goes_away_in_the_middle_leaves_no_image(tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield BYTES[:70_000]
        raise LinkError("the stick was drawn")

    disk = Disk(tmp_path)
    with pytest.raises(LinkError):
        disk.write_image(Slot.B, IMAGE, breaks())
    assert not disk.image_file(Slot.B).exists()


def test_a_mounted_image_is_never_written_over(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.image_file(Slot.B).write_bytes(b"the image before")
    with open(disk.image_file(Slot.B), "rb") as mounted:
        disk.write_image(Slot.B, IMAGE, pieces())
        assert mounted.read() == b"the image before"


def test_a_disk_without_room_says_so_before_the_first_byte(tmp_path: Path) -> None:
    asked: list[int] = []

    def counts() -> Iterator[bytes]:
        asked.append(1)
        yield b""

    disk = Disk(tmp_path)
    huge = Image("huge.squashfs", "3.0", IMAGE.digest, IMAGE_BYTES_MAX)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(StoreError):
            disk.write_image(Slot.B, huge, counts())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert asked == []
    assert not disk.image_file(Slot.B).exists()


HOLDS = """
import sys
from pathlib import Path
from hubupdate.disk import Disk
with Disk(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_updates_at_once_are_one_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="another update"), disk.locked():
            pass
        other.kill()
        other.wait(timeout=30)
    with disk.locked():
        pass
