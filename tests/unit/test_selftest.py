"""`hubd --selftest`: a version is tried on copies, and the hub notices nothing."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hubcore.errors import StoreError
from hubd.adapters.sqlite.database import AUDIT, POLICY, DatabaseKind
from hubd.adapters.sqlite.schema import (
    check_objects,
    check_version,
    header_number,
    migrate,
    read_steps,
)
from hubd.config.file import load
from hubd.start import selftest
from hubsim import site as sites

GROWN_FROM = {"audit": 4, "policy": 4}
"""The schemas of the day on which schemas began to grow only."""
STEP = (
    "-- opens-from: {0}\nCREATE TABLE more (id INTEGER PRIMARY KEY);\nCREATE INDEX by ON more (id);"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A hub on a desk that is right, and has run."""
    made = sites.init(tmp_path / "site")
    return sites.write_config(made, "tcp://127.0.0.1:4505", [sites.DeskDoor()])


def state_of(config: Path) -> Path:
    folder = load(config).hub.state_directory
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def filled(folder: Path) -> None:
    """Make the databases, as a hub that runs has them: open, with a write-ahead log."""
    for name, kind in (("audit.db", AUDIT), ("policy.db", POLICY)):
        kind.prepare(folder / name)
        kind.open(folder / name).close()


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith("-shm")
    }


def hubd(config: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "hubd", "--selftest", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_version_passes_on_a_hub_that_has_run_and_changes_nothing(config: Path) -> None:
    folder = state_of(config)
    filled(folder)
    before = digests(folder)
    with AUDIT.errors(folder / "audit.db"):
        running = AUDIT.connect(folder / "audit.db")  # the hub that runs has it open
    code, said = hubd(config)
    running.close()
    assert (code, "passes its test" in said) == (0, True), said
    assert {name: digests(folder)[name] for name in before} == before
    assert not (folder / selftest.FOLDER).exists()


def test_a_version_passes_on_a_hub_that_never_ran(config: Path) -> None:
    assert not load(config).hub.state_directory.exists()
    code, said = hubd(config)
    assert code == selftest.OK, said


def test_a_refused_configuration_fails_with_its_sentence(config: Path) -> None:
    config.write_text(config.read_text().replace("time_zone", "time_zome"))
    code, said = hubd(config)
    assert code == 78
    assert "time_zome" in said


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(bytes(data))


def from_the_future(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("damage", [damaged, from_the_future])
@pytest.mark.parametrize("name", ["audit.db", "policy.db"])
def test_a_database_that_cannot_be_opened_fails(config: Path, name: str, damage: object) -> None:
    folder = state_of(config)
    filled(folder)
    assert callable(damage)
    damage(folder / name)
    code, said = hubd(config)
    assert code in (selftest.CANNOT_OPEN, 78), said
    assert not (folder / selftest.FOLDER).exists()


def test_a_disk_without_room_blames_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = state_of(config)
    filled(folder)
    assert selftest.run(config, free=lambda _path: selftest.SPARE_BYTES) == selftest.TRY_AGAIN
    assert "no room" in capsys.readouterr().err


def test_what_an_earlier_test_left_is_removed(config: Path) -> None:
    folder = state_of(config)
    (folder / selftest.FOLDER).mkdir()
    (folder / selftest.FOLDER / "audit.db").write_bytes(b"left over")
    assert hubd(config)[0] == selftest.OK


def test_a_version_that_lacks_a_module_of_its_own_fails(config: Path, tmp_path: Path) -> None:
    """A module of hubd that cannot be imported: here one that asks for a library of every hub."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "gpiod.py").write_text("raise ModuleNotFoundError('No module', name='gpiod')\n")
    done = subprocess.run(
        [sys.executable, "-m", "hubd", "--selftest", "--config", str(config)],
        env={**os.environ, "PYTHONPATH": str(broken)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "gpiod" in done.stderr


# What an older version opens


def test_todays_schemas_say_nothing_of_older_versions() -> None:
    for folder, count in GROWN_FROM.items():
        steps = read_steps(folder)[:count]
        assert header_number(steps) == count


@pytest.mark.parametrize("folder", GROWN_FROM)
def test_each_later_step_says_from_which_version_on_hubd_opens_it(folder: str) -> None:
    """Schemas only grow: a slot that comes back opens what the newer one wrote."""
    for number, step in enumerate(read_steps(folder), start=1):
        if number > GROWN_FROM[folder]:
            found = re.search(r"^-- opens-from: ([0-9]+)$", step, re.MULTILINE)
            assert found is not None, f"{folder}, step {number}"
            assert int(found[1]) < number
            assert not re.search(r"\b(DROP|ALTER)\b", step), f"{folder}, step {number}"


@pytest.mark.parametrize(
    ("later", "number"),
    [
        ([STEP.format(4)], 4 << 16 | 5),
        ([STEP.format(4), STEP.format(4)], 4 << 16 | 6),
        ([STEP.format(4), STEP.format(5)], 5 << 16 | 6),
        (["CREATE TABLE x (y);", STEP.format(5)], 5 << 16 | 6),
        ([STEP.format(4), "CREATE TABLE x (y);"], 6),
    ],
)
def test_the_header_says_the_oldest_version_that_opens_it(later: list[str], number: int) -> None:
    assert header_number([*read_steps("audit"), *later]) == number


def made(path: Path, kind: DatabaseKind, steps: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, steps, kind.application_id, kind)
    return connection


@pytest.mark.parametrize("kind", [AUDIT, POLICY], ids=["audit", "policy"])
def test_an_older_version_opens_what_has_only_grown(tmp_path: Path, kind: DatabaseKind) -> None:
    path = tmp_path / "one.db"
    steps = read_steps(kind.schema)
    made(path, kind, [*steps, STEP.format(len(steps))]).close()
    path.chmod(0o600)
    kind.prepare(path)
    before = path.read_bytes()
    kind.look(path)
    kind.open(path).close()
    with sqlite3.connect(path) as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    assert number == len(steps) << 16 | len(steps) + 1
    assert path.read_bytes()[100:] == before[100:]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END;",
        "CREATE VIEW v AS SELECT * FROM records;",
        "CREATE INDEX i ON records (hash);",
        "CREATE TRIGGER t AFTER INSERT ON more BEGIN DELETE FROM records; END;",
        "ALTER TABLE outbox ADD COLUMN more INTEGER;",
        "DROP TABLE outbox;",
    ],
)
def test_growth_that_acts_on_known_tables_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "audit.db"
    connection = made(path, AUDIT, [*read_steps("audit"), STEP.format(4) + "\n" + statement])
    connection.close()
    path.chmod(0o600)
    with pytest.raises(StoreError, match="schema was changed"):
        AUDIT.open(path)


def test_growth_in_a_file_of_todays_version_is_refused(tmp_path: Path) -> None:
    steps = read_steps("audit")
    connection = made(tmp_path / "audit.db", AUDIT, steps)
    connection.execute("CREATE TABLE more (id)")
    with pytest.raises(StoreError, match="schema was changed"):
        check_objects(connection, tmp_path, AUDIT.statements(), AUDIT)
    connection.close()


@pytest.mark.parametrize("number", [5, 99, 5 << 16 | 6, 0xFFFF << 16 | 5 & 0x7FFF])
def test_a_newer_file_that_does_not_say_so_is_refused(tmp_path: Path, number: int) -> None:
    steps = read_steps("audit")
    connection = made(tmp_path / "audit.db", AUDIT, steps)
    number = min(number, (1 << 31) - 1)
    connection.execute(f"PRAGMA user_version = {number}")
    with pytest.raises(StoreError, match="newer hubd"):
        check_version(connection, tmp_path, steps, AUDIT)
    connection.close()
