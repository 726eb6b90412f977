"""`hubctl audit show` and the times of `hubctl audit list`, on logs that hubd wrote."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hubcore.evidence.facts import FACTS, Fact, Shown, shorten
from hubcore.evidence.records import GENESIS, Record, RecordKind
from hubctl.evidence.opening import open_log
from hubctl.evidence.reading import LAST_BEFORE
from hubctl.main import hubctl
from hubd.adapters.sqlite.audit import AuditStore
from hubterm.exits import UNREADABLE, USAGE

PERSON = "3fa9c2d18b7e40c2"
AT_MS = 1_800_000_000_123
SECOND = 1000
GRANT = bytes(range(16))


def written(path: Path, times_ms: list[int], acknowledged: int = 0) -> None:
    async def write() -> None:
        async with await AuditStore.open(path) as store:
            for at_ms in times_ms:
                facts = {"allowed": True, "asker": PERSON, "point": 1, "grant": GRANT}
                await store.append(Record(RecordKind.ACCESS, at_ms, 42_500, facts))
            if acknowledged:
                await store.acknowledge(list(range(1, acknowledged + 1)))

    asyncio.run(write())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.db"
    written(path, [AT_MS + n * SECOND for n in range(5)], acknowledged=3)
    return path


def audit(path: Path, command: str, *words: str) -> Result:
    return CliRunner().invoke(hubctl, ["audit", command, *words, "--file", str(path)])


def test_a_record_is_shown_with_its_place(log: Path) -> None:
    result = audit(log, "show", "4")
    assert result.exit_code == 0
    for said in ("access", "2027-01-15T08:00:03.123Z", "42.500 s", "does not have it yet"):
        assert said in result.stdout
    assert PERSON[:8] + "…" in result.stdout
    assert PERSON not in result.stdout
    assert GRANT.hex() not in result.stdout
    assert "has it" in audit(log, "show", "3").stdout


def test_hashes_of_neighbours_fit(log: Path) -> None:
    shown = [json.loads(audit(log, "show", str(n), "--json").stdout) for n in range(1, 6)]
    assert shown[0]["before"] == GENESIS.hex()
    for one, following in pairwise(shown):
        assert one["hash"] == following["before"]
    assert [one["acknowledged"] for one in shown] == [True, True, True, False, False]
    assert shown[4]["detail"] == {
        "allowed": True, "asker": "3fa9c2d1…", "point": 1, "grant": GRANT.hex()[:8] + "…"
    }  # fmt: skip
    assert shown[4]["at_ms"] == AT_MS + 4 * SECOND
    assert shown[4]["mono_ms"] == 42_500


def test_a_record_that_is_not_there(log: Path) -> None:
    result = audit(log, "show", "6", "--json")
    assert (result.exit_code, result.stdout) == (UNREADABLE, "")
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "no-record"
    assert "there is no record 6; the newest is 5" in error["message"]
    for number in ("0", "-1", "many", str(1 << 63)):
        assert audit(log, "show", number).exit_code == USAGE


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE records SET body = x'a0' WHERE number = 4", "record 4 was edited"),
        ("UPDATE records SET hash = zeroblob(32) WHERE number = 3", "record 4 was edited"),
        ("DELETE FROM records WHERE number = 4", "record 4 is missing"),
        ("DELETE FROM records WHERE number = 3", "record 3 is missing"),
        ("UPDATE records SET at_ms = 7 WHERE number = 4", "record 4 is filed under another time"),
    ],
)
def test_a_record_that_was_changed_is_told(log: Path, statement: str, says: str) -> None:
    with contextlib.closing(sqlite3.connect(log)) as connection:
        connection.execute(statement)
        connection.commit()
    result = audit(log, "show", "4", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["why"].startswith(says)


def numbers(log: Path, *words: str) -> list[int]:
    result = audit(log, "list", "--json", *words)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["number"] for line in result.stdout.splitlines()]


def test_records_of_a_time(log: Path) -> None:
    assert numbers(log, "--since", "2027-01-15T08:00:02.123Z") == [3, 4, 5]
    assert numbers(log, "--until", "2027-01-15T08:00:02.123Z") == [1, 2]
    assert numbers(log, "--since", "2027-01-15T09:00:01.123+01:00", "--last", "1") == [5]
    both = ("--since", "2027-01-15T08:00:01Z", "--until", "2027-01-15T08:00:03Z")
    assert numbers(log, *both) == [2, 3]
    assert numbers(log, "--since", "2030-01-01T00:00:00Z") == []
    assert audit(log, "list", "--since", "yesterday").exit_code == USAGE


def test_since_is_not_cut_to_the_newest_twenty(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    written(path, [AT_MS + n for n in range(30)])
    assert len(numbers(path)) == 20
    assert len(numbers(path, "--since", "2027-01-15T08:00:00Z")) == 30


def test_a_clock_that_was_set_back_hides_no_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    written(path, [AT_MS, AT_MS + 100 * SECOND, AT_MS + SECOND, AT_MS + 2 * SECOND])
    assert numbers(path, "--until", "2027-01-15T08:00:10Z") == [1, 3, 4]
    assert numbers(path, "--since", "2027-01-15T08:01:00Z") == [2]


def test_the_end_of_a_time_is_found_by_the_index(log: Path) -> None:
    with contextlib.closing(open_log(log)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {LAST_BEFORE}", (1,)).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH records USING COVERING INDEX records_at_ms (at_ms<?)"
    ]


def test_ids_are_shortened_also_those_that_this_version_does_not_know() -> None:
    for fact in Fact:
        whole = shorten(fact, "x" * 20) == "x" * 20
        assert whole is (FACTS[fact].shown is not Shown.BEGINNING)
    assert shorten("invented", PERSON) == PERSON[:8] + "…"
    assert shorten("invented", 7) == 7
