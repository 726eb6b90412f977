"""Whatever lies among the hub's own keys is not believed, and no change of the key stops at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hubcore.backend.rotation import Now, Rotation, RotationPace, Step
from hubcore.backend.uplink.from_backend import KeyTaken, RotateKey
from hubd.adapters.keys.pairs import ENTRIES_MAX, PairFolder
from hubd.adapters.keys.uplinkkeys import make_pair

NOON = 1_800_000_000.0
CONFIGURED = make_pair()
STEPS_MAX = 40


def opened(folder: Path) -> PairFolder:
    pairs = PairFolder(folder, CONFIGURED)
    pairs.begin(NOON)
    return pairs


def change(pairs: PairFolder) -> None:
    """Change the key once, with a backend that takes everything."""
    rotation = Rotation(RotationPace(made_seconds=0.0))
    first = pairs.known().current
    rotation.welcomed(first)
    rotation.heard(RotateKey(first), pairs.known())
    for _ in range(STEPS_MAX):
        now = Now(0.0, NOON)
        known = pairs.known()
        match rotation.step(known, now):
            case Step.WAIT:
                break
            case Step.MAKE:
                pairs.make_next(NOON)
                rotation.made(now)
            case Step.SAY_NEW:
                assert known.next is not None
                rotation.said_new(now)
                rotation.heard(KeyTaken(known.next, 2, ""), known)
            case Step.TRY:
                assert known.next is not None
                rotation.tried(now)
                rotation.welcomed(known.next)
            case Step.SWITCH:
                pairs.switch()
            case Step.SAY_RETIRE:
                rotation.said_retire(now)
                rotation.heard(KeyTaken(known.current, 1, ""), known)
            case Step.DROP_OLD:
                pairs.drop_old()
            case step:
                raise AssertionError(step)
    known = pairs.known()
    assert known.current != first
    assert (known.next, known.is_old_left, known.trouble) == (None, False, "")


def file_of_that_name(folder: Path) -> None:
    (folder / "p-0000").write_bytes(b"no directory")


def many_files(folder: Path) -> None:
    for number in range(2 * ENTRIES_MAX):
        (folder / f"a-{number:03}").write_bytes(b"")
        (folder / f"p-{number:03}").write_bytes(b"")


def loop(folder: Path) -> None:
    (folder / "p-loop").symlink_to("p-loop")
    (folder / "current").symlink_to("current")


def directory_as_current(folder: Path) -> None:
    (folder / "current").mkdir()
    (folder / "current" / "pair").write_bytes(b"")


def out_of_the_folder(folder: Path) -> None:
    (folder / "current").symlink_to("../../elsewhere")


def unfinished(folder: Path) -> None:
    (folder / "first.new").mkdir()
    (folder / "current.new").mkdir()
    (folder / "p-0000.new").write_bytes(b"")


@pytest.mark.parametrize(
    "spoil",
    [file_of_that_name, many_files, loop, directory_as_current, out_of_the_folder, unfinished],
)
def test_the_key_changes_whatever_lies_there(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "uplink-keys"
    opened(folder)
    spoil(folder)
    pairs = opened(folder)
    assert pairs.for_attempt() == CONFIGURED
    change(pairs)
    change(opened(folder))
    assert opened(folder).known().current == PairFolder(folder, CONFIGURED).known().current
    assert len([path for path in folder.iterdir() if path.name.startswith("p-")]) == 1


def test_what_a_symlink_names_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "uplink-keys"
    opened(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pair").write_bytes(b"another's")
    (folder / "p-0000").symlink_to(elsewhere)
    opened(folder).drop_old()
    assert (elsewhere / "pair").read_bytes() == b"another's"
    assert not (folder / "p-0000").is_symlink()
