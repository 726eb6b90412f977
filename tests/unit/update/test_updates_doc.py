"""docs/updates.md says what the program does: its numbers, units, places and troubles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubcore.update.health import GRACE_SECONDS, LAPSE_SECONDS, LONGEST_SECONDS, TRIAL_SECONDS
from hubcore.update.running.board import BOARD
from hubcore.update.running.pauses import (
    BACKOFF_SECONDS,
    BACKOFF_SECONDS_MAX,
    LOOK_SECONDS,
    SHARE,
    WAIT_SECONDS,
)
from hubcore.update.running.wishes import FOLDER
from hubcore.update.slots import STARTS_MAX
from hubctl.updating import board, cache
from hubupdate.carrier import PIECE_SECONDS
from hubupdate.config import Config
from hubupdate.publish.heard import SILENT_SECONDS
from hubupdate.web import HEAD_SECONDS, RESUMES_MAX

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
TEXT = " ".join((ROOT / "docs/updates.md").read_text().split())


@pytest.mark.parametrize(
    "sentence",
    [
        f"A head comes within {HEAD_SECONDS:g} s, a piece within {PIECE_SECONDS:g} s; a file that "
        f"breaks off is gone on with up to {RESUMES_MAX} times",
        f"asks every {WAIT_SECONDS / 60:g} minutes",
        f"up to {BACKOFF_SECONDS_MAX / 3600:g} hours",
        f"nothing new for {SILENT_SECONDS / 3600:g} hours since its switch",
        f"with its next look: {LOOK_SECONDS * (1 + SHARE) / 60:g} minutes at most",
        f"A trial ends well after {TRIAL_SECONDS / 60:g} minutes",
        f"missing for more than {LAPSE_SECONDS:g} seconds",
    ],
)
def test_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in TEXT


def test_numbers_that_are_words_are_those_of_the_code() -> None:
    assert LOOK_SECONDS == 3600  # "once an hour"
    assert SHARE == 1 / 4  # "give or take a quarter"
    assert BACKOFF_SECONDS == 60  # "from a minute"
    assert GRACE_SECONDS == 60  # "After the first minute"
    assert LONGEST_SECONDS == 3600  # "up to an hour"
    assert STARTS_MAX == 3  # "after three starts"


def test_each_trouble_has_a_row_and_no_other_has() -> None:
    source = Path(board.__file__).read_text()
    told = set(re.findall(r'"(update-[a-z]+)"', source))
    told |= {f"update-{kind}" for kind in re.findall(r'^ {8}"([a-z]+)": ', source, re.MULTILINE)}
    rows = set(re.findall(r"\| `(update-[a-z]+)` \|", TEXT))
    assert rows == told | {"update-failing"}


def test_each_trouble_of_a_cache_has_a_row_and_no_other_has() -> None:
    source = Path(cache.__file__).read_text()
    told = set(re.findall(r'"(cache-[a-z]+)"', source))
    told |= {f"cache-{kind}" for kind in re.findall(r'^ {8}"([a-z]+)": ', source, re.MULTILINE)}
    rows = {one for row in re.findall(r"\| (`cache-[^|]+) \|", TEXT) for one in row.split(", ")}
    assert rows == {f"`{one}`" for one in told | {"cache-failing"}}


def test_places_are_those_of_the_program() -> None:
    config = Config(hub="h", carriers=(), time_zone="UTC")
    for place in (f"{config.state}/slots", f"{config.mounts}/A", BOARD, FOLDER):
        assert f"`{place}`" in TEXT


def test_each_unit_is_there() -> None:
    for name in re.findall(r"`(hub[a-z-]+\.(?:service|path|timer))`", TEXT):
        assert (ROOT / "systemd" / name).is_file(), name
