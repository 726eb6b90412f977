"""`hubctl update`, the doctor's checks and the metrics: by the board, with hubd down."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.update.image import Image
from hubcore.update.running.board import BOARD, FETCH_SECONDS, LATE_SECONDS
from hubcore.update.running.wishes import FOLDER, Wish, digest_of, let_out_name
from hubcore.update.slots import Phase, Slot, Slots
from hubctl.main import hubctl
from hubctl.metrics.exposition import text
from hubctl.updating.board import LINK_SECONDS, read_board, troubles
from hubctl.updating.shown import PHASES, families, page
from hubterm import exits
from hubupdate.config import Config
from hubupdate.running.app import WISHES
from hubupdate.running.board import Board, Shown

pytestmark = pytest.mark.once

DIGESTS = (b"\xaa" * 32, b"\xbb" * 32)
OLD = Image("hubd-1.squashfs", "1.0", b"\x01" * 32, 1000)
NEW = Image("hubd-2.squashfs", "2.0", b"\x02" * 32, 2000)
NOW = time.time()
WELL = Shown(at=NOW, next_at=NOW + 60, said="this image runs already", looked_at=NOW)
RESTING = Slots(Slot.B, NEW, OLD)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("at", "next_at", "phase", "slot", "running", "other", "said", "error"),
        *("failing_since", "looked_at", "withdrawn", "held", "quarantine"),
    ]
)


class Desk:
    """A board and a folder of wishes; commands are typed there."""

    def __init__(self, folder: Path) -> None:
        self.board = folder / "status.json"
        self.wishes = folder / "wishes"
        self.wishes.mkdir()

    def shows(self, shown: Shown = WELL, slots: Slots | None = RESTING) -> None:
        Board(self.board).show(slots, shown)

    def types(self, *words: str) -> Result:
        environment = {
            "HUBD_UPDATE_BOARD": str(self.board),
            "HUBD_UPDATE_WISHES": str(self.wishes),
        }
        return CliRunner().invoke(hubctl, ["update", *words], env=environment)

    @property
    def wished(self) -> list[str]:
        return sorted(os.listdir(self.wishes))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def ids(shown: Shown, slots: Slots | None = RESTING, now: float = NOW) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "status.json"
        Board(file).show(slots, shown)
        board = read_board(file)
    assert board is not None
    return [one.id for one in troubles(board, now)]


def with_(**changes: Any) -> Shown:
    return replace(WELL, **changes)


def test_the_places_are_those_of_the_program(tmp_path: Path) -> None:
    config = Config(hub="h", carriers=(), time_zone="UTC")
    assert config.board == BOARD
    assert f"{config.state}/{WISHES}" == FOLDER


def test_a_hub_that_is_well_shows_what_runs_and_ends_with_0(desk: Desk) -> None:
    desk.shows()
    for words in ((), ("status",)):
        done = desk.types(*words)
        assert done.exit_code == exits.OK, done.output
        assert "2.0 in slot B" in done.output
        assert "1.0" in done.output


def test_machines_get_the_whole_board(desk: Desk) -> None:
    desk.shows()
    document = json.loads(desk.types("--json").stdout)
    assert document["running"]["digest"] == NEW.digest.hex()
    assert document["problems"] == []


def test_a_hub_without_updates_says_how_it_gets_them(desk: Desk) -> None:
    done = desk.types()
    assert done.exit_code == exits.NO_ANSWER
    assert "install-update" in done.output


def test_each_trouble_is_told_once_with_its_id() -> None:
    assert ids(WELL) == []
    assert ids(with_(withdrawn=True)) == ["update-withdrawn"]
    assert ids(with_(held=True)) == ["update-held"]
    assert ids(WELL, Slots(Slot.A, OLD, quarantine=DIGESTS)) == ["update-quarantine"]
    assert ids(with_(error="expired", failing_since=NOW)) == ["update-expired"]
    assert ids(with_(error="trust", failing_since=NOW)) == ["update-trust"]
    assert ids(with_(error="store", failing_since=NOW)) == ["update-failing"]


def test_a_carrier_that_is_away_is_told_after_a_day() -> None:
    away = with_(error="link", failing_since=NOW - LINK_SECONDS + 60)
    assert ids(away) == []
    assert ids(away, now=NOW + 120) == ["update-link"]


def test_a_board_that_nobody_renews_is_told() -> None:
    late = NOW + 60 + LATE_SECONDS
    assert ids(WELL, now=late - 1) == []
    assert ids(WELL, now=late + 1) == ["update-stopped"]
    fetching = Slots(Slot.B, NEW, OLD, Phase.WRITING)
    assert ids(WELL, fetching, now=late + 1) == []
    assert ids(WELL, fetching, now=NOW + 61 + FETCH_SECONDS) == ["update-stopped"]


def test_what_needs_somebody_ends_with_1_and_stands_first(desk: Desk) -> None:
    desk.shows(with_(held=True, withdrawn=True))
    done = desk.types()
    assert done.exit_code == exits.NO
    assert done.output.index("update-withdrawn") < done.output.index("update-held")
    assert "hubctl update rollback" in done.output


def test_every_phase_has_its_words() -> None:
    assert set(PHASES) == {str(phase) for phase in Phase}


@given(st.dictionaries(KEYS, JSON), st.floats(0, 1e10))
@example(dict.fromkeys(("at", "next_at", "failing_since", "looked_at"), 10**400), NOW)
@example({"error": "link", "failing_since": -(10**400), "next_at": float("nan")}, NOW)
def test_whatever_is_on_the_board_is_shown_and_raises_nothing(board: Any, now: float) -> None:
    page(board, now).plain()
    text(families(board))


@pytest.mark.parametrize("data", [b"", b"[]", b"junk", b"[" * 60_000, b"x" * 100_000, b"\xff"])
def test_a_board_that_is_none_is_told(desk: Desk, data: bytes) -> None:
    desk.board.write_bytes(data)
    assert desk.types().exit_code == exits.UNREADABLE


def test_a_hold_lies_there_until_it_is_ended(desk: Desk) -> None:
    desk.shows()
    assert desk.types("hold").exit_code == exits.OK
    assert desk.types("hold").exit_code == exits.OK
    assert desk.wished == [Wish.HOLD]
    assert desk.types("hold", "--end").exit_code == exits.OK
    assert desk.types("hold", "--end").exit_code == exits.OK
    assert desk.wished == []


def test_a_return_is_wished_when_there_is_something_to_return_to(desk: Desk) -> None:
    desk.shows(slots=Slots(Slot.A, OLD))
    assert desk.types("rollback").exit_code == exits.NO
    desk.shows(slots=Slots(Slot.B, NEW, OLD, Phase.WRITING))
    assert desk.types("rollback").exit_code == exits.TRY_AGAIN
    assert desk.wished == []
    desk.shows()
    assert desk.types("rollback").exit_code == exits.OK
    assert desk.wished == [Wish.ROLL_BACK]


def test_an_image_is_let_out_by_the_beginning_of_its_digest(desk: Desk) -> None:
    desk.shows(slots=Slots(Slot.A, OLD, quarantine=DIGESTS))
    assert desk.types("cc", "let-out").exit_code == exits.NO
    assert desk.types("", "let-out").exit_code == exits.NO
    assert desk.types("AA", "let-out").exit_code == exits.OK
    assert desk.wished == [let_out_name(DIGESTS[0])]
    assert digest_of(desk.wished[0]) == DIGESTS[0]


def test_a_digest_on_a_forged_board_names_no_file_elsewhere(desk: Desk, tmp_path: Path) -> None:
    desk.board.write_text(json.dumps({"quarantine": ["../../etc/x"]}))
    assert desk.types("..", "let-out").exit_code == exits.NO
    assert desk.wished == []


def test_a_link_in_the_place_of_a_wish_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    desk.shows()
    (desk.wishes / Wish.HOLD).symlink_to(tmp_path / "made")
    assert desk.types("hold").exit_code == exits.CANNOT_PRINT
    assert not (tmp_path / "made").exists()


def test_a_check_waits_until_hubupdate_has_looked(desk: Desk) -> None:
    desk.shows()

    def look() -> None:
        while not (desk.wishes / Wish.CHECK).exists():
            time.sleep(0.01)
        (desk.wishes / Wish.CHECK).unlink()
        desk.shows(with_(at=NOW + 5, said="looked again"))

    looking = threading.Thread(target=look)
    looking.start()
    done = desk.types("check")
    looking.join()
    assert done.exit_code == exits.OK, done.output
    assert "looked again" in done.output


def doctor(board: Path) -> dict[str, dict[str, Any]]:
    nowhere = ["--config", "/nowhere/hubd.toml", "--audit", "/nowhere/audit.db"]
    command = ["doctor", "--socket", "/nowhere/sock", *nowhere, "--board", str(board), "--json"]
    result = CliRunner().invoke(hubctl, command)
    return {one["id"]: one for one in json.loads(result.stdout)["checks"]}


def test_the_doctor_judges_updates_with_hubd_down(desk: Desk) -> None:
    assert not any(id_.startswith("update") for id_ in doctor(desk.board))
    desk.shows()
    assert doctor(desk.board)["update"]["state"] == "ok"
    desk.shows(with_(withdrawn=True, held=True))
    checks = doctor(desk.board)
    assert checks["update-withdrawn"]["state"] == "failed"
    assert checks["update-held"]["state"] == "warning"
    desk.board.write_text("junk")
    assert doctor(desk.board)["update"]["state"] == "unknown"


def test_the_numbers_say_what_is_known_and_nothing_else(desk: Desk) -> None:
    desk.shows(with_(withdrawn=False, looked_at=None))
    board = read_board(desk.board)
    assert board is not None
    said = text(families(board))
    assert 'hubd_update_info{version="2.0",other="1.0",slot="B",phase="resting"} 1' in said
    assert "hubd_update_withdrawn 0" in said
    assert "looked" not in said
