"""The hub's own pairs on the disk: what lies there proves itself, or is not used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hubcore.codec import cbor
from hubcore.errors import StoreError
from hubd.adapters.keys.pairs import ENTRIES_MAX, PairFolder
from hubd.adapters.keys.sealedpairs import PAIR_BYTES_MAX
from hubd.adapters.keys.uplinkkeys import make_pair

NOON = 1_800_000_000.0
CONFIGURED = make_pair()
OTHER = make_pair()


def opened(directory: Path, pair=CONFIGURED) -> PairFolder:
    pairs = PairFolder(directory / "uplink-keys", pair)
    pairs.begin(NOON)
    return pairs


def changed(directory: Path) -> PairFolder:
    """A hub that has changed its key once."""
    pairs = opened(directory)
    pairs.make_next(NOON + 1)
    pairs.switch()
    return opened(directory)


def pair_file(directory: Path) -> Path:
    (path,) = (directory / "uplink-keys").glob("p-*/pair")
    return path


def test_a_change_outlasts_a_restart(tmp_path):
    before = changed(tmp_path).known()
    again = opened(tmp_path)
    assert again.known() == before
    assert again.known().current != CONFIGURED.public
    assert again.for_attempt().public == again.known().current


def test_looking_changes_nothing(tmp_path):
    pairs = PairFolder(tmp_path / "uplink-keys", CONFIGURED)
    assert pairs.known().current == CONFIGURED.public
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_secret_lies_open_and_only_the_owner_may_look(tmp_path):
    pairs = changed(tmp_path)
    secret = pairs.for_attempt().secret
    assert secret not in pair_file(tmp_path).read_bytes()
    for path in (tmp_path / "uplink-keys").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "uplink-keys").stat().st_mode & 0o077 == 0
    assert secret.hex() not in repr(pairs.for_attempt())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def fill(path: Path) -> None:
    path.write_bytes(bytes(PAIR_BYTES_MAX + 1))


def make_younger(path: Path) -> None:
    """Say that the pair was made later: the time is sealed with it."""
    fields = cbor.decode(path.read_bytes(), max_depth=1)
    fields[2] += 10**6
    path.write_bytes(cbor.encode(fields))


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def lead_away(path: Path) -> None:
    """Put a link in its place."""
    elsewhere = path.parent.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "damage", [flip, cut, fill, make_younger, make_pipe, lead_away, Path.unlink]
)
def test_a_pair_that_does_not_prove_itself_is_not_used_and_is_told(
    tmp_path, damage: Callable[[Path], object]
):
    changed(tmp_path)
    damage(pair_file(tmp_path))
    known = opened(tmp_path).known()
    assert known.current == CONFIGURED.public
    assert "does not open" in known.trouble
    assert str(tmp_path / "uplink-keys" / "p-") in known.trouble


def lose(link: Path) -> None:
    link.unlink()


def break_off(link: Path) -> None:
    link.unlink()
    link.write_text("")


@pytest.mark.parametrize("damage", [lose, break_off])
@pytest.mark.parametrize("changes", [1, 2])
def test_without_the_link_the_pair_that_was_in_use_last_stays_and_is_told(
    tmp_path, damage: Callable[[Path], None], changes: int
):  # law 5
    for _ in range(changes):
        pairs = changed(tmp_path)
    pairs.make_next(NOON + 9)
    before = pairs.known()
    link = tmp_path / "uplink-keys" / "current"
    damage(link)
    again = opened(tmp_path)
    known = again.known()
    assert (known.current, known.next) == (before.current, before.next)
    assert again.for_attempt().public == before.current
    assert f"the link {link} is gone" in known.trouble
    name = f"p-{before.current[:8].hex()}"
    assert f"sudo ln -sfn {name} {link}" in known.trouble
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    assert opened(tmp_path).known().trouble == ""


def test_without_the_link_a_next_pair_alone_is_not_in_use(tmp_path):
    pairs = opened(tmp_path)
    pairs.make_next(NOON + 1)
    known = opened(tmp_path).known()
    assert (known.current, known.trouble) == (CONFIGURED.public, "")
    assert known.next is not None


def test_without_the_link_a_used_pair_that_does_not_open_is_told(tmp_path):
    changed(tmp_path)
    (tmp_path / "uplink-keys" / "current").unlink()
    flip(pair_file(tmp_path))
    known = opened(tmp_path).known()
    assert known.current == CONFIGURED.public
    assert "does not open" in known.trouble


def test_a_state_of_before_there_were_marks_gets_its_mark_at_the_start(tmp_path):
    current = changed(tmp_path).known().current
    (pair_file(tmp_path).parent / "used").unlink()
    opened(tmp_path)
    (tmp_path / "uplink-keys" / "current").unlink()
    assert opened(tmp_path).known().current == current


def test_no_byte_of_a_pair_can_be_another(tmp_path):
    changed(tmp_path)
    path = pair_file(tmp_path)
    right = path.read_bytes()
    for place in range(len(right)):
        wrong = bytearray(right)
        wrong[place] ^= 0x40
        path.write_bytes(wrong)
        pairs = PairFolder(tmp_path / "uplink-keys", CONFIGURED)
        assert pairs.known().current == CONFIGURED.public, place


def test_a_copied_state_is_worth_nothing_without_the_configured_secret(tmp_path):
    changed(tmp_path)
    thief = opened(tmp_path, OTHER)
    assert thief.known().current == OTHER.public
    assert thief.for_attempt() == OTHER


def test_a_wrong_credential_destroys_nothing(tmp_path):
    current = changed(tmp_path).known().current
    opened(tmp_path, OTHER)
    assert opened(tmp_path).known().current == current


def test_a_hub_enrolled_anew_uses_its_new_configured_pair_and_says_nothing(tmp_path):
    changed(tmp_path)
    anew = PairFolder(tmp_path / "uplink-keys", OTHER)
    assert anew.known().current == OTHER.public
    assert anew.known().trouble == ""
    anew.begin(NOON)
    anew.drop_old()
    assert list((tmp_path / "uplink-keys").glob("p-*")) == []


def test_a_pair_under_another_name_is_not_used(tmp_path):
    changed(tmp_path)
    folder = pair_file(tmp_path).parent
    folder.rename(folder.with_name("p-0011223344556677"))
    (tmp_path / "uplink-keys" / "current").unlink()
    (tmp_path / "uplink-keys" / "current").symlink_to("p-0011223344556677")
    assert opened(tmp_path).known().current == CONFIGURED.public


def test_the_link_leads_nowhere_but_into_the_folder(tmp_path):
    pairs = changed(tmp_path)
    name = pair_file(tmp_path).parent.name
    shutil.move(str(tmp_path / "uplink-keys" / name), tmp_path / name)
    (tmp_path / "uplink-keys" / "current").unlink()
    (tmp_path / "uplink-keys" / "current").symlink_to(f"../{name}")
    assert pairs.known().current != CONFIGURED.public
    assert opened(tmp_path).known().current == CONFIGURED.public


def test_what_was_left_half_written_is_removed(tmp_path):
    folder = tmp_path / "uplink-keys"
    opened(tmp_path)
    (folder / "p-aa.new").mkdir()
    (folder / "p-aa.new" / "pair.new").write_bytes(b"half")
    (folder / "current.new").symlink_to("p-aa")
    opened(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["first"]


def test_a_folder_full_of_names_is_looked_at_in_part(tmp_path):
    folder = tmp_path / "uplink-keys"
    opened(tmp_path)
    for number in range(3 * ENTRIES_MAX):
        (folder / f"p-{number:04}").mkdir()
    pairs = opened(tmp_path)
    assert pairs.known().current == CONFIGURED.public
    assert pairs.known().is_old_left


def test_a_disk_that_takes_nothing_is_a_store_error_and_the_pair_stays(tmp_path):
    pairs = changed(tmp_path)
    before = pairs.known()
    folder = tmp_path / "uplink-keys"
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        pairs.make_next(NOON)
    folder.unlink()
    (tmp_path / "away").rename(folder)
    assert opened(tmp_path).known() == before


def test_the_next_pair_is_tried_once(tmp_path):
    pairs = opened(tmp_path)
    pairs.make_next(NOON)
    pairs.try_next()
    assert pairs.for_attempt().public == pairs.known().next
    assert pairs.for_attempt() == CONFIGURED


def test_the_age_of_the_configured_pair_counts_from_when_it_was_seen_first(tmp_path):
    opened(tmp_path)
    later = PairFolder(tmp_path / "uplink-keys", CONFIGURED)
    later.begin(NOON + 500)
    assert later.known().since == NOON
    (tmp_path / "uplink-keys" / "first").write_bytes(b"\x83\x01\x40\x05")
    later.begin(NOON + 500)
    assert later.known().since == NOON + 500
