"""The building on a desk, by the commands of docs/hub.md: each program a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubcore.errors import ConfigError
from hubsim.zwave.modules import find_modules

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 90.0
NO_FAULTS: dict[str, list[str]] = {"shutter-south": [], "shutter-north": [], "archive-lock": []}


@asynccontextmanager
async def running(*words: str, said: str) -> AsyncIterator[str]:
    """Run a command of `hubsim` from the line that holds SAID on; no SAID: from its start on."""
    process = await asyncio.create_subprocess_exec(
        BIN / "hubsim", *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = ""
            while said not in line:
                line = (await process.stdout.readline()).decode()
                assert line, f"hubsim {words[0]} ended before it said {said!r}"
        yield line.strip()
    finally:
        process.terminate()
        await process.communicate()


async def typed(*words: str) -> tuple[int, str]:
    """Run a command to its end; return its status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        BIN / words[0], *words[1:], stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await done():  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.2)


async def shown(socket: Path, what: str) -> list[dict[str, Any]]:
    """Return the rows of `hubctl devices` or `hubctl doors`; none while hubd does not answer."""
    status, said = await typed("hubctl", "--socket", str(socket), what, "--json")
    return [] if status else json.loads(said)[what]


async def test_the_building_of_the_readme(tmp_path: Path, unused_tcp_port: int) -> None:
    try:
        find_modules()
    except ConfigError as error:
        pytest.skip(str(error))
    at = ("--at", str(tmp_path / "house"))
    hub = tmp_path / "house" / "hub"
    endpoint = f"tcp://127.0.0.1:{unused_tcp_port}"
    site = ("hubsim", "site", *at)
    assert (await typed(*site, "init", "--building", "--backend", endpoint))[0] == 0
    assert (await typed(*site, "grant", "anna", "--access-point", "2"))[0] == 0
    async with (
        running("zwave", "--at", str(hub / "state"), said="the service listens at"),
        running("radio", "--listen", "127.0.0.1:0", said="radio on ") as air,
        running("backend", *at, said="backend on "),
        running("reader", *at, said="readers on "),
    ):
        radio = ("--radio", air.removeprefix("radio on "))
        async with running("hub", *at, *radio, said=""):
            socket = hub / "hubd.sock"

            async def all_is_there() -> bool:
                devices = await shown(socket, "devices")
                doors = await shown(socket, "doors")
                return (
                    {device["id"]: device["faults"] for device in devices} == NO_FAULTS
                    and [door["id"] for door in doors] == ["front", "archive"]
                    and {door["state"] for door in doors} == {"secured"}
                )

            await until(all_is_there)
            status, said = await typed("hubsim", "backend", *at, "act", "hub-1", "1", "close")
            assert (status, said.count(": confirmed")) == (0, 2)
            status, said = await typed(
                "hubsim", "phone", *at, "unlock", "anna", "--access-point", "2", *radio
            )
            assert (status, "the door is open" in said) == (0, True), said
