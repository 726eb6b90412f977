"""hubctl top at a real terminal, before a real local socket with given answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubterm.exits import INTERRUPTED, NO, NO_ANSWER, OK, TRY_AGAIN
from tests.terminal import BARE, Terminal, at_terminal
from tests.unit.test_cli import DEVICES, STATUS, Hub, _running

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

LEAVES_SCREEN = b"\x1b[?1049l"
SHELL = ("sh", "-c", "exec bash --norc --noprofile -i 2>&1")
MOVES_CURSOR = b"\x1b["
DOORS = [
    {"id": "front", "name": "Front door", "state": "secured", "mode": "Locked", "orders": []},
    {
        "id": "back",
        "name": "Back \x1b[2Jdoor",
        "state": "open",
        "mode": "Locked",
        "alarm": "forced",
    },
    {"id": "yard", "name": "Yard gate", "state": "secured", "mode": "Blocked", "orders": []},
]
MEASURED = {
    "decisions": [
        {"door": "front", "by": "access", "why": "granted", "count": 12},
        {"door": "front", "by": "access", "why": "out-of-schedule", "count": 2},
    ],
    "strike_asked": {"bounds_seconds": [0.005, 0.01], "counts": [0, 3, 8], "sum_seconds": 1.0},
}
RADIO = {
    "adapter": None,
    "advertising": {"on_air": True, "since": 1_800_000_000.0, "why": None},
    "links": [
        {"number": 3, "since": 1_800_000_000.0, "phase": "proof", "rssi": -61, "point": 1},
        {"number": 4, "since": 1_800_000_000.0, "phase": "greeted", "rssi": None, "point": None},
    ],
    "link_places": 8,
    "last_link": 1_800_000_000.0,
    "last_failure": None,
}


def unlock(number: int, door: str, total: float) -> dict[str, Any]:
    return {
        "number": number,
        "at": 1_800_000_000.0 + number,
        "by": "phone",
        "link": 3,
        "point": 1,
        "door": door,
        "action": 1,
        "result": "granted",
        "steps": [{"step": "connected", "ms": 0.0}, {"step": "strike_asked", "ms": total}],
        "total_ms": total,
    }


TRACE = {"unlocks": [unlock(9, "back", 47.0), unlock(8, "front", 33.0), unlock(7, "back", 21.0)]}


@asynccontextmanager
async def hub_of(path: Path, **more: object) -> AsyncIterator[Hub]:
    answers: dict[str, Any] = {"measured": MEASURED, "radio": RADIO, "trace": TRACE}
    async with _running(path, **{**answers, **more}) as hub:
        hub.answers["status"] = {**STATUS, "problems": [], "doors": DOORS, "devices": DEVICES}
        yield hub


@asynccontextmanager
async def top(
    hub: Path, *more: str, program: tuple[str, ...] = ("-m", "hubctl"), **how: Any
) -> AsyncIterator[Terminal]:
    words = (sys.executable, *program, "top", "--socket", str(hub), *more)
    async with at_terminal(*words, **how) as terminal:
        before = terminal.modes()
        yield terminal
        if terminal.process.returncode is not None:
            assert terminal.modes() == before


async def quit_by(terminal: Terminal, keys: str) -> int:
    terminal.type(keys)
    status, said = await terminal.ended()
    assert said == ""
    return status


async def test_a_screen_shows_the_hub_and_q_gives_the_terminal_back(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s", size=(120, 30)) as terminal:
        await terminal.until("Front door")
        for shown in (
            "hub-1 of site site-1",
            "Back \\x1b[2Jdoor",
            "alarm forced",
            "link 3",
            "proof",
            "-61 dBm",
            "no RSSI",
            "point 1",
            "links 2 of 8",
            "out-of-schedule  2",
            "records wait",
            "█",
        ):
            await terminal.until(shown)
        assert await quit_by(terminal, "q") == OK
        assert LEAVES_SCREEN in terminal.sent


async def test_enter_opens_the_trace_of_the_chosen_door_and_escape_leaves_it(
    tmp_path: Path,
) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Front d")
        terminal.type("\r")
        await terminal.until("last unlocks at back")  # the worst door is the first
        await terminal.until("steps of unlock 9")
        terminal.type("\x1bOB")
        await terminal.until("steps of unlock 7")
        await terminal.until("strike asked")
        assert "33 ms" not in terminal.text
        terminal.type("\x1b")
        await terminal.until("decisions since")
        terminal.type("\x1bOB\x1bOB\r")
        await terminal.until("last unlocks at front")
        assert await quit_by(terminal, "q") == OK


async def test_a_filter_leaves_rows_out_until_it_is_dropped(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Yard")
        terminal.type("/yaq")  # while a filter is typed, q is a sign
        await terminal.until("/yaq_")
        terminal.type("\x7f\r")
        await terminal.until(lambda text: "Yard" in text and "secured  Locked" not in text)
        await terminal.until("doors, 1 of 3")
        terminal.type("\x1b")
        await terminal.until("Front d")
        assert await quit_by(terminal, "q") == OK


async def test_the_keys_are_shown(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Yard")
        terminal.type("?")
        await terminal.until("its last unlocks, step by step")
        terminal.type("x")
        await terminal.until("Yard")
        assert await quit_by(terminal, "q") == OK


async def test_it_follows_the_size_of_its_terminal(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Yard")
        for width, height in ((60, 30), (120, 10), (10, 3), (1, 1), (100, 24)):
            terminal.resize(width, height)
            foot = "up/down choose  Enter trace"[:width]
            if height > 1:
                await terminal.until(lambda text, foot=foot: text.split("\n")[-1].startswith(foot))
        await terminal.until("Yard gate")
        assert await quit_by(terminal, "q") == OK


async def test_a_terminal_of_no_size_gets_that_of_its_name(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s", told_size=False) as terminal:
        await terminal.until("Yard")
        assert await quit_by(terminal, "q") == OK


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "vt100", "LANG": "C"},
        {"TERM": "vt100"},
        {"TERM": "linux", "LANG": "C.UTF-8"},
        {"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C"},
    ],
)
async def test_without_utf8_all_is_ascii(tmp_path: Path, environment: dict[str, str]) -> None:
    async with hub_of(tmp_path / "s") as hub:
        hub.answers["status"]["doors"] = [{**DOORS[0], "name": "Tür"}]
        async with top(tmp_path / "s", environment={"LANG": "", **environment}) as terminal:
            await terminal.until("T\\xfcr")
            await terminal.until("#")
            assert await quit_by(terminal, "q") == OK
            assert bytes(terminal.sent).isascii()


async def test_without_colour_nothing_is_coloured(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"):
        for environment in ({**BARE, "NO_COLOR": "1"}, {**BARE, "TERM": "vt220"}):
            async with top(tmp_path / "s", environment=environment) as terminal:
                await terminal.until("decisions since")
                cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
                assert {cell.fg for cell in cells} == {"default"}
                assert any(cell.bold for cell in cells)
                assert await quit_by(terminal, "q") == OK


async def test_the_worst_is_red(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("back")
        assert _colour_of(terminal, "hub-1") == "green"
        terminal.type("\x1bOB")
        await terminal.until(lambda _: _colour_of(terminal, "back ") == "red")
        assert await quit_by(terminal, "q") == OK


def _colour_of(terminal: Terminal, begins: str) -> str:
    (row,) = [at for at, line in enumerate(terminal.lines) if line.startswith(begins)]
    return str(terminal.screen.buffer[row][0].fg)


async def test_a_hub_that_goes_and_comes_again_is_told(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(AsyncExitStack())
        await running.enter_async_context(hub_of(tmp_path / "s"))
        terminal = await stack.enter_async_context(top(tmp_path / "s"))
        await terminal.until("Front d")
        await running.aclose()
        await terminal.until("hubd does not answer")
        await terminal.until(lambda text: "Front d" not in text)
        async with hub_of(tmp_path / "s"):
            await terminal.until("Front d")
        await terminal.until("hubd does not answer")
        assert await quit_by(terminal, "q") == NO_ANSWER


async def test_keys_are_answered_while_the_hub_hangs(tmp_path: Path) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(hang, tmp_path / "s"), top(tmp_path / "s") as seen:
        await seen.until("hubctl asks hubd")
        seen.type("?")
        await seen.until("its last unlocks, step by step")
        assert await quit_by(seen, "q") == NO_ANSWER


@pytest.mark.parametrize("keys", ["q", "\x03"])
async def test_it_ends_with_the_status_of_what_it_saw_last(tmp_path: Path, keys: str) -> None:
    async with hub_of(tmp_path / "s") as hub:
        problem = {"id": "radio", "severity": "error", "what": "No air.", "remedy": "Look."}
        hub.answers["status"]["problems"] = [problem]
        async with top(tmp_path / "s") as terminal:
            await terminal.until("what to do: Look.")
            assert await quit_by(terminal, keys) == NO


async def test_ctrl_c_pressed_again_and_again_leaves_the_terminal_whole(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Yard")
        terminal.type("\x03" * 20)
        status, _ = await terminal.ended()
        assert status in (OK, INTERRUPTED, -signal.SIGINT)
        assert LEAVES_SCREEN in terminal.sent


async def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_draws_again(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), at_terminal(*SHELL) as terminal:
        terminal.type(f"{sys.executable} -m hubctl top --socket {tmp_path}/s\n")
        await terminal.until("Yard")
        terminal.type("\x1a")
        await terminal.until("Stopped")
        terminal.type("echo shell-$((6*7))\n")
        await terminal.until("shell-42")
        terminal.type("fg\n")
        await terminal.until(lambda text: "Yard" in text and "shell-42" not in text)
        terminal.type("?")
        await terminal.until("its last unlocks, step by step")
        terminal.type("q")
        await terminal.until("bash-")
        terminal.type("exit $?\n")
        assert (await terminal.ended())[0] == OK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_that_ends_it_leaves_the_terminal_whole(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s") as terminal:
        await terminal.until("Yard")
        terminal.process.send_signal(number)
        assert await terminal.ended() == (-number, "")
        assert LEAVES_SCREEN in terminal.sent


async def test_a_bug_leaves_the_terminal_whole_and_its_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from hubctl.top import live\n"
        "from hubctl.__main__ import main\n"
        "def lines(seen, *_):\n"
        "    if seen is not None: raise ZeroDivisionError('planted')\n"
        "    return []\n"
        "live.lines = lines\n"
        "main()\n"
    )
    async with hub_of(tmp_path / "s"), top(tmp_path / "s", program=(str(broken),)) as terminal:
        status, said = await terminal.ended()
        assert status == 70
        assert "planted" in said
        assert LEAVES_SCREEN in terminal.sent


async def test_a_timeout_leaves_the_terminal_whole(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"), top(tmp_path / "s", "--timeout", "1.5") as terminal:
        status, _ = await terminal.ended()
        assert status == TRY_AGAIN
        assert LEAVES_SCREEN in terminal.sent


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"environment": {"TERM": "dumb"}}, "dumb"),
        ({"environment": {"TERM": ""}}, "not set"),
        ({"environment": {"TERM": "hardly-known"}}, "hardly-known"),
        ({"speed": termios.B9600}, "9600 baud"),
        ({"speed": termios.B19200}, "19200 baud"),
        ({"environment": {**BARE, "COLUMNS": "40000"}}, "larger than any"),
        ({"environment": {**BARE, "LINES": "9" * 5000}}, "larger than any"),
    ],
)
async def test_where_no_screen_can_be_drawn_there_is_a_line_a_change(
    tmp_path: Path, how: dict[str, Any], says: str
) -> None:
    async with (
        hub_of(tmp_path / "s") as hub,
        top(tmp_path / "s", size=(200, 60), **how) as terminal,
    ):
        await terminal.until("door front: secured, Locked")
        hub.answers["status"] = {**hub.answers["status"], "doors": [{**DOORS[0], "state": "open"}]}
        await terminal.until("door front: open, Locked")
        await terminal.until("door yard: gone")
        assert terminal.text.count("door front") == 2
        assert MOVES_CURSOR not in terminal.sent
        assert await quit_by(terminal, "\x03") == OK


async def test_a_slow_line_gets_a_screen_when_somebody_wants_it(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s"):
        async with top(tmp_path / "s", "--no-plain", speed=termios.B9600) as terminal:
            await terminal.until("decisions since")
            assert await quit_by(terminal, "q") == OK
        async with top(tmp_path / "s", "--no-plain", environment={"TERM": "dumb"}) as terminal:
            await terminal.until("door front")
            assert MOVES_CURSOR not in terminal.sent


async def test_an_older_hub_has_boxes_that_were_not_measured(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["status"] = {**STATUS, "doors": DOORS, "problems": [], "devices": []}
        async with top(tmp_path / "s") as terminal:
            await terminal.until("Yard")
            await terminal.until(lambda text: text.count("not measured") == 4)
            terminal.type("\r")
            await terminal.until("this hubd follows no unlocks")
            assert await quit_by(terminal, "q") == OK


async def test_machines_get_a_document_each_second_and_null_for_what_was_not_measured(
    tmp_path: Path,
) -> None:
    async with _running(tmp_path / "s") as hub:
        process = await hub.process("top", "--json")
        assert process.stdout is not None
        document = json.loads(await process.stdout.readline())
    async with asyncio.timeout(30):
        while "error" not in (other := json.loads(await process.stdout.readline())):
            assert other["status"] == document["status"]
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert await process.wait() == NO_ANSWER
    assert document["status"]["hub"] == "hub-1"
    assert (document["measured"], document["radio"], document["trace"]) == (None, None, None)
    assert (document["schema"], other["schema"], other["error"]["code"]) == (1, 1, "down")


async def test_lines_end_with_whoever_reads_them(tmp_path: Path) -> None:
    async with hub_of(tmp_path / "s") as hub:
        reader, writer = os.pipe()
        process = await hub.process("top", "--plain", stdout=writer)
        os.close(writer)
        first = await asyncio.to_thread(os.read, reader, 1)
        os.close(reader)
        async with asyncio.timeout(30):
            assert (first, await process.wait()) == (b"2", -signal.SIGPIPE)


async def test_ctrl_c_before_the_first_answer_is_no_answer(tmp_path: Path) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(hang, tmp_path / "s"), top(tmp_path / "s") as seen:
        await seen.until("hubctl asks hubd")
        assert await quit_by(seen, "\x03") in (NO_ANSWER, INTERRUPTED)
