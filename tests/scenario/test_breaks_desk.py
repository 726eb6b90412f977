"""A whole desk whose hub's state is moved aside, or whose hub is copied: what is told, and the way
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hubsim.stage import Stage, StageError, ask

pytestmark = [pytest.mark.asyncio, pytest.mark.once, pytest.mark.long]


async def command(stage: Stage, *arguments: str) -> str:
    """Run `hubsim backend` as an operator does; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hubsim.main", "backend", "--at", str(stage.path), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    return out.decode()


async def problems(socket: Path) -> dict[str, dict[str, Any]]:
    status = (await ask(socket, {"id": 1, "call": "status"}))["result"]
    return {problem["id"]: problem for problem in status["problems"]}


async def stands(stage: Stage, name: str, socket: Path | None = None) -> dict[str, Any]:
    """Wait until a problem stands; return it."""
    there = socket or stage.site.hub / "hubd.sock"

    async def look() -> bool:
        with contextlib.suppress(OSError):
            return name in await problems(there)
        return False

    await stage.until(look, f"{name} stands as a problem", 60)
    return (await problems(there))[name]


async def ends(stage: Stage, name: str) -> None:
    async def look() -> bool:
        return name not in await problems(stage.site.hub / "hubd.sock")

    await stage.until(look, f"{name} has ended", 60)


BREAKS = {"fork", "tail_cut"}


async def settled(stage: Stage) -> bool:
    """Whether the backend has taken all records of the hub, or has said that it cannot."""
    status = await stage.hub("status")
    problems = {problem["id"] for problem in status["problems"]}
    return status["records"]["waiting"] == 0 or bool(problems & BREAKS)


async def test_a_state_moved_aside_is_told_and_accepted_by_commands(tmp_path: Path) -> None:
    async with Stage(tmp_path / "site") as stage:

        async def acknowledged() -> bool:
            return bool((await stage.hub("status"))["records"]["waiting"] == 0)

        await stage.until(acknowledged, "all is acknowledged")
        before = await stage.records()
        await stage.stop("hub")
        state = stage.site.hub / "state"
        state.rename(stage.site.hub / "state.old")
        await stage.start_hub()
        problem = await stands(stage, "fork")
        assert "hubsim backend --at SITE accept HUB" in problem["remedy"]
        with pytest.raises(StageError, match="accept"):
            await stage.backend("release", hub="hub-1", access_point=1)
        assert "STOPPED (fork)" in await command(stage, "hubs")
        told = await command(stage, "accept", "hub-1")
        await ends(stage, "fork")
        await stage.until(acknowledged, "all is acknowledged again")
        after = await stage.records()
        assert "break" in [record["kind"] for record in after]
        assert after[0]["hash"] != before[0]["hash"]
        assert told.rpartition("/")[2].strip() in [
            file.name for file in (stage.site.backend / "records").iterdir()
        ]
        assert (await stage.backend("release", hub="hub-1", access_point=1))[
            "outcome"
        ] == "released"
        assert "not stopped" in await command(stage, "accept", "hub-1")


@contextlib.asynccontextmanager
async def copied(stage: Stage, directory: Path) -> AsyncIterator[Path]:
    """The hub again, from a copy of all its files; the path of its socket."""
    copy = directory / "copy"
    shutil.copytree(
        stage.path, copy, ignore=shutil.ignore_patterns("*.sock", "*.sock.root", "*.log")
    )
    with (directory / "copy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(
                "-m",
                "hubsim.main",
                "hub",
                "--at",
                str(copy),
                "--radio",
                stage.transport,
                "--nobody",
            ),
            stdout=log,
            stderr=log,
        )
    try:
        yield copy / "hub" / "hubd.sock"
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def test_two_hubs_from_one_disk_are_told_on_both_sides_and_a_command_decides(
    tmp_path: Path,
) -> None:
    async with Stage(tmp_path / "site") as stage, copied(stage, tmp_path) as other:
        here, there = await asyncio.gather(
            stands(stage, "two_hubs"), stands(stage, "two_hubs", other)
        )
        assert here["what"] != there["what"], "each names its own boot id"
        with pytest.raises(StageError, match="keep"):
            await stage.backend("release", hub="hub-1", access_point=1)
        boot = json.loads(json.dumps(await stage.hub("status")))["backend"]["boot"]
        assert boot[:8] in here["what"]
        assert boot[:8] in await command(stage, "hubs")
        assert boot in await command(stage, "keep", "hub-1", boot[:8])
        await ends(stage, "two_hubs")
        assert "two_hubs" in await problems(other)
        await stage.until(
            lambda: settled(stage), "the records of the kept machine are taken, or are a fork", 60
        )
        for cause in BREAKS & set(await problems(stage.site.hub / "hubd.sock")):
            # when the other's records came first
            await command(stage, "accept", "hub-1")
            await ends(stage, cause)
        assert (await stage.backend("release", hub="hub-1", access_point=1))[
            "outcome"
        ] == "released"


async def test_without_a_backend_the_commands_say_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "site")
    for arguments in (("hubs",), ("keep", "hub-1", "00"), ("accept", "hub-1")):
        assert "no backend runs" in await command(stage, *arguments)


async def all_acknowledged(stage: Stage) -> bool:
    return bool((await stage.hub("status"))["records"]["waiting"] == 0)


@pytest.mark.parametrize("older", [True, False], ids=["an older copy", "nothing"])
async def test_a_backend_that_comes_back_with_less_gets_the_records_again(
    tmp_path: Path, older: bool
) -> None:
    async with Stage(tmp_path / "site") as stage:
        await stage.until(lambda: all_acknowledged(stage), "all is acknowledged")
        await stage.stop("backend")
        records = stage.site.backend / "records"
        copy = tmp_path / "copy"
        shutil.copytree(records, copy)
        await stage.start_backend()

        async def released() -> bool:
            with contextlib.suppress(StageError):
                answer = await stage.backend("release", hub="hub-1", access_point=1)
                return bool(answer["outcome"] == "released")
            return False

        await stage.until(released, "a release is done")
        await stage.until(lambda: all_acknowledged(stage), "all is acknowledged")
        before = await stage.records()
        await stage.kill("backend")
        shutil.rmtree(records)
        if older:
            shutil.copytree(copy, records)
        await stage.start_backend()

        async def mended() -> bool:
            with contextlib.suppress(StageError):
                told = await stage.records()
                return len(told) > len(before) and await all_acknowledged(stage)
            return False

        await stage.until(mended, "the backend has all again")
        after = await stage.records()
        assert after[: len(before)] == before
        assert "break" in [record["kind"] for record in after[len(before) :]]
        log = (stage.path / "backend.log").read_text()
        assert "were acknowledged and are not here" in log
