"""hubctl against a real local socket: what people see, what machines get, and the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import io
import json
import os
import pty
import re
import signal
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hubcore.checks import CHECKS, CheckId
from hubcore.version import __version__
from hubctl.client import HubClient, NoAnswer
from hubctl.kept import kept_facts
from hubctl.main import hubctl
from hubctl.page import Page
from hubctl.show import backend_text, clock_text, doors_table, event_line, status_page
from hubd.adapters.host import log
from hubd.adapters.local.api import LocalApi
from hublocal.calls import Call, CallRefused
from hublocal.tail.events import EventTail
from hubterm.exits import NO_ANSWER, NOT_ALLOWED, PROTOCOL, TRY_AGAIN
from hubterm.text import clean, clean_json

pytestmark = pytest.mark.asyncio

DEVICES = [
    {
        "id": "south",
        "name": "Shutter \x1b[2J",
        "kind": "zwave",
        "position": "between",
        "level": 40,
        "age_seconds": 3.5,
        "answers": False,
        "faults": ["jammed"],
        "readings": {"battery": 12.0},
    },
    {
        "id": "light",
        "name": "Light",
        "kind": "relay",
        "position": "unknown",
        "level": None,
        "age_seconds": None,
        "answers": True,
        "faults": [],
        "readings": {},
    },
]
DOORS = [
    {
        "id": "front",
        "name": "Front door",
        "state": "closed",
        "access_points": [
            {"number": 1, "name": "in", "fresh": False, "mode": "normal"},
            {"number": 2, "name": "out", "fresh": True, "mode": "lockdown"},
        ],
    }
]
STATUS: dict[str, Any] = {
    "hub": "hub-1",
    "site": "site-1",
    "version": "0.1.0",
    "ready": True,
    "since": 1_800_000_000.0,
    "problems": [
        {"id": "radio", "severity": "warning", "what": "Not on air.", "remedy": "Look at rfkill."}
    ],
    "counters": {"granted": 3},
    "radio": {"on_air": True, "links": 2},
    "backend": {
        "phase": "up",
        "connected": True,
        "since": 1_800_000_000.0,
        "why": "",
        "last_welcome": None,
    },
    "policy_version": 7,
    "records": {
        "last": 12,
        "waiting": 0,
        "oldest_seconds": None,
        "budget_bytes": 1 << 30,
        "used_bytes": 3 << 20,
        "held_bytes": 1 << 19,
        "gone": 0,
    },
    "telemetry": {"waiting": 3, "dropped": 1},
    "doors": DOORS,
    "clock": {"state": "trusted", "wall": 1_800_000_100.0},
}


WIDE = {"COLUMNS": "120", "LINES": "50"}


@pytest.fixture(autouse=True)
def _no_logs() -> None:
    log.set_up("error", io.StringIO(), human=False)


@dataclass
class Hub:
    """A local socket whose answers a test can change."""

    path: Path
    answers: dict[str, Any]
    tail: EventTail

    async def hubctl(self, *arguments: str) -> Result:
        command = ["--socket", str(self.path), *arguments]
        return await asyncio.to_thread(CliRunner().invoke, hubctl, command, prog_name="hubctl")

    async def process(
        self, *arguments: str, stdout: int = asyncio.subprocess.PIPE, size: Mapping[str, str] = WIDE
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hubctl.main", "--socket", str(self.path), *arguments,
            stdout=stdout, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", **size},
        )  # fmt: skip


@contextlib.asynccontextmanager
async def _running(path: Path, **more: object) -> AsyncIterator[Hub]:
    clock = {"state": "trusted", "wall": 1_800_000_100.0, "vouched": False}
    accepted = {"was": None, "policy_version": 7}
    answers = {
        "status": dict(STATUS),
        "doors": DOORS,
        "devices": DEVICES,
        "trust-clock": clock,
        "accept-state": accepted,
        **more,
    }
    hub = Hub(path, answers, EventTail())

    def answer(name: str) -> Call:
        async def handler(_args: Mapping[str, Any], _caller: object) -> object:
            if isinstance(hub.answers[name], Exception):
                raise hub.answers[name]
            return hub.answers[name]

        return Call(name, handler)

    api = LocalApi(path, tuple(answer(name) for name in hub.answers), hub.tail)
    api.bind()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.callback(api.close)  # when the test ends before `serve` has begun
        serving = tasks.create_task(api.serve())
        yield hub
        serving.cancel()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- another process's doing
            await asyncio.sleep(0.01)


async def test_status_for_people(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        result = await hub.hubctl("status")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:12] == [
        "warning: radio: Not on air.",
        "what to do: Look at rfkill.",
        "hub hub-1 of site site-1, hubd 0.1.0",
        f"installed hubd {__version__}, but 0.1.0 runs: systemctl restart hubd",
        "ready yes, since 2027-01-15T08:00:00.000Z",
        "radio on air yes, links 2",
        "backend connected since 2027-01-15T08:00:00.000Z",
        "policy version 7",
        "records last 12, waiting for the backend 0, 3.0 of 1024.0 MiB, 0.5 of them must stay",
        "telemetry waiting 3, dropped 1; in memory alone",
        "clock trusted, 2027-01-15T08:01:40.000Z",
        "doors",
    ]
    assert "front Front door closed 1 in, 2 out (lockdown, fresh)" in lines
    assert "granted 3" in lines


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"last": 5, "waiting": 5}, "last 5, waiting for the backend 5"),
        (
            {"last": 9, "waiting": 7, "oldest_seconds": 259_200.0, "budget_bytes": 0},
            "last 9, waiting for the backend 7, the oldest for 3 d 0 h",
        ),
        (
            {"last": "\x1b[2J", "waiting": 0, "budget_bytes": 1, "used_bytes": "\x1b"},
            "last \\x1b[2J, waiting for the backend 0, \\x1b of 0.0 MiB, - of them must stay",
        ),
        ("strange", "strange"),
    ],
)
async def test_what_is_kept_for_the_backend_is_told_by_class(records: object, said: str) -> None:
    assert kept_facts({"records": records}) == [("records", said)]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (None, "none configured: the hub decides alone"),
        (
            {
                "connected": False,
                "since": 1_800_000_000.0,
                "why": "no answer",
                "last_welcome": 1_799_999_000.0,
            },
            "not connected since 2027-01-15T08:00:00.000Z, no answer, last welcome "
            "2027-01-15T07:43:20.000Z",
        ),
        (
            {
                "connected": True,
                "since": 1_800_000_000.0,
                "halt": "fork",
                "clock_offset_seconds": -7.0,
                "counters": {},
            },
            "connected since 2027-01-15T08:00:00.000Z, stopped by the backend (fork), its "
            "clock is 7 s behind this one",
        ),
        (
            {
                "connected": True,
                "since": 1_800_000_000.0,
                "clock_offset_seconds": 400.0,
                "clock_within_seconds": 0.26,
            },
            "connected since 2027-01-15T08:00:00.000Z, its clock is 400 s ahead of this one "
            "(give or take 0.3 s)",
        ),
        (
            {"connected": True, "since": "\x1b[2J", "clock_offset_seconds": 0.4},
            "connected since \\x1b[2J",
        ),
        (
            {
                "connected": True,
                "since": 1_800_000_000.0,
                "endpoint": "tcp://two:1",
                "server_key": 2,
                "key_since": 1_799_999_000.0,
                "failures": {"tcp://one:1": "not reachable\x1b", "tcp://two:1": "long ago"},
            },
            "connected since 2027-01-15T08:00:00.000Z, endpoint tcp://two:1, by the backend's "
            "next key, own key since 2027-01-15T07:43:20.000Z, not at tcp://one:1 "
            "(not reachable\\x1b)",
        ),
        ("none of this hubctl's", "none of this hubctl's"),
    ],
)
async def test_the_backend_is_one_sentence(backend: object, said: str) -> None:
    assert backend_text(backend) == said


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ({}, ""),
        ({"synchronised": None, "error_seconds_max": None}, ""),
        ({"synchronised": False, "error_seconds_max": 16.0}, ", no time service keeps it"),
        (
            {"synchronised": True, "error_seconds_max": 0.02},
            ", kept by a time service within 0.020 s",
        ),
        ({"synchronised": "\x1b[2J", "error_seconds_max": "\x1b[2J"}, ""),
    ],
)
async def test_the_clock_is_told_with_who_keeps_it(kernel: dict[str, object], said: str) -> None:
    clock = {"state": "trusted", "wall": 1_800_000_100.0, **kernel}
    assert clock_text(clock) == f"trusted, 2027-01-15T08:01:40.000Z{said}"


def _problem(severity: str, name: str, remedy: str = "Do it.") -> dict[str, str]:
    return {"id": name, "severity": severity, "what": f"{name} is wrong.", "remedy": remedy}


async def test_the_running_version_and_the_installed_one_are_told(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["status"]["version"] = __version__
        lines = [
            " ".join(line.split()) for line in (await hub.hubctl("status")).stdout.splitlines()
        ]
        told = json.loads((await hub.hubctl("status", "--json")).stdout)
        shown = (await hub.hubctl("--version")).stdout
    assert f"installed hubd {__version__}, the one that runs" in lines
    assert (told["version"], told["installed_version"]) == (__version__, __version__)
    assert shown == f"hubctl, version {__version__}\n"


async def test_the_most_urgent_problem_comes_first_each_with_its_remedy() -> None:
    order = [
        ("info", "a"),
        ("warning", "b"),
        ("unheard-of", "c"),
        ("error", "d"),
        ("warning", "e"),
        ("error", "f"),
    ]
    page = status_page({**STATUS, "problems": [_problem(*one) for one in order]})
    lines = page.plain().splitlines()
    assert [line.split(":")[1].strip() for line in lines[:12:2]] == ["d", "f", "c", "b", "e", "a"]
    assert [line.strip() for line in lines[1:12:2]] == ["what to do: Do it."] * 6


def _shown(page: Page, width: int, height: int) -> list[str]:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(page.fitted(console))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


async def test_on_a_small_screen_what_to_do_fits() -> None:
    """A terminal of 80 columns and 24 lines, and the longest remedies there are."""
    longest = sorted((check.remedy for check in CHECKS.values()), key=len)[-3:]
    problems = [_problem("error", f"p{index}", remedy) for index, remedy in enumerate(longest)]
    lines = _shown(status_page({**STATUS, "problems": problems}), 80, 24)
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    whole = " ".join(" ".join(lines).split())
    for problem in problems:
        assert " ".join(f"{problem['what']} what to do: {problem['remedy']}".split()) in whole
    assert (
        lines[-1]
        == f"... {len(_shown(status_page({**STATUS, 'problems': problems}), 80, 999)) - 23} "
        "lines more: "
        "hubctl status"
    )


async def test_a_door_that_is_not_ordinary_says_why() -> None:
    door = {
        "id": "front",
        "state": "open",
        "mode": "LockedDown",
        "orders": [
            {"order": "lockdown", "source": "backend", "until": None},
            {"order": "hold_open", "source": "schedule", "until": 1_800_000_000},
        ],
        "alarm": "open_too_long",
        "tamper": True,
        "fault": False,
    }
    (row,) = doors_table([door]).rows
    assert row[2] == (
        "open, LockedDown (lockdown by backend, hold open by schedule "
        "until 2027-01-15T08:00:00.000Z), alarm open too long, tamper"
    )
    ordinary = {
        "id": "front",
        "state": "secured",
        "mode": "Locked",
        "orders": [],
        "alarm": "normal",
    }
    assert doors_table([ordinary]).rows[0][2] == "secured"


@pytest.mark.parametrize("width", [20, 40, 80])
async def test_nothing_is_cut_on_a_narrow_terminal(width: int) -> None:
    remedy = (
        "Type: sudo systemctl restart bluetooth; "
        "/usr/lib/hubd/a-rather-long-path-without-space/bluez-main.conf."
    )
    page = status_page({**STATUS, "problems": [_problem("error", "radio", remedy)]})
    lines = _shown(page, width, 999)
    assert max(map(len, lines)) <= width
    assert "".join(remedy.split()) in "".join("".join(lines).split())
    whole = " ".join(lines)
    assert width == 20 or all(word in whole for word in ("front", "Front", "closed", "1 in, 2"))
    assert "…" not in "".join(lines)


async def test_status_for_machines_and_its_exit_status(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        result = await hub.hubctl("status", "--json")
        told = {"schema": 1, **STATUS, "installed_version": __version__}
        assert (result.exit_code, json.loads(result.stdout)) == (0, told)
        hub.answers["status"]["problems"] = [
            {"id": "disk", "severity": "error", "what": "Full.", "remedy": "Make room."}
        ]
        assert (await hub.hubctl("status", "--json")).exit_code == 1
        result = await hub.hubctl("status")
        assert result.exit_code == 1
        assert "Make room." in result.stdout


async def test_doors(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        result = await hub.hubctl("doors", "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (0, {"schema": 1, "doors": DOORS})
        assert "Front door" in (await hub.hubctl("doors")).stdout


async def test_devices_by_how_they_stand_and_what_is_wrong(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        result = await hub.hubctl("devices", "--json")
        document = {"schema": 1, "devices": DEVICES}
        assert (result.exit_code, json.loads(result.stdout)) == (0, document)
        page = (await hub.hubctl("devices")).stdout
        assert "south" in page
        assert "between 40 %" in page
        assert "battery 12" in page
        assert "jammed, gets no commands" in page
        assert "\x1b" not in page


async def test_a_lock_says_beside_its_door_what_is_wrong_with_it() -> None:
    lock = {"id": "front-lock", "faults": ["battery_low"], "answers": False, "battery": 12.0}
    strike = {"id": "front-strike", "kind": "strike"}
    (row,) = doors_table([{**DOORS[0], "movers": [lock, strike]}]).rows
    assert row[2] == "closed, front-lock: battery low, gets no commands, battery 12 %"


async def test_the_status_shows_devices_only_where_there_are_some() -> None:
    assert "position" not in status_page({"devices": []}).plain()
    page = status_page({"devices": DEVICES}).plain()
    assert page.index("doors") < page.index("devices")
    assert "unknown" in page


async def test_a_daemon_that_is_down_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(tmp_path / "stale"))
    for place, why in (
        (path, "there is no such socket"),
        (tmp_path / "stale", "nobody listens there"),
    ):
        hub = Hub(place, {}, EventTail())
        for command in (["status"], ["doors"], ["tail"]):
            result = await hub.hubctl(*command)
            assert (result.exit_code, result.stdout) == (NO_ANSWER, "")
            assert result.stderr.startswith(f"hubd does not answer on {place}: {why}")
            assert result.stderr.endswith("See: systemctl status hubd; journalctl -u hubd\n")
            result = await hub.hubctl(*command, "--json")
            assert (result.exit_code, result.stdout) == (NO_ANSWER, "")
            document = json.loads(result.stderr)
            assert (result.exit_code, document["schema"], document["error"]["code"]) == (
                NO_ANSWER,
                1,
                "down",
            )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_user_who_may_not_connect_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _running(tmp_path / "s") as hub:
        monkeypatch.chdir(tmp_path)  # so that the socket's mode decides, not that of a folder above
        tmp_path.chmod(0o711)  # noqa: ASYNC240
        hub.path.chmod(0o600)
        os.seteuid(65534)
        try:
            result = CliRunner().invoke(hubctl, ["--socket", hub.path.name, "status"])
        finally:
            os.seteuid(0)
    assert result.exit_code == NOT_ALLOWED
    assert result.stderr.startswith("this user may not talk to hubd on s;")


async def test_what_a_strange_daemon_says_is_a_sentence(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        strange = "hubctl does not understand hubd's answer; are both of the same version?\n"
        for answer, status, sentence in (
            (CallRefused("busy", "Too \x1b[2Jmuch."), TRY_AGAIN, "Too \\x1b[2Jmuch.\n"),
            ("text", PROTOCOL, strange),
            ([1], PROTOCOL, strange),
        ):
            hub.answers["status"] = answer
            result = await hub.hubctl("status")
            assert (result.exit_code, result.stdout, result.stderr) == (status, "", sentence)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b'{"id":1,"api":1,"result":{"a":NaN}}\n',
        b'{"id":1,"api":1,"result":{"a":1e999}}\n',
        b"HTTP/1.1 400\n",
        b"[1]\n",
        b'{"error":1}\n',
        b'{"id":1}\n',
        b'{"a":' + b"[" * 10_000 + b"\n",
    ],
)
async def test_a_socket_that_is_no_hubds(tmp_path: Path, said: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        result = await Hub(tmp_path / "s", {}, EventTail()).hubctl("status")
    assert (result.exit_code, result.stdout) == (PROTOCOL if said else NO_ANSWER, "")
    assert "Traceback" not in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


async def test_a_clock_that_is_not_trusted_is_shown_with_what_to_do(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        well = await hub.hubctl("clock")
        wrong = {"id": "clock", "severity": "error", "what": "Ahead.", "remedy": "timedatectl"}
        hub.answers["status"] = {
            **STATUS,
            "clock": {"state": "behind_records"},
            "problems": [*STATUS["problems"], wrong],
        }
        result = await hub.hubctl("clock")
    assert (well.exit_code, well.stdout) == (0, "clock: trusted, 2027-01-15T08:01:40.000Z\n")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "error: clock: Ahead.",
        "  what to do: timedatectl",
        "clock: behind records, -",
    ]


async def test_a_hub_without_devices_says_so(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["devices"] = []
        for way in ("hubctl", "hubctl.main"):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", way, "devices", "--socket", str(hub.path)),
                stdout=asyncio.subprocess.PIPE,
            )
            shown, _ = await process.communicate()
            assert shown == b"This hub has no devices: hubd.toml names none.\n"


async def test_tail_shows_events_and_losses_until_the_daemon_stops(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        plain = await hub.process("tail")
        machine = await hub.process("tail", "--json")
        await _until(lambda: len(hub.tail.onlookers) == 2)
        hub.tail.publish(
            {"event": "granted", "at": 1_800_000_000.5, "door": "front", "who": "\x1b[31m"}
        )
        hub.tail.publish({"event": "x" * 20_000, "more": ["y" * 2000] * 9})
        for process in (plain, machine):
            assert process.stdout is not None
        first = (await plain.stdout.readline()).decode()  # type: ignore[union-attr]
        assert first.split() == [
            "2027-01-15T08:00:00.500Z",
            "granted",
            "door=front",
            "who=\\x1b[31m",
        ]
        lost = (await plain.stdout.readline()).decode()  # type: ignore[union-attr]
        assert lost == "... 1 events lost here: this terminal was too slow\n"
        event = json.loads(await machine.stdout.readline())  # type: ignore[union-attr]
        assert event == {
            "schema": 1,
            "event": {
                "event": "granted",
                "at": 1_800_000_000.5,
                "door": "front",
                "who": "\x1b[31m",
            },
        }
        assert json.loads(await machine.stdout.readline()) == {"schema": 1, "lost": 1}  # type: ignore[union-attr]
        machine.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await machine.wait() == 0
    async with asyncio.timeout(10):
        assert await plain.wait() == NO_ANSWER
    assert b"hubd closed the connection" in await plain.stderr.read()  # type: ignore[union-attr]


async def test_watch_goes_on_through_a_restart_and_ends_with_the_last_state(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        process = await hub.process("status", "--watch", "--json")
        assert process.stdout is not None
        async with asyncio.timeout(10):
            assert json.loads(await process.stdout.readline())["hub"] == "hub-1"
    async with asyncio.timeout(10):
        assert json.loads(await process.stdout.readline())["error"]["code"] == "down"
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        assert await process.wait() == NO_ANSWER


async def test_on_a_terminal_tables_are_drawn(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["status"]["problems"][0]["what"] = "[red]markup[/red] \x1b[2J"
        leader, follower = pty.openpty()
        process = await hub.process("status", stdout=follower)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        os.close(follower)
        shown = os.read(leader, 1 << 16).decode()
        os.close(leader)
    assert "━" in shown
    assert "[red]markup[/red]" in shown
    assert "\x1b[2J" not in shown


async def test_audit_is_a_group_of_its_own_and_loaded_late() -> None:
    result = CliRunner().invoke(hubctl, ["--help"])
    assert "audit" in result.stdout
    assert "verify" in CliRunner().invoke(hubctl, ["audit", "--help"]).stdout
    code = (
        "import sys, hubctl.main; sys.exit('hubctl.commands.audit.opening' in sys.modules or "
        "'rich.console' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0


@pytest.mark.parametrize(("api", "runs"), [(b"", "an older version"), (b'"api":2,', "version 2")])
async def test_a_daemon_of_another_version_is_told_with_what_to_do(
    tmp_path: Path, api: bytes, runs: str
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"id":1,' + api + b'"result":{"hub":"hub-1"}}\n')
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        result = await Hub(tmp_path / "s", {}, EventTail()).hubctl("status")
    assert (result.exit_code, result.stdout) == (PROTOCOL, "")
    assert result.stderr.startswith(f"hubd speaks {runs} of the local API, and this hubctl version")
    assert result.stderr.endswith("Type: sudo systemctl restart hubd\n")


async def test_enroll_runs_hubds_own_program_and_no_other(tmp_path: Path) -> None:
    planted = tmp_path / "hubd" / "enrolment"
    planted.mkdir(parents=True)
    for folder in (planted, planted.parent):
        (folder / "__init__.py").write_text("print('planted')")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "hubctl.main", "enroll", "--help"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    assert process.returncode == 0
    assert shown.startswith(b"Usage: hubctl enroll [OPTIONS] HOST:PORT")


async def test_whatever_the_daemon_tells_has_a_page() -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = {"a": [deep]}
    odd = [
        deep,
        None,
        3,
        "x",
        [],
        {},
        [1],
        {"a": None},
        [{"number": [1]}, 2],
        float("nan"),
        1e300,
        True,
    ]
    for key in [*STATUS, "missing", "late"]:
        for value in odd:
            page = status_page({**STATUS, key: value})
            assert all(line.isprintable() for line in page.plain().splitlines())
            assert page.rich() is not None
    status_page({})
    for value in odd:
        assert event_line({"event": value, "at": value, "x": value}).isprintable()
    assert clean("a\nb\x00") == "a\\nb\\x00"


@given(
    st.recursive(
        st.text() | st.sampled_from(["\x1b[2J", "\x7f", "\x9b2J", "\u202e", "\U0001f600"]), st.lists
    )
)
async def test_json_steers_no_terminal_and_means_the_same(value: object) -> None:
    text = clean_json(json.dumps({"a": value}, ensure_ascii=False))
    assert text.isprintable()
    assert json.loads(text) == {"a": value}


async def test_escapes_in_every_answer_are_cleaned(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        evil = "\x1b[2J\x9b\x07\u202e"
        hub.answers["status"] = {
            **STATUS,
            "hub": evil,
            "clock": {"state": evil},
            "problems": [_problem(evil, evil, evil)],
        }
        hub.answers["doors"] = [{"id": evil, "name": evil, "state": evil, "access_points": [evil]}]
        hub.answers["trust-clock"] = {"state": evil, "wall": evil, "vouched": evil}
        hub.answers["accept-state"] = {"was": evil, "policy_version": 7}
        for command in ("status", "doors", "trust-clock", "accept-state"):
            for more in ((), ("--json",)):
                result = await hub.hubctl(command, *more)
                assert result.exit_code == (1 if command == "trust-clock" else 0)
                assert all(line.isprintable() for line in result.stdout.splitlines()), result.stdout


async def test_the_socket_may_be_named_after_the_command(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        for command in ("status", "doors"):
            after = await asyncio.to_thread(
                CliRunner().invoke, hubctl, [command, "--socket", str(hub.path)]
            )
            assert after.exit_code == 0
        before = await asyncio.to_thread(
            CliRunner().invoke,
            hubctl,
            ["--socket", "/nowhere", "doors", "--socket", str(hub.path), "--json"],
        )
        assert before.exit_code == 0


async def _next_line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(10):
        return await process.stdout.readline()


async def _ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(10):
        return await process.wait()


def _socketpair() -> tuple[int, int]:
    """As sshd may hand one to a command that has no terminal."""
    return tuple(end.detach() for end in socket.socketpair())  # type: ignore[return-value]


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("make", [os.pipe, _socketpair])
async def test_a_tail_ends_with_its_reader_while_the_hub_is_quiet(
    tmp_path: Path, more: tuple[str, ...], make: Callable[[], tuple[int, int]]
) -> None:
    async with _running(tmp_path / "s") as hub:
        reader, writer = make()
        process = await hub.process("tail", *more, stdout=writer)
        os.close(writer)
        await _until(lambda: len(hub.tail.onlookers) == 1)
        os.close(reader)
        assert await _ended(process) == -signal.SIGPIPE
        await _until(lambda: not hub.tail.onlookers)
        assert await process.stderr.read() == b""  # type: ignore[union-attr]


async def test_a_tail_ends_with_its_terminal_also_when_it_hears_no_hangup(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        leader, follower = pty.openpty()
        process = await hub.process("tail", stdout=follower)
        os.close(follower)
        await _until(lambda: len(hub.tail.onlookers) == 1)
        os.close(leader)
        assert await _ended(process) == -signal.SIGPIPE


async def test_a_tail_into_a_file_goes_on_and_answers_every_beat(tmp_path: Path) -> None:
    answers: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"id":1,"api":1,"result":"tailing"}\n')
        for number in range(5):
            writer.write(b'{"id":1,"beat":%d}\n' % number)
            answers.append(await reader.readline())
        writer.write(b'{"id":1,"event":{"event":"granted"}}\n')
        assert await reader.read() == b""
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        with (tmp_path / "out").open("wb") as out:
            process = await Hub(tmp_path / "s", {}, EventTail()).process(
                "tail", stdout=out.fileno()
            )
        await _until(lambda: (tmp_path / "out").stat().st_size > 0)
        process.send_signal(signal.SIGINT)
        assert await _ended(process) == 0
    assert answers == [b"\n"] * 5
    assert "granted" in (tmp_path / "out").read_text()


async def test_a_hub_that_falls_silent_ends_a_tail(tmp_path: Path) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"id":1,"api":1,"result":"tailing"}\n{"id":1,"eve')
        assert await reader.read() == b""
        writer.close()

    def look() -> str:
        with (
            HubClient(tmp_path / "s", silence_seconds=0.2) as client,
            pytest.raises(NoAnswer) as caught,
        ):
            list(client.tail())
        return caught.value.code

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        assert await asyncio.to_thread(look) == "timeout"


async def test_an_answer_that_drips_has_an_end(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        gone.set()

    def ask() -> str:
        with (
            HubClient(tmp_path / "s", answer_seconds=0.2) as client,
            pytest.raises(NoAnswer) as caught,
        ):
            client.call("status")
        return caught.value.code

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        assert await asyncio.to_thread(ask) == "timeout"
        await gone.wait()


def _full(path: Path, waiting: contextlib.ExitStack) -> socket.socket:
    """Return a listener whose backlog others have filled."""
    listener = waiting.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen(1)
    outcome = 0
    while outcome == 0:
        other = waiting.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        )
        outcome = other.connect_ex(str(path))
    assert outcome == errno.EAGAIN
    return listener


def _ask(path: Path, seconds: float) -> str:
    try:
        with HubClient(path, answer_seconds=seconds) as client:
            return str(client.call("status"))
    except NoAnswer as error:
        return error.code


async def test_who_finds_the_backlog_full_waits_for_a_place_in_it(tmp_path: Path) -> None:
    with contextlib.ExitStack() as waiting:
        listener = _full(tmp_path / "s", waiting)
        asked = asyncio.create_task(asyncio.to_thread(_ask, tmp_path / "s", 10))
        done, _ = await asyncio.wait({asked}, timeout=0.5)
        assert not done, "did not wait"
        for _ in range(2):
            waiting.enter_context(listener.accept()[0])
        answered = False
        while not answered:
            newcomer = waiting.enter_context((await asyncio.to_thread(listener.accept))[0])
            newcomer.settimeout(10)
            if answered := await asyncio.to_thread(newcomer.recv, 1000) != b"":
                newcomer.sendall(b'{"id":1,"api":1,"result":"well"}\n')
        assert await asked == "well"


async def test_the_wait_for_a_place_in_the_backlog_has_an_end(tmp_path: Path) -> None:
    with contextlib.ExitStack() as waiting:
        _full(tmp_path / "s", waiting)
        assert _ask(tmp_path / "s", 0.2) == "busy"


async def test_a_signal_does_not_end_the_wait_for_a_place(tmp_path: Path) -> None:
    """Python takes a connect that a signal ended for one that succeeded."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with contextlib.ExitStack() as waiting:
            _full(tmp_path / "s", waiting)
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            assert _ask(tmp_path / "s", 0.5) == "busy"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def test_an_interrupted_command_is_no_judgement(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        process = await Hub(tmp_path / "s", {}, EventTail()).process("status")
        await asked.wait()
        process.send_signal(signal.SIGINT)
        assert await _ended(process) == 130


async def test_a_daemon_that_closes_at_once_is_told_in_words(tmp_path: Path) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(speak, tmp_path / "s"):
        process = await Hub(tmp_path / "s", {}, EventTail()).process("status")
        assert await _ended(process) == NO_ANSWER  # not by SIGPIPE


async def test_watch_on_a_small_terminal_shows_what_to_do(tmp_path: Path) -> None:
    async with _running(tmp_path / "s") as hub:
        hub.answers["status"] = {
            **STATUS,
            "problems": [_problem("error", "radio", CHECKS[CheckId.RADIO_DOWN].remedy)],
        }
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = await hub.process("status", "--watch", stdout=follower, size={})
        os.close(follower)
        seen = b""
        end = CHECKS[CheckId.RADIO_DOWN].remedy.split()[-1].encode()
        async with asyncio.timeout(10):
            while end not in seen:
                seen += await asyncio.to_thread(os.read, leader, 1 << 16)
        process.send_signal(signal.SIGINT)
        assert await _ended(process) == 1
        os.close(leader)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode(errors="replace"))
    assert " ".join(CHECKS[CheckId.RADIO_DOWN].remedy.split()) in " ".join(shown.split())
