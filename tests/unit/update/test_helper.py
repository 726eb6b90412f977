"""The helper that runs before each start of hubd does what the rule says, without any Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from hubcore.update.image import Image
from hubcore.update.slots import QUARANTINE_MAX, Doubt, Phase, Slot, Slots, start
from hubcore.update.statefile import write_state
from hubupdate.disk import Disk

pytestmark = pytest.mark.once

HELPER = Path(__file__).parents[3] / "systemd" / "hubd-slot.sh"
OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
OTHERS = tuple(bytes([number]) * 32 for number in range(100, 100 + QUARANTINE_MAX))


def run(folder: Path, lock_out: Path | None = None) -> str:
    """Run the helper with nothing in its environment; return what it said."""
    done = subprocess.run(
        ["/bin/sh", HELPER, folder],
        env={"PATH": str(lock_out) if lock_out else "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def states() -> Iterator[tuple[Slots, Slot]]:
    for phase, well, linked, starts in product(Phase, Slot, Slot, (0, 1, 3)):
        doubt = Doubt(NEW.digest, 1) if starts else None
        by_person = phase is not Phase.RESTING and well is Slot.B
        yield Slots(well, OLD, NEW, phase, starts, OTHERS[:2], doubt, by_person), linked


def test_it_does_what_the_rule_says_in_each_state(tmp_path: Path) -> None:
    for slots, linked in states():
        disk = Disk(tmp_path)
        disk.keep_state(slots)
        disk.point(linked)
        assert run(tmp_path) == ""
        after, slot = start(slots, linked)
        assert (disk.state(), disk.linked()) == (after, slot), (slots, linked)
        assert names(tmp_path) == {"state", "current"}


@pytest.mark.parametrize("quarantine", [(), OTHERS, (*OTHERS[:3], NEW.digest, OTHERS[4])])
def test_it_keeps_the_quarantine_as_the_rule_does(
    tmp_path: Path, quarantine: tuple[bytes, ...]
) -> None:
    slots = Slots(Slot.A, OLD, NEW, Phase.TRIAL, 3, quarantine)
    disk = Disk(tmp_path)
    disk.keep_state(slots)
    disk.point(Slot.B)
    run(tmp_path)
    assert (disk.state(), disk.linked()) == start(slots, Slot.B)


def test_a_link_that_names_no_slot_counts_as_the_one_found_well(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    slots = Slots(Slot.B, OLD)
    disk.keep_state(slots)
    for target in (None, "/etc", "C"):
        (tmp_path / "current").unlink(missing_ok=True)
        if target:
            (tmp_path / "current").symlink_to(target)
        run(tmp_path)
        assert disk.linked() is Slot.B


GOOD = write_state(Slots(Slot.A, OLD, NEW, Phase.TRIAL, 3))


@pytest.mark.parametrize(
    "state", [b"", GOOD[:-1] + b"0\n", GOOD.replace(b"well A", b"well B"), b"x" * 9000, b"sum \n"]
)
def test_a_state_that_cannot_be_read_stays_and_the_link_too(tmp_path: Path, state: bytes) -> None:
    (tmp_path / "state").write_bytes(state)
    Disk(tmp_path).point(Slot.B)
    assert "cannot be read" in run(tmp_path)
    assert (tmp_path / "state").read_bytes() == state
    assert Disk(tmp_path).linked() is Slot.B


def test_without_state_and_link_the_slot_with_an_image_starts(tmp_path: Path) -> None:
    assert "no image" in run(tmp_path)
    Disk(tmp_path).image_file(Slot.B).write_bytes(b"an image")
    assert "slot B" in run(tmp_path)
    assert Disk(tmp_path).linked() is Slot.B


def test_a_pipe_in_the_place_of_the_state_does_not_hold_it_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "state")
    Disk(tmp_path).point(Slot.A)
    assert "cannot be read" in run(tmp_path)


def test_a_state_that_cannot_be_written_starts_what_was_found_well(tmp_path: Path) -> None:
    """On a full disk, say: here the tool that makes the new file is missing."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in (
        "readlink",
        "wc",
        "tail",
        "head",
        "sha256sum",
        "cut",
        "sed",
        "grep",
        "sync",
        "rmdir",
    ):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    slots = Slots(Slot.A, OLD, NEW, Phase.SWITCHING)
    folder = tmp_path / "slots"
    folder.mkdir()
    Disk(folder).keep_state(replace(slots, starts=0))
    Disk(folder).point(Slot.B)
    assert "cannot be written" in run(folder, lock_out=tools)
    assert Disk(folder).state() == slots
