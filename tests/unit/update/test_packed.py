"""Packed images: fewer bytes come, the slot holds the same, and whatever fails, the whole comes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubcore.errors import LinkError, StoreError, TrustError
from hubcore.update.image import Image
from hubcore.update.slots import Event, Slot, Slots
from hubterm.exits import OK, USAGE
from hubupdate.packed import (
    ZSTD,
    Packed,
    change_name,
    is_packed_of,
    is_worth_it,
    pressed_name,
    unpack,
)
from hubupdate.publish.packing import pack
from hubupdate.trust import Repository, target_path
from tests.unit.update.machine import Machine
from tests.unit.update.mirror.test_mirror import Cache
from tests.unit.update.publisher import Publisher
from tests.unit.update.site import BYTES, NAME

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd: apt-get install zstd"),
]
OLD_BYTES = BYTES[:80_000] + b"a line of the version before" + BYTES[80_000:]
NEW = Image(NAME, "2.0", hashlib.sha256(BYTES).digest(), len(BYTES))
OLD = Image("hubd-1.squashfs", "1.0", hashlib.sha256(OLD_BYTES).digest(), len(OLD_BYTES))


def changed_from_old(folder: Path) -> bytes:
    """Pack the new image as a change of the old one."""
    (folder / "new").write_bytes(BYTES)
    (folder / "old").write_bytes(OLD_BYTES)
    assert pack(NEW, folder / "new", folder / "old", folder / "packed")
    return (folder / "packed").read_bytes()


class Changed(Machine):
    """A machine with a version that is much like the new one, which is on the list packed, too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.disk.image_file(Slot.A).write_bytes(OLD_BYTES)
        self.disk.keep_state(Slots(well=Slot.A, running=OLD))
        self.packed = changed_from_old(folder)
        self.name = change_name(NAME, OLD.digest)
        self.list_packed(self.name, self.packed)

    def list_packed(self, name: str, data: bytes) -> None:
        self.site.images.put(name, data)
        self.site.images.next()
        self.site.images.publish()

    def fetched(self) -> list[str]:
        """Return the names of the images that were asked for."""
        paths = [path for path in self.site.carrier.asked if path.startswith("images/targets/")]
        return [path.split("/")[-1].partition(".")[2] for path in paths]

    def write(self) -> None:
        self.duties.step()
        assert self.duties.step() is Event.PROVEN_ON_DISK
        assert self.disk.image_file(Slot.B).read_bytes() == BYTES
        assert not (self.folder / "packed").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Changed:
    return Changed(tmp_path)


def test_a_change_is_fetched_in_place_of_the_image(machine: Changed) -> None:
    machine.write()
    assert machine.fetched() == [machine.name]
    assert len(machine.packed) < len(BYTES) / 100


def test_a_hub_with_another_version_fetches_the_whole(machine: Changed) -> None:
    other = Image("other.squashfs", "0.9", bytes(32), 5)
    machine.disk.keep_state(Slots(well=Slot.A, running=other))
    machine.write()
    assert machine.fetched() == [NAME]


SPOILED = {
    "no packed file": b"nothing of zstd" * 10,
    "another image": None,
    "cut off": -5,
}


@pytest.mark.parametrize("why", SPOILED)
def test_a_listed_file_that_gives_another_image_costs_the_whole(
    machine: Changed, tmp_path: Path, why: str
) -> None:
    """packed, laws 1 and 4: whoever lists it"""
    spoiled = SPOILED[why]
    data = machine.packed[:spoiled] if isinstance(spoiled, int) else spoiled
    if data is None:
        other = tmp_path / "other"
        other.write_bytes(b"another" * 20_000)
        image = Image("x", "1", hashlib.sha256(other.read_bytes()).digest(), 140_000)
        assert pack(image, other, None, tmp_path / "other.zst")
        data = (tmp_path / "other.zst").read_bytes()
    machine.list_packed(machine.name, data)
    machine.write()
    assert machine.fetched() == [machine.name, NAME]


@pytest.mark.parametrize("why", ["changed", "breaks off", "endless"])
def test_what_a_carrier_makes_of_it_costs_the_whole(machine: Changed, why: str) -> None:
    """packed, laws 2 and 4"""

    def pieces() -> Iterator[bytes]:
        if why == "changed":
            yield machine.packed[:-1] + b"?"
            return
        yield machine.packed[:-1]
        if why == "breaks off":
            raise LinkError("the line is dead")
        while True:
            yield bytes(65_536)

    digest = hashlib.sha256(machine.packed).digest()
    path = target_path(Repository.IMAGES, digest, machine.name)
    machine.site.carrier.instead[path] = pieces
    machine.write()
    assert machine.fetched() == [machine.name, NAME]


def test_a_machine_whose_slot_went_bad_fetches_the_whole(machine: Changed) -> None:
    machine.disk.image_file(Slot.A).write_bytes(OLD_BYTES[:-100_000] + bytes(100_000))
    machine.write()
    assert machine.fetched() == [machine.name, NAME]


def test_what_saves_nothing_is_not_fetched(machine: Changed) -> None:
    machine.list_packed(machine.name, os.urandom(len(BYTES) // 2 + 1))
    machine.write()
    assert machine.fetched() == [NAME]


# ---- the unpacker


def test_more_bytes_than_the_image_has_are_not_read(tmp_path: Path) -> None:
    """packed, law 3"""
    (tmp_path / "zeros").write_bytes(bytes(200_000_000))
    subprocess.run([ZSTD, "-q", "zeros", "-o", "bomb"], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "bomb").stat().st_size < 30_000
    came = sum(len(piece) for piece in unpack(tmp_path / "bomb", None, NEW))
    assert NEW.size < came <= NEW.size + 65_536


def test_an_unpacker_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    (tmp_path / "packed").write_bytes(b"x")
    with pytest.raises(TrustError, match="too long"):
        list(unpack(tmp_path / "packed", None, NEW, zstd=str(silent), seconds=0.2))


def test_an_unpacker_has_a_ceiling_of_memory(tmp_path: Path) -> None:
    greedy = tmp_path / "greedy"
    greedy.write_text("#!/bin/sh\nsleep 0.2; ulimit -v\n")
    greedy.chmod(0o755)
    (tmp_path / "packed").write_bytes(b"x")
    said = b"".join(unpack(tmp_path / "packed", None, NEW, zstd=str(greedy)))
    assert int(said) * 1024 < 4 * NEW.size + 65 * 1024 * 1024


def test_without_zstd_the_whole_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(b"x")
    with pytest.raises(StoreError, match="cannot be started"):
        list(unpack(tmp_path / "packed", None, NEW, zstd=str(tmp_path / "none")))


def test_no_unpacker_is_left_behind(tmp_path: Path) -> None:
    changed_from_old(tmp_path)
    pieces = unpack(tmp_path / "packed", tmp_path / "old", NEW)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_names() -> None:
    change = change_name(NAME, OLD.digest)
    assert is_packed_of(change, NAME)
    assert is_packed_of(pressed_name(NAME), NAME)
    assert not is_packed_of(NAME, NAME)
    assert not is_packed_of(pressed_name("other"), NAME)
    assert not is_worth_it(0, NEW)
    assert is_worth_it(NEW.size // 2, NEW)
    assert not is_worth_it(NEW.size // 2 + 1, NEW)
    assert Packed(change, 1, bytes(32), is_change=True).is_change


# ---- the publisher, and a cache between


def test_a_publisher_packs_and_withdraws(tmp_path: Path) -> None:
    desk = Publisher(tmp_path)
    for which in Repository:
        desk.make(which)
    key = desk.key("images-targets-0")
    assert desk.add("hubd-1.squashfs", OLD_BYTES) == OK
    assert desk.add("hubd-2.squashfs", BYTES) == OK
    words = ["pack", desk.carrier, "hubd-2.squashfs", "--from", "hubd-1.squashfs", "--key", key]
    desk.did(*words)
    assert "hubd-2.squashfs.zst would not be worth it" in desk.said, "random bytes"
    change = change_name("hubd-2.squashfs", OLD.digest)
    assert any(line.startswith(change) for line in desk.said)
    assert not list(desk.carrier.rglob("*.new"))
    assert desk.does("pack", desk.carrier, "hubd-9.squashfs", "--key", key) == USAGE
    desk.did("withdraw", desk.carrier, "hubd-2.squashfs", "--key", key)
    newest = max(
        (desk.carrier / "images/metadata").glob("*.targets.json"),
        key=lambda path: int(path.name.split(".")[0]),
    )
    assert "hubd-2" not in newest.read_text()
    assert "hubd-1" in newest.read_text()


def test_a_cache_has_the_packed_files_of_its_images(tmp_path: Path) -> None:
    machine = Changed(tmp_path / "hub")
    cache = Cache(tmp_path, machine.site)
    assert cache.look().images == 2
    assert any(machine.name in name for name in cache.files())
