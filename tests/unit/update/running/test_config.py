"""The file of `hubupdate`, and its first state."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from hubcore.calendar.schedule import Rule
from hubcore.errors import ConfigError
from hubcore.update.slots import Slot
from hubupdate.config import carriers_of, load, roots_of
from hubupdate.disk import Disk
from hubupdate.folder import Folder
from hubupdate.running.first import begin_slots
from hubupdate.web import Web

ROOT = Path(__file__).parents[4]
GOOD = """
hub = "hub-1"
time_zone = "Europe/Berlin"
[[carriers]]
folder = "stick"
[[carriers]]
url = "https://updates.example/hubd"
[[windows]]
start = "01:00"
end = "05:00"
days = ["mon", "sun"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "hubupdate.toml"
    path.write_text(text)
    return path


def test_a_good_file_says_carriers_windows_and_places(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    config = load(path)
    assert (config.hub, config.channel) == ("hub-1", "stable")
    assert config.rules() == (Rule(0b1000001, 60, 300),)
    assert [type(one) for one in carriers_of(config, path)] == [Folder, Web]


def test_the_file_that_comes_with_hubd_is_right_but_for_what_it_leaves_open() -> None:
    path = ROOT / "config/hubupdate.toml"
    config = load(path)
    assert carriers_of(config, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD + "unknown = 1\n",
        GOOD.replace('hub = "hub-1"', ""),
        GOOD.replace("Europe/Berlin", "Europe/Nowhere"),
        GOOD.replace('"01:00"', '"24:30"'),
        GOOD.replace('"05:00"', '"01:00"'),
        GOOD.replace('"mon"', '"monday"'),
        'hub = "h"\ntime_zone = "UTC"\ncarriers = []\n',
        "\x00",
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"hubupdate\.toml"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    "carrier",
    [
        "",
        'folder = "a"\nurl = "http://host"',
        'folder = "a"\nkey = "b"',
        'url = "https://host"\nkey = "b"',
        'url = "https://host"\nauthority = "nowhere.pem"',
        'url = "gopher://host"',
    ],
)
def test_a_carrier_of_no_kind_is_refused(tmp_path: Path, carrier: str) -> None:
    path = written(tmp_path, f'hub = "h"\ntime_zone = "UTC"\n[[carriers]]\n{carrier}\n')
    with pytest.raises(ConfigError):
        carriers_of(load(path), path)


def test_first_roots_lie_beside_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"images\.root\.json"):
        roots_of(load(path), path)
    for name in ("images", "director"):
        (tmp_path / f"{name}.root.json").write_bytes(b"{}")
    assert set(roots_of(load(path), path).values()) == {b"{}"}


def test_an_image_that_a_person_brings_becomes_slot_a(tmp_path: Path) -> None:
    slots_folder = tmp_path / "slots"
    slots_folder.mkdir()
    file = tmp_path / "hubd_1.0_amd64.squashfs"
    file.write_bytes(b"an image")
    slots = begin_slots(slots_folder, file, "1.0")
    disk = Disk(slots_folder)
    assert disk.state() == slots
    assert (slots.well, slots.running.digest) == (Slot.A, hashlib.sha256(b"an image").digest())
    assert disk.linked() is Slot.A
    disk.prove_image(Slot.A, slots.running)
    with pytest.raises(ConfigError, match="already"):
        begin_slots(slots_folder, file, "1.0")


def test_a_state_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """first, law 1: the image comes slowly, and another begins the slots"""
    slots_folder = tmp_path / "slots"
    slots_folder.mkdir()
    slow = tmp_path / "slow.squashfs"
    os.mkfifo(slow)
    refused: list[ConfigError] = []

    def begin() -> None:
        try:
            begin_slots(slots_folder, slow, "1.0")
        except ConfigError as error:
            refused.append(error)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    with open(slow, "wb") as file:  # opens once the other end is read
        (slots_folder / "state").write_text("another's")
        file.write(b"an image")
    thread.join(30)
    assert [str(one).endswith("updates go on from those") for one in refused] == [True]
    assert (slots_folder / "state").read_text() == "another's"


@pytest.mark.parametrize(
    ("name", "version"), [("Image.SQ", "1.0"), ("image", ""), ("image", "a b")]
)
def test_a_first_image_without_a_name_or_version_is_refused(
    tmp_path: Path, name: str, version: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError):
        begin_slots(tmp_path, tmp_path / name, version)
    assert not (tmp_path / "state").exists()


def test_a_first_image_that_is_none_leaves_no_slots(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ConfigError):
        begin_slots(tmp_path, tmp_path / "empty", "1.0")
    with pytest.raises(ConfigError):
        begin_slots(tmp_path, tmp_path / "none", "1.0")
    assert not (tmp_path / "state").exists()
