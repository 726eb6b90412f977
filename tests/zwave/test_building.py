"""The building on a desk, by the commands of docs/hub.md: each program a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hubcore.errors import ConfigError
from hubctl.things.acting import SAYS
from hubsim.zwave.modules import find_modules
from tests.terminal import at_terminal

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 90.0
NO_FAULTS: dict[str, list[str]] = {"shutter-south": [], "shutter-north": [], "archive-lock": []}


class Program(NamedTuple):
    """A command of `hubsim` that runs, and the line by which it said so."""

    process: asyncio.subprocess.Process
    said: str

    async def obeys(self, line: str) -> None:
        """Type a line, and wait until it has been done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await self.process.stdout.readline() == b"done\n"


@asynccontextmanager
async def running(*words: str, said: str) -> AsyncIterator[Program]:
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
        yield Program(process, line.strip())
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
        running("zwave", "--at", str(hub / "state"), said="the service listens at") as network,
        running("radio", "--listen", "127.0.0.1:0", said="radio on ") as air,
        running("backend", *at, said="backend on "),
        running("reader", *at, said="readers on "),
    ):
        radio = ("--radio", air.said.removeprefix("radio on "))
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
            await a_node_dies(network, socket)
            await the_stick_is_pulled(network, socket)


async def a_node_dies(network: Program, socket: Path) -> None:
    """One command says which node is dead; a person at a terminal sees that it is being asked."""
    hubctl = ("hubctl", "--socket", str(socket), "zwave")
    assert (await typed(*hubctl))[0] == 0
    await network.obeys("dead 7 on")
    ping = (str(BIN / "hubctl"), *hubctl[1:], "7", "ping")
    async with at_terminal("sh", "-c", 'exec "$@" 2>&1', "sh", *ping) as terminal:
        status, _ = await terminal.ended()
    assert status == 1
    assert terminal.text.split("\n")[0].strip() == SAYS["working"]
    assert "Node 7 does not answer." in terminal.text
    status, said = await typed(*hubctl)
    assert status == 1
    assert re.search(r"dead: .*: node 7\.\n  what to do: ", said), said
    assert re.search(r"^ *7 +not configured +dead ", said, re.MULTILINE), said
    assert re.search(r"^ *8 +archive-lock, lock of door archive +alive ", said, re.MULTILINE), said
    await network.obeys("dead 7 off")
    assert (await typed(*hubctl, "7", "ping")) == (0, "Node 7 answers.\n")
    assert (await typed(*hubctl))[0] == 0


async def the_stick_is_pulled(network: Program, socket: Path) -> None:
    hubctl = ("hubctl", "--socket", str(socket), "zwave")

    async def fault() -> str | None:
        _, said = await typed(*hubctl, "--json")
        found = json.loads(said)["zwave"]["fault"]
        return None if found is None else str(found["fault"])

    async def gone() -> bool:
        return await fault() == "interface_gone"

    async def back() -> bool:
        return await fault() is None

    await network.obeys("stick out")
    await until(gone)
    status, said = await typed(*hubctl)
    assert status == 1
    assert re.search(r"interface_gone: .*stick.*\n  what to do: ", said), said
    assert (await typed(*hubctl, "8", "ping"))[0] == 1
    await network.obeys("stick in")
    await until(back)
    assert (await typed(*hubctl, "8", "ping"))[0] == 0
