"""Between the words and the commands: the quick way, `-o`, `--timeout`, what was probably meant."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubctl.client import DEFAULT_SOCKET
from hubctl.shell import looks
from hubctl.shell.fields import Chosen, without_output
from hubctl.shell.quick import Look, understood
from hubctl.table import TABLE
from hubterm.exits import INTERRUPTED, NO_ANSWER, TRY_AGAIN, USAGE
from tests.unit.test_cli import DOORS, STATUS, Hub, _running

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

QUICK = [row.words for row in TABLE if row.quick]


async def run(*words: str, module: str = "hubctl") -> tuple[int | None, str, str]:
    """Run the program hubctl; `hubctl.main` is click's way alone."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def silent(path: Path) -> AsyncIterator[asyncio.Event]:
    """A hubd that takes a request and never answers; the event: it was asked."""
    asked = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(speak, path):
        yield asked


@pytest.mark.parametrize(
    ("words", "look"),
    [
        (["status"], Look("status", DEFAULT_SOCKET, False)),
        (["doors", "--json"], Look("doors", DEFAULT_SOCKET, True)),
        (["--socket", "/s", "devices"], Look("devices", "/s", False)),
        (["devices", "--socket", "/s", "--json"], Look("devices", "/s", True)),
        ([], None),
        (["clock"], None),
        (["--json", "status"], None),
        (["status", "--watch"], None),
        (["status", "--help"], None),
        (["status", "doors"], None),
        (["status", "--socket"], None),
        (["status", "--socket", "--json"], None),
        (["stat"], None),
    ],
)
async def test_the_quick_way_takes_what_it_understands_whole(
    words: list[str], look: Look | None
) -> None:
    assert understood(words, {}) == look


async def test_the_quick_way_reads_the_environment() -> None:
    assert understood(["status"], {"HUBD_SOCKET": "/e"}) == Look("status", "/e", False)
    assert understood(["status"], {"HUBD_SOCKET": ""}) == Look("status", DEFAULT_SOCKET, False)
    assert understood(["status"], {"_HUBCTL_COMPLETE": "bash_complete"}) is None


async def test_each_quick_command_of_the_table_is_there() -> None:
    assert len(QUICK) >= 3
    for row in TABLE:
        assert not row.quick or callable(getattr(looks, row.quick))


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("words", QUICK)
async def test_the_quick_way_shows_what_clicks_way_shows(
    tmp_path: Path, words: str, more: tuple[str, ...]
) -> None:
    async with _running(tmp_path / "s") as hub:
        problem = {"id": "x", "severity": "error", "what": "Bad.", "remedy": "Mend."}
        hub.answers["status"] = {**STATUS, "problems": [problem]}
        quick = await run(words, *more, "--socket", str(hub.path))
        by_click = await run(words, *more, "--socket", str(hub.path), module="hubctl.main")
    assert quick == by_click
    assert quick[0] == (words == "status")
    assert quick[1]


@pytest.mark.parametrize("more", [(), ("--json",)])
async def test_both_ways_say_the_same_of_no_answer(more: tuple[str, ...]) -> None:
    words = ("status", "--socket", "/nowhere/s", *more)
    quick = await run(*words)
    assert quick == await run(*words, module="hubctl.main")
    assert quick[:2] == (NO_ANSWER, "")


async def test_the_quick_way_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['hubctl', 'status', '--socket', '/nowhere/s']\n"
        "from hubctl.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code)\n"
        "heavy = ('click', 'rich', 'inspect', 'dataclasses', 'asyncio', 'tomllib', 'ssl')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.stdout == f"{NO_ANSWER}\n[]\n"


async def test_ctrl_c_ends_the_quick_way_and_a_verb(tmp_path: Path) -> None:
    for words in (("status",), ("clock", "trust"), ("passback", "reset")):
        async with silent(tmp_path / "s") as asked:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hubctl", *words, "--socket", str(tmp_path / "s")),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(20):
                await asked.wait()
                process.send_signal(signal.SIGINT)
                assert await process.communicate() == (b"", b"")
            assert process.returncode == INTERRUPTED


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_command_ends_when_its_time_is_over(tmp_path: Path, is_before: bool) -> None:
    limit = ("--timeout", "0.2")
    words = (*limit, "clock", "trust") if is_before else ("clock", "trust", *limit)
    async with silent(tmp_path / "s") as asked:
        status, out, err = await run(*words, "--socket", str(tmp_path / "s"))
        assert asked.is_set()
    assert (status, out) == (TRY_AGAIN, "")
    assert "within 0.2 s" in err
    assert len(err.splitlines()) == 1


async def test_a_time_that_is_over_is_a_document_for_machines(tmp_path: Path) -> None:
    socket = str(tmp_path / "s")
    async with silent(tmp_path / "s"):
        for form in (["--json"], ["-o", "json"], ["-ojson"]):
            status, out, err = await run("clock", *form, "--timeout", "0.2", "--socket", socket)
            assert (status, out) == (TRY_AGAIN, "")
            assert json.loads(err)["error"]["code"] == "timeout"


async def test_a_limit_that_is_not_reached_changes_nothing(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        result = await run("clock", "--timeout", "600", "--socket", str(hub.path))
    assert result[0] == 0
    assert "clock: trusted" in result[1]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "x", "86401"])
async def test_a_limit_that_is_none_is_refused(seconds: str) -> None:
    assert (await run("clock", "--timeout", seconds))[0] == USAGE


@pytest.mark.parametrize(
    ("words", "rest", "fields"),
    [
        (["--socket", "s"], ["--socket", "s"], ()),
        (["-o", "table", "x"], ["x"], ()),
        (["x", "-o", "json"], ["--json", "x"], ()),
        (["-oid,state"], ["--json"], ("id", "state")),
        (["--output=a.b", "x"], ["--json", "x"], ("a.b",)),
        (["-o", "id", "-o", "json"], ["--json"], ()),
        (["-o"], ["-o"], ()),
        (["--", "-o", "id"], ["--", "-o", "id"], ()),
    ],
)
async def test_the_form_is_taken_out_of_the_words(
    words: list[str], rest: list[str], fields: tuple[str, ...]
) -> None:
    assert without_output(words) == (rest, fields)


async def test_fields_of_a_document_of_its_things_and_within(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with _running(tmp_path / "s") as hub:
        socket = ("--socket", str(hub.path))
        assert await run("status", "-o", "hub,clock.state", *socket) == (
            0,
            "hub-1\ttrusted\n",
            "",
        )
        assert await run("devices", "-oid,answers,level", *socket) == (
            0,
            "south\tno\t40\nlight\tyes\t-\n",
            "",
        )
        assert (await run("doors", "-o", "json", *socket))[1] == (
            await run("doors", "--json", *socket)
        )[1]
        assert await run("doors", "-o", "table", *socket) == await run("doors", *socket)


async def test_a_field_that_is_not_there_is_said_once_and_changes_no_status(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["doors"] = [*DOORS, *DOORS]
        status, out, err = await run("doors", "-o", "id,stat", "--socket", str(hub.path))
    assert (status, out) == (0, "front\t-\nfront\t-\n")
    assert err == (
        "hubctl: there is no field 'stat' here; there are: id, name, state, access_points\n"
    )


async def test_a_chosen_field_steers_no_terminal() -> None:
    shown = io.StringIO()
    chosen = Chosen(shown, ("name",))
    chosen.write('{"name":"a\\u001b[2J\\tb"}')
    assert shown.getvalue() == "", "a document that is not whole waits"
    chosen.write("\n")
    assert shown.getvalue() == "a\\x1b[2J\\tb\n"


async def test_fields_of_a_program_that_hubctl_gives_way_to_are_refused() -> None:
    status, out, err = await run("enroll", "127.0.0.1:1", "-o", "hub")
    assert (status, out) == (USAGE, "")
    assert "no fields" in err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("stauts",), "Did you mean 'status'?"),
        (("clock", "trsut"), "Did you mean clock trust?"),
        (("audit", "verfy"), "Expected hubctl audit list or hubctl audit show or "),
    ],
)
async def test_what_was_probably_meant_is_said(words: tuple[str, ...], meant: str) -> None:
    status, out, err = await run(*words)
    assert (status, out) == (USAGE, "")
    assert meant in err


async def test_a_door_that_was_probably_meant_is_said(tmp_path: Path) -> None:
    denials = {"denials": [], "zone": "UTC", "since": 1_800_000_000.0}
    async with _running(tmp_path / "s", denials=denials) as hub:
        hub.answers["doors"] = [{"id": "front", "name": "\x1b[2J"}]
        socket = ("--socket", str(hub.path))
        typed = await run("why", "fornt", *socket)
        known = await run("why", "front", *socket)
    assert typed[0] == 0
    assert "Did you mean front?" in typed[1]
    assert "Did you mean" not in known[1]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
async def test_a_terminal_without_colour_or_size_is_shown_plain_text(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with _running(tmp_path / "s") as hub:
        leader, follower = pty.openpty()  # its size is 0 times 0
        process = await _at_terminal(hub, follower, environment)
        os.close(follower)
        seen = b""
        async with asyncio.timeout(20):
            while chunk := await asyncio.to_thread(_read, leader):
                seen += chunk
            assert await process.wait() == 0
        os.close(leader)
    shown = seen.decode()
    assert "Front door" in re.sub(r"\s+", " ", shown)
    assert "\x1b" not in shown


async def _at_terminal(
    hub: Hub, terminal: int, environment: dict[str, str]
) -> asyncio.subprocess.Process:
    sized = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubctl", "doors", "--socket", str(hub.path)),
        stdout=terminal,
        env={**sized, **environment},
    )


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 1 << 16)
    except OSError:  # EIO: the other end was closed
        return b""
