"""`hubctl doctor`: each source of checks, broken one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hubcore.checks import AREA_OF, CHECKS, Class
from hubcore.errors import AuditError
from hubcore.evidence.records import Record, RecordKind
from hubcore.version import __version__
from hubctl.evidence.chain import verify_newest
from hubctl.evidence.opening import open_log
from hubctl.main import hubctl
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hubd.adapters.sqlite.audit import AuditStore
from hublocal.calls import Call
from hublocal.tail.events import EventTail

pytestmark = pytest.mark.once

WELL = [{"id": "radio", "area": "readiness"}, {"id": "backend", "area": "connectivity"}]
AWAY = {
    "id": "backend",
    "check": "backend-away",
    "area": "connectivity",
    "severity": "warning",
    "what": "The backend is away.",
    "remedy": "Wait.",
}
DOWN = {**AWAY, "check": "radio-down", "id": "radio", "severity": "error"}


@pytest.fixture(autouse=True)
def _no_logs() -> None:
    log.set_up("error", io.StringIO(), human=False)


@contextlib.asynccontextmanager
async def running(path: Path, checks: Any, version: str = __version__) -> AsyncIterator[None]:
    async def status(_args: Mapping[str, Any], _caller: object) -> object:
        return {"version": version}

    async def told(_args: Mapping[str, Any], _caller: object) -> object:
        return checks

    api = LocalApi(path, (Call("status", status), Call("checks", told)), EventTail())
    api.bind()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(api.serve())
        yield
        serving.cancel()


async def doctor(path: Path, *words: str) -> tuple[Result, dict[str, dict[str, Any]]]:
    """Ask the doctor; a configuration that is not there is left out."""
    nowhere = ["--config", "/nowhere/hubd.toml", "--audit", "/nowhere/audit.db"]
    command = ["doctor", "--socket", str(path), *nowhere, "--json", *words]
    result = await asyncio.to_thread(CliRunner().invoke, hubctl, command)
    checks = json.loads(result.stdout)["checks"] if result.stdout else []
    return result, {one["id"]: one for one in checks}


LEFT_OUT = ("--skip", "config-configuration")


async def test_all_well_is_0_a_doubt_1_a_failure_2(tmp_path: Path) -> None:
    for checks, status, worst in (
        (WELL, 0, "ok"),
        ([*WELL, AWAY], 1, "warning"),
        ([AWAY, DOWN], 2, "failed"),
        ([{"id": "radio", "severity": "new"}], 1, "unknown"),
        ([{"id": "radio", "severity": 3}], 1, "unknown"),
    ):
        async with running(tmp_path / "s", checks):
            result, found = await doctor(tmp_path / "s", *LEFT_OUT)
        assert (result.exit_code, json.loads(result.stdout)["worst"]) == (status, worst)
        assert found["hubd"]["state"] == "ok"


async def test_a_standing_problem_has_the_id_class_cause_and_remedy_of_the_table(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "s", [AWAY]):
        _, found = await doctor(tmp_path / "s", *LEFT_OUT)
    assert found["backend-away"] == {
        "id": "backend-away",
        "class": "connectivity",
        "state": "warning",
        "what": "The backend is away.",
        "remedy": "Wait.",
    }


async def test_a_hubd_that_is_down_failed_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    result, found = await doctor(tmp_path / "none")
    assert result.exit_code == 2
    assert found["hubd"]["state"] == "failed"
    assert "there is no such socket" in found["hubd"]["what"]
    assert found["config-configuration"]["state"] == "failed"
    assert "there is no such file" in found["config-configuration"]["what"]


async def test_with_hubd_down_nothing_is_tried_and_nothing_of_it_is_well(tmp_path: Path) -> None:
    _, found = await doctor(tmp_path / "none", "--active")
    assert found["active"]["state"] == "unknown"
    assert not [name for name in found if name.startswith("active-")]


async def test_another_version_that_runs_is_a_warning(tmp_path: Path) -> None:
    async with running(tmp_path / "s", WELL, version="0.0.9"):
        result, found = await doctor(tmp_path / "s", "--only", "version")
    assert (result.exit_code, list(found)) == (1, ["version"])
    assert found["version"]["remedy"] == "sudo systemctl restart hubd"


async def test_a_check_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    result, _ = await doctor(tmp_path / "none", "--only", "nonsense")
    assert (result.exit_code, result.stdout) == (64, "")
    assert "there are: config-configuration, hubd" in json.loads(result.stderr)["error"]["message"]


def test_every_check_has_an_area() -> None:
    assert set(AREA_OF) == set(Class)
    assert {AREA_OF[row.class_] for row in CHECKS.values()} == set(AREA_OF.values())


async def evidence(file: Path, records: int) -> None:
    async with await AuditStore.open(file) as store:
        many = [Record(RecordKind.DOOR, at, 0, {"door": "front"}) for at in range(records)]
        await asyncio.gather(*(store.append(record) for record in many))


def edit(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


async def test_evidence_that_holds_is_well_with_hubd_down(tmp_path: Path) -> None:
    file = tmp_path / "audit.db"
    await evidence(file, 30)
    _, found = await doctor(tmp_path / "none", "--audit", str(file))
    assert found["audit-chain"]["state"] == "ok"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM records WHERE number = 20", "record 20 is missing"),
        ("UPDATE records SET body = x'00' WHERE number = 20", "record 20"),
        ("UPDATE records SET hash = zeroblob(32) WHERE number = 20", "record 20"),
    ],
)
async def test_evidence_that_was_edited_failed(tmp_path: Path, statement: str, says: str) -> None:
    file = tmp_path / "audit.db"
    await evidence(file, 30)
    edit(file, statement)
    result, found = await doctor(tmp_path / "none", "--audit", str(file))
    assert result.exit_code == 2
    told = found["audit-chain"]
    assert (told["state"], told["remedy"]) == ("failed", "sudo hubctl audit verify")
    assert says in told["what"]


async def test_what_is_no_evidence_failed_and_none_has_no_check(tmp_path: Path) -> None:
    file = tmp_path / "audit.db"
    _, found = await doctor(tmp_path / "none", "--audit", str(file))
    assert "audit-chain" not in found
    file.write_text("no database")
    _, found = await doctor(tmp_path / "none", "--audit", str(file))
    assert found["audit-chain"]["state"] == "failed"


async def test_only_the_newest_records_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "audit.db"
    await evidence(file, 30)
    with contextlib.closing(open_log(file)) as connection:
        assert verify_newest(connection, 5) == 5
        assert verify_newest(connection, 100) == 30
    edit(file, "UPDATE records SET hash = zeroblob(32) WHERE number = 10")
    with contextlib.closing(open_log(file)) as connection:
        assert verify_newest(connection, 5) == 5
        with pytest.raises(AuditError):
            verify_newest(connection, 25)
