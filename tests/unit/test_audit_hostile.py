"""`hubctl audit` on files that were made to deceive it: a sentence and a status, and nothing that
steers a terminal.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.evidence.records import chain_hash
from hubctl.evidence.opening import APPLICATION_ID
from hubctl.main import hubctl
from hubterm.exits import NO, NOT_ALLOWED
from tests.somebody import hubctl_as_somebody

pytestmark = pytest.mark.once

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
TABLES = (
    "CREATE TABLE records (number, at_ms, body, hash)",
    "CREATE TABLE outbox (number)",
    "CREATE TABLE acknowledged (only_row, number, hash)",
)
BODY = cbor.encode({"at": 1, "kind": "access", "mono": 1})
HASH = chain_hash(bytes(32), 1, BODY)
VALUES = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.sampled_from([ESCAPE, "1", "", "9" * 30]),
    st.text(max_size=5),
    st.sampled_from([b"", BODY, HASH, bytes(32), b"\xff" * 40]),
)


def crafted(
    path: Path, *statements: tuple[str, tuple[object, ...]], tables: tuple[str, ...] = TABLES
) -> Path:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for table in tables:
            connection.execute(table)
        for statement, values in statements:
            connection.execute(statement, values)
    return path


def run(command: str, path: Path) -> Result:
    return CliRunner().invoke(hubctl, ["audit", command, "--file", str(path)])


def judged(result: Result) -> None:
    """It ended by itself, and wrote nothing but lines that print."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert all(line.isprintable() for line in result.output.split("\n")), repr(result.output)


@given(st.tuples(VALUES, VALUES, VALUES, VALUES), VALUES, st.tuples(VALUES, VALUES))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_kind_of_value_makes_a_traceback_or_reaches_the_terminal(
    tmp_path: Path,
    record: tuple[object, ...],
    outbox: object,
    acknowledged: tuple[object, ...],
) -> None:
    path = crafted(
        tmp_path / "audit.db",
        ("INSERT INTO records VALUES (?, ?, ?, ?)", record),
        ("INSERT INTO outbox VALUES (?)", (outbox,)),
        ("INSERT INTO acknowledged VALUES (1, ?, ?)", acknowledged),
    )
    for command in ("verify", "list"):
        judged(run(command, path))


WITH_CHECKPOINT = (
    *TABLES,
    "CREATE TABLE uses (grant_id, use, op, expires, number)",
    "CREATE TABLE checkpoint (only_row, document)",
    "CREATE TABLE checkpoint_uses (grant_id, use, op, expires, number)",
    "PRAGMA user_version = 4",
)


@given(VALUES, st.tuples(VALUES, VALUES, VALUES, VALUES, VALUES), st.booleans())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_checkpoint_makes_a_traceback_or_reaches_the_terminal(
    tmp_path: Path, document: object, use: tuple[object, ...], has_use: bool
) -> None:
    path = crafted(
        tmp_path / "audit.db",
        ("INSERT INTO checkpoint VALUES (1, ?)", (document,)),
        ("INSERT INTO checkpoint_uses SELECT ?, ?, ?, ?, ? WHERE ?", (*use, has_use)),
        tables=WITH_CHECKPOINT,
    )
    result = run("verify", path)
    judged(result)
    assert result.exit_code == NO
    judged(run("list", path))


RIGHT = ("INSERT INTO records VALUES (1, 1, ?, ?)", (BODY, HASH))
WRONG = {
    "number": (
        ("INSERT INTO records VALUES (?, 1, ?, ?)", (ESCAPE, BODY, HASH)),
        "holds values that no record",
    ),
    "body": (
        ("INSERT INTO records VALUES (1, 1, ?, ?)", (ESCAPE, HASH)),
        "holds values that no record",
    ),
    "no hash": (
        ("INSERT INTO records VALUES (1, 1, ?, NULL)", (BODY,)),
        "holds values that no record",
    ),
    "text": (("INSERT INTO records VALUES (1, CAST(x'ff' AS TEXT), ?, ?)", (BODY, HASH)), ""),
    "a long body": (
        ("INSERT INTO records VALUES (1, 1, zeroblob(2000000), ?)", (HASH,)),
        "too big",
    ),
    "outbox": (("INSERT INTO outbox VALUES (?)", (ESCAPE,)), "holds more than numbers"),
    "acknowledged": (
        ("INSERT INTO acknowledged VALUES (1, ?, ?)", (ESCAPE, HASH)),
        "acknowledged is damaged",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_malformed_is_broken_with_a_sentence(tmp_path: Path, what: str) -> None:
    statement, says = WRONG[what]
    statements = (statement,) if "INTO records" in statement[0] else (RIGHT, statement)
    result = run("verify", crafted(tmp_path / "audit.db", *statements))
    judged(result)
    assert result.exit_code == NO
    assert "BROKEN: " in result.output
    assert says in result.output


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ((), "no table 'records'"),
        (TABLES[:2], "no table 'acknowledged'"),
        (("CREATE VIEW records AS SELECT 1", *TABLES[1:]), "no table 'records'"),
        ((*TABLES, f'CREATE TABLE "{ESCAPE}" (x)'), "does not belong in an audit log"),
        ((*TABLES, "CREATE VIEW endless AS SELECT 1"), "endless does not belong"),
    ],
)
def test_other_tables_than_a_log_s_are_broken_evidence(
    tmp_path: Path, tables: tuple[str, ...], says: str
) -> None:
    path = crafted(tmp_path / "audit.db", tables=tables)
    for command in ("verify", "list"):
        result = run(command, path)
        judged(result)
        assert result.exit_code == NO
        assert says in result.output


def test_the_name_of_a_file_is_shown_cleaned(tmp_path: Path) -> None:
    path = crafted(tmp_path / f"{ESCAPE}.db", RIGHT)
    judged(run("verify", path))
    judged(run("verify", tmp_path / f"{ESCAPE}-not-there.db"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_who_may_not_read_is_told_to_use_sudo(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=mode)
    path = crafted(state / "audit.db", RIGHT)
    path.chmod(0o600)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    done = hubctl_as_somebody("audit", "verify", "--file", str(path))
    assert done.returncode == NOT_ALLOWED
    assert done.stderr == f"{path}: this user may not read it. Try: sudo hubctl audit verify\n"


_COSTLY = "length(" + "replace(" * 18 + "hex(zeroblob(400000))" + ", '00', '00')" * 18 + ")"


COMPUTED = {
    "records": f"CREATE TABLE records (number, at_ms AS ({_COSTLY}), body, hash)",
    "outbox": f"CREATE TABLE outbox (x, number AS ({_COSTLY}))",
    "acknowledged": f"CREATE TABLE acknowledged (only_row, number, hash AS ({_COSTLY}))",
}
FILLED = {"records": "number", "outbox": "x", "acknowledged": "number"}


@pytest.mark.parametrize("command", ["verify", "list"])
@pytest.mark.parametrize("table", COMPUTED)
def test_a_column_that_is_computed_is_not_even_read(
    tmp_path: Path, table: str, command: str
) -> None:
    """Each row of it costs time: some 300 KiB of them would keep a reader for hours."""
    tables = tuple(COMPUTED[table] if f"TABLE {table} " in ours else ours for ours in TABLES)
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    fill = f"{numbers} INSERT INTO {table} ({FILLED[table]}) SELECT i FROM n"  # noqa: S608 - own names
    path = crafted(tmp_path / "audit.db", (fill, ()), tables=tables)
    argv = [sys.executable, "-m", "hubctl.main", "audit", command, "--file", str(path)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == NO
    assert f"the columns of {table} are not those of an audit log" in ended.stderr
