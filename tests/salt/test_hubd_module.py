"""The Salt module `config/salt/_modules/hubd.py` by the real `salt-call --local`, before a running
hub and before programs that are no hubctl.

`make salt` runs it: `HUBD_SALT_CALL` names the program.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hubcore.evidence.records import Head
from hubsim.stage import Stage
from tests.scenario.conftest import FRONT

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SALT_CALL = Path(os.environ.get("HUBD_SALT_CALL", ROOT / ".venv-salt/bin/salt-call")).absolute()
HUBCTL = Path(sys.executable).with_name("hubctl")
SECONDS = 120.0
CANARY = "0123456789abcdef"
"""Stands for a credential: nothing may say it."""


@dataclass(frozen=True)
class Told:
    """What salt-call made of one function."""

    status: int
    returned: Any
    said: str


@dataclass(frozen=True)
class Minion:
    """A minion without a master, in a folder of its own."""

    folder: Path

    def set(self, hubctl: Path, socket: Path, audit: Path) -> None:
        """Write its configuration and put the module where Salt looks for it."""
        modules = self.folder / "modules"
        modules.mkdir(parents=True, exist_ok=True)
        link = modules / "hubd.py"
        if not link.is_symlink():
            link.symlink_to(ROOT / "config/salt/_modules/hubd.py")
        settings = {
            "root_dir": str(self.folder),
            "file_client": "local",
            "module_dirs": [str(self.folder)],
            "extension_modules": str(self.folder / "ext"),
            "id": "hub-1",
            "enable_fqdns_grains": False,
            "grains_cache": True,
            "hubd.hubctl": str(hubctl),
            "hubd.socket": str(socket),
            "hubd.audit": str(audit),
        }
        # JSON is YAML
        (self.folder / "minion").write_text(json.dumps(settings))

    async def call(self, function: str, *arguments: str) -> Told:
        """Run one function by salt-call."""
        process = await asyncio.create_subprocess_exec(
            SALT_CALL,
            "--local",
            f"--config-dir={self.folder}",
            "--out=json",
            "--log-level=info",
            "--retcode-passthrough",
            f"hubd.{function}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
        )
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
        status = process.returncode
        assert status is not None
        try:
            returned = json.loads(out)["local"]
        except ValueError:
            returned = None
        return Told(status, returned, out.decode() + err.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A running hub with one door."""
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=False) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that Salt looks at this machine once."""
    return tmp_path_factory.mktemp("minion")


@pytest.fixture
def minion(folder: Path, stage: Stage) -> Minion:
    """A minion that is set for the running hub."""
    made = Minion(folder)
    made.set(HUBCTL, socket_of(stage), audit_of(stage))
    return made


def socket_of(stage: Stage) -> Path:
    return (stage.site.hub / "hubd.sock").absolute()


def audit_of(stage: Stage) -> Path:
    return (stage.site.hub / "state" / "audit.db").absolute()


def program(folder: Path, text: str) -> Path:
    """Make a program that stands where hubctl should."""
    made = folder / "not-hubctl"
    made.write_text(f"#!{sys.executable}\n{text}\n")
    made.chmod(0o755)
    return made


async def test_it_looks_at_a_hub(minion: Minion) -> None:
    whole = await minion.call("status")
    assert whole.status == 0, whole.said
    assert whole.returned["schema"] == 1
    assert whole.returned["ready"] is True
    ready = await minion.call("ready")
    assert (ready.status, ready.returned) == (0, True)
    doors = await minion.call("doors")
    assert doors.status == 0
    assert [door["id"] for door in doors.returned] == ["front"]
    devices = await minion.call("devices")
    assert (devices.status, devices.returned) == (0, [])
    problems = await minion.call("problems")
    assert problems.status == 0
    assert isinstance(problems.returned, list)


async def test_it_acts_on_a_hub(minion: Minion) -> None:
    clock = await minion.call("trust_clock")
    assert (clock.status, clock.returned["state"]) == (0, "trusted")
    state = await minion.call("accept_state")
    assert (state.status, state.returned["was"]) == (0, None)
    passback = await minion.call("passback_reset")
    assert (passback.status, passback.returned["forgotten"]) == (0, 0)


async def test_a_refusal_is_the_hubs_own_sentence(minion: Minion) -> None:
    for function in ("reader_install", "reader_change_key"):
        told = await minion.call(function, "back")
        assert told.status != 0
        assert "This hub has no readers" in told.said
        assert "'no-readers'" in told.said


async def test_evidence_is_verified(minion: Minion, stage: Stage, tmp_path: Path) -> None:
    holds = await minion.call("audit_verify")
    assert (holds.status, holds.returned["holds"]) == (0, True)
    head = holds.returned["head"]
    assert str(Head.parse(head)) == head
    again = await minion.call("audit_verify", f"head={head}")
    assert (again.status, again.returned["holds"]) == (0, True)
    number = head.partition(":")[0]
    other = await minion.call("audit_verify", f"head={number}:{'00' * 32}")
    assert (other.status, other.returned["holds"]) == (1, False)


async def test_no_hub_is_an_error_that_says_so(
    minion: Minion, stage: Stage, tmp_path: Path
) -> None:
    minion.set(HUBCTL, tmp_path / "no.sock", tmp_path / "no.db")
    told = await minion.call("status")
    assert told.status != 0
    assert "hubd does not answer" in told.said
    assert "'down'" in told.said
    evidence = await minion.call("audit_verify")
    assert evidence.status != 0
    assert "no.db" in evidence.said


async def test_without_hubctl_the_module_says_why(
    minion: Minion, stage: Stage, tmp_path: Path
) -> None:
    for path, why in ((tmp_path / "none", "there is no hubctl at"), (tmp_path, "no hubctl at")):
        minion.set(path, socket_of(stage), audit_of(stage))
        told = await minion.call("status")
        assert told.status != 0
        assert why in told.said
    minion.set(Path("hubctl"), socket_of(stage), audit_of(stage))
    told = await minion.call("status")
    assert "no absolute path" in told.said
    assert told.status != 0


DEPTH = 100_000
WRONG = {
    "nothing": ("pass", "gave no document of schema 1"),
    "no JSON": ("print('well')", "gave no document of schema 1"),
    "no text": (r"import os; os.write(1, b'\xff')", "gave no document of schema 1"),
    "no number": ("""print('{"schema": 1, "x": NaN}')""", "gave no document of schema 1"),
    "too deep": (f"print('[' * {DEPTH})", "gave no document of schema 1"),
    "two": ("""print('{"schema": 1}\\n{"schema": 1}')""", "gave no document of schema 1"),
    "another schema": ("""print('{"schema": 2}')""", "gave no document of schema 1"),
    "a part of another kind": ("""print('{"schema": 1, "doors": 7}')""", "has no doors"),
    "endless": ("while True: print('x' * 65536)", "more than 524288 bytes"),
    "a bug": ("raise SystemExit(70)", "hubctl has a bug"),
    "an unknown end": ("raise SystemExit(99)", "exit status 99 is unknown"),
    "a signal": ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
    "why is missing": (
        """print('{"schema": 1, "error": 5}'); raise SystemExit(69)""",
        "did not say why",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_answer_is_an_error(
    minion: Minion, stage: Stage, tmp_path: Path, case: str
) -> None:
    text, says = WRONG[case]
    minion.set(program(tmp_path, text), socket_of(stage), audit_of(stage))
    told = await minion.call("doors")
    assert told.status != 0
    assert says in told.said
    assert "Traceback" not in told.said


async def test_a_program_that_hangs_is_ended_with_what_it_started(
    minion: Minion, stage: Stage, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    text = (
        "import os, pathlib, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(started)!r}).write_text(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(1000)"
    )
    minion.set(program(tmp_path, text), socket_of(stage), audit_of(stage))
    told = await minion.call("status", "timeout=2")
    assert told.status != 0
    assert "did not end within 2 s" in told.said
    for number in started.read_text().split():
        assert not runs(int(number))


def runs(number: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


SHOWS_ITS_WORDS = (
    "import json, os, sys\n"
    "print(json.dumps({'schema': 1, 'words': sys.argv[1:], 'socket': os.getenv('HUBD_SOCKET')}))"
)


async def test_no_shell_reads_an_argument_and_wrong_ones_never_reach_hubctl(
    minion: Minion, stage: Stage, tmp_path: Path
) -> None:
    socket = tmp_path / "a b;$(touch x).sock"
    minion.set(program(tmp_path, SHOWS_ITS_WORDS), socket, audit_of(stage))
    told = await minion.call("reader_install", "front")
    assert told.returned["words"] == [
        "reader",
        "install",
        "--json",
        "--socket",
        str(socket),
        "--",
        "front",
    ]
    assert told.returned["socket"] is None
    wrong = [
        ("reader_install", f"{CANARY};reboot"),
        ("reader_change_key", "Front"),
        ("audit_verify", f"head={CANARY}"),
        ("status", "timeout=0"),
        ("status", "timeout=True"),
        ("status", f"timeout={CANARY}x"),
    ]
    for function, argument in wrong:
        refused = await minion.call(function, argument)
        assert refused.status != 0
        assert "words" not in refused.said
        assert CANARY not in refused.said


async def test_no_credential_can_be_given(minion: Minion) -> None:
    told = await minion.call("passback_reset", f"credential={CANARY}")
    assert told.status != 0
