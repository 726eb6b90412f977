"""Updates of a whole machine: real processes, scripts, lists; a small program stands for hubd."""

from __future__ import annotations

import http.server
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hubcore.update.image import Image
from hubcore.update.running.wishes import Wish
from hubcore.update.slots import STARTS_MAX, Phase, Slot
from hubsim.update import act
from hubsim.update.box import BY_HAND, Box
from hubsim.update.cuts import cut_updates
from hubsim.update.shop import Shop
from hubsim.update.standin import BAD, Nature
from hubupdate.disk import IMAGE_SUFFIX

pytestmark = pytest.mark.once


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a machine's socket lies below it."""
    with tempfile.TemporaryDirectory(prefix="hub") as made:
        yield Path(made)


@pytest.fixture
def shop(folder: Path) -> Shop:
    return Shop(folder / "shop")


@pytest.fixture
def box(folder: Path, shop: Shop) -> Iterator[Box]:
    """A machine that runs version 1.0."""
    made = Box(folder / "box", shop)
    made.first("1.0")
    made.start()
    try:
        made.until_runs("1.0")
        yield made
    finally:
        made.cut_power()


def released(box: Box, shop: Shop, version: str, nature: Nature = Nature.GOOD) -> Path:
    image = shop.release(version, nature)
    box.wish(Wish.CHECK)
    return image


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server of any kind, which says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_version_comes_over_http_and_stays(folder: Path, shop: Shop) -> None:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(shop.carrier))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box = Box(folder / "box", shop, f'url = "http://127.0.0.1:{server.server_port}"')
    box.first("1.0")
    box.start()
    try:
        released(box, shop, "1.1")
        box.until_runs("1.1")
        slots = box.disk.state()
        assert (slots.well, slots.running.version) == (Slot.B, "1.1")
        assert slots.other is not None
        assert slots.other.version == "1.0"
        box.until_shows("withdrawn", False)
    finally:
        box.cut_power()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("nature", BAD)
def test_a_bad_version_is_undone_and_not_taken_again(box: Box, shop: Shop, nature: Nature) -> None:
    released(box, shop, "1.1", nature)
    box.until(lambda: bool(box.board().get("quarantine")), "it never comes into quarantine")
    box.until_runs("1.0")
    box.wish(Wish.CHECK)
    box.until_shows("said", "this image failed before")
    assert box.runs() == "1.0"


def test_a_version_that_dies_again_and_again_is_undone_without_hubupdate(
    box: Box, shop: Shop
) -> None:
    """The helper alone brings the old slot back: the program that watches is gone for good."""
    (box.folder / "hubupdate.toml").rename(box.folder / "away")
    box.cut_power()
    box.start()
    box.until_runs("1.0")
    image = shop.image("1.1", Nature.DIES_LATER)
    other = box.folder / "var/slots" / f"B{IMAGE_SUFFIX}"
    other.write_bytes(image.read_bytes())
    slots = box.disk.state()
    new = Image("hubd-new", "1.1", b"\x02" * 32, 1000)
    box.disk.keep_state(replace(slots, other=new, phase=Phase.SWITCHING))
    box.disk.point(Slot.B)
    box.cut_power()
    box.start()
    box.until_phase(Phase.RETURNING)
    box.until(lambda: box.runs() == "1.0", "the old version does not come back")
    assert box.disk.linked() is Slot.A
    assert box.disk.state().quarantine == (new.digest,)
    assert box.disk.state().starts <= STARTS_MAX


@pytest.mark.parametrize("damage", ["cut off", "bit flipped"])
def test_an_image_that_comes_damaged_is_told_and_comes_again(
    box: Box, shop: Shop, damage: str
) -> None:
    shop.release("1.1", Nature.GOOD)
    (target,) = (shop.carrier / "images/targets").glob("*1.1*")
    good = target.read_bytes()
    bad = good[: len(good) // 2] if damage == "cut off" else good[:-1] + b"X"
    target.write_bytes(bad)
    box.wish(Wish.CHECK)
    box.until_shows("error", "trust")
    assert box.runs() == "1.0"
    assert box.disk.state().quarantine == ()
    target.write_bytes(good)
    box.wish(Wish.CHECK)
    box.until_runs("1.1")


def test_power_cuts_at_random_moments_leave_a_machine_that_runs(folder: Path) -> None:
    seed = random.randrange(1 << 32)
    tally = cut_updates(folder, updates=3, chance=random.Random(seed))
    assert (tally.updates, tally.lost) == (3, []), f"seed {seed}"


def test_two_programs_at_once_are_one(box: Box, shop: Shop) -> None:
    box.until(lambda: bool(box.board()), "hubupdate shows nothing")
    done = subprocess.run(
        [sys.executable, "-m", "hubupdate", "--config", str(box.folder / "hubupdate.toml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 75
    assert "another update is at work" in done.stderr
    released(box, shop, "1.1")
    box.until_runs("1.1")


def test_a_hold_and_its_end(box: Box, shop: Shop) -> None:
    box.wish(Wish.HOLD)
    box.until_shows("held", True)
    released(box, shop, "1.1")
    box.until(lambda: not (box.folder / "var/wishes" / Wish.CHECK).exists(), "no look")
    assert box.runs() == "1.0"
    (box.folder / "var/wishes" / Wish.HOLD).unlink()
    box.until_runs("1.1")


def test_a_machine_that_lost_both_slots_starts_what_was_installed_by_hand(box: Box) -> None:
    box.cut_power()
    for slot in Slot:
        box.disk.image_file(slot).unlink(missing_ok=True)
    box.start()
    box.until(lambda: box.runs() == BY_HAND, "nothing starts")


def root(*words: str | Path) -> int:
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode


def test_a_full_disk_is_told_and_the_old_version_goes_on(folder: Path, shop: Shop) -> None:
    """The slots lie on a disk of their own, which has room for one image and a half."""
    box = Box(folder / "box", shop)
    slots = box.folder / "var/slots"
    if os.geteuid() != 0 or root("mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", slots):
        pytest.skip("this machine lets no test make a small disk")
    try:
        box.first("1.0")
        box.start()
        box.until_runs("1.0")
        released(box, shop, "1.1")
        box.until_shows("error", "store")
        assert "full" in box.board()["said"]
        assert box.runs() == "1.0"
        root("mount", "-o", "remount,size=8M", slots)
        box.wish(Wish.CHECK)
        box.until_runs("1.1")
    finally:
        box.cut_power()
        root("umount", slots)


def test_the_story_of_the_demo_happens() -> None:
    said: list[str] = []
    assert act.show(said.append) == 0, said
    assert "1.2 is in quarantine" in " ".join(said)
