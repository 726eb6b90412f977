"""Ctrl-C, a time that is over, and a poor terminal: tried over every command that asks hubd."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubterm.exits import INTERRUPTED, OK, TRY_AGAIN
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_hubctl_hostile import ASKING, EVIL, SAMPLES, SLOW, everywhere, words_of
from tests.unit.test_hubctl_shell import silent

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

EVERY = [words for words in ASKING if words not in SLOW | {"policy load"}]
"""Those that ask hubd before anything else; the others have tests of their own."""
GOES_ON = frozenset({"tail"})
"""Ctrl-C is how these end."""
SECONDS = 30


@asynccontextmanager
async def running(
    *typed: str, stdout: int = asyncio.subprocess.PIPE, environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubctl", *typed),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("words", EVERY)
async def test_ctrl_c_ends_each_command_at_once_and_says_nothing(
    tmp_path: Path, words: str
) -> None:
    socket = str(tmp_path / "s")
    async with (
        silent(tmp_path / "s") as asked,
        running(*words_of(words, tmp_path), "--socket", socket) as process,
    ):
        await asked.wait()
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
    assert process.returncode == (OK if words in GOES_ON else INTERRUPTED)


@pytest.mark.parametrize("words", EVERY)
async def test_each_command_ends_when_its_time_is_over(tmp_path: Path, words: str) -> None:
    typed = (*words_of(words, tmp_path), "--socket", str(tmp_path / "s"), "--timeout", "0.3")
    async with silent(tmp_path / "s"), running(*typed, "--json") as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (TRY_AGAIN, b"")
    assert json.loads(err)["error"]["code"] == "timeout"


LOOKS = [words for words in EVERY if len(words.split()) == 1 and words not in GOES_ON]


@pytest.mark.parametrize("words", LOOKS)
@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "dumb", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "xterm", "COLUMNS": "1", "LINES": "1"},
    ],
    ids=["dumb, no UTF-8", "one cell"],
)
async def test_a_poor_terminal_is_shown_every_look(
    tmp_path: Path, words: str, environment: dict[str, str]
) -> None:
    """Its size is 0 times 0, and each name of the hub is an escape."""
    said = {call: everywhere(document, EVIL) for call, document in SAMPLES.items()}
    said["denials"]["zone"] = "Europe/Berlin"
    leader, follower = pty.openpty()
    typed = (*words_of(words, tmp_path), "--socket", str(tmp_path / "s"))
    with Daemon(tmp_path / "s", documents(said)):
        async with running(*typed, stdout=follower, environment=environment) as process:
            os.close(follower)
            reading = asyncio.create_task(asyncio.to_thread(_read_all, leader))
            assert process.stderr is not None
            err = await process.stderr.read()
            shown = (await reading).decode(errors="replace")
            status = await process.wait()
    os.close(leader)
    assert status in (0, 1)
    assert err == b""
    assert shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert all(line.isprintable() for line in plain.replace("\r", "").split("\n"))
    if environment["TERM"] == "dumb":
        assert plain == shown


def _read_all(leader: int) -> bytes:
    found = b""
    try:
        while chunk := os.read(leader, 1 << 16):
            found += chunk
    except OSError:  # EIO: the other end was closed
        pass
    return found
