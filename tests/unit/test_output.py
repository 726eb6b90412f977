"""What becomes of the programs when nobody takes what they print: full disks, gone readers, closed
descriptors.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hubcore.evidence.records import Record, RecordKind
from hubd.adapters.sqlite.audit import AuditStore
from hubsim import site as sites
from hubsim.site import DeskDoor

pytestmark = pytest.mark.once

SECONDS = 30
HUBD = "hubd"
HUBCTL = "hubctl.main"
SECURE = "hubd.start.secure"
LOOK = (
    (HUBD, "--version"), (HUBD, "--help"), (SECURE, "--help"),
    (HUBD, "--check-config", "--config", "/nowhere/hubd.toml"),
    (HUBCTL, "--version"), (HUBCTL, "--help"), (HUBCTL, "status", "--help"),
    (HUBCTL,  "audit", "--help"),
    (HUBCTL, "audit", "list", "--file", "audit.db"),
    (HUBCTL, "audit", "list", "--json", "--file", "audit.db"),
    (HUBCTL, "audit", "verify", "--file", "audit.db"),
)  # fmt: skip
"""Commands that print, without a daemon.

What `hubctl` asks a daemon is tried in tests/scenario/test_hubctl.py.
"""


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A folder with an audit log of 50 records."""

    async def write() -> None:
        async with await AuditStore.open(tmp_path / "audit.db") as store:
            for number in range(50):
                await store.append(
                    Record(RecordKind.DOOR, 1_800_000_000_000 + number, number, {"door": "front"})
                )

    asyncio.run(write())
    return tmp_path


def run(words: tuple[str, ...], folder: Path, **streams: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", words[0], *words[1:]]
    caught = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(command, cwd=folder, timeout=SECONDS, check=False, **caught)  # type: ignore[call-overload]


def shell(
    redirection: str, words: tuple[str, ...], folder: Path
) -> subprocess.CompletedProcess[bytes]:
    command = f'exec "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", *words],
        cwd=folder, timeout=SECONDS, check=False, capture_output=True,
    )  # fmt: skip


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("words", LOOK, ids=" ".join)
def test_a_full_disk_is_one_sentence(words: tuple[str, ...], evidence: Path) -> None:
    descriptor = full()
    done = run(words, evidence, stdout=descriptor)
    os.close(descriptor)
    assert done.returncode == 74
    name = "hubctl" if words[0] == HUBCTL else words[0]
    assert (
        done.stderr.decode() == f"{name}: the output cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("words", LOOK, ids=" ".join)
def test_a_reader_that_has_gone_ends_a_tool_as_it_ends_every_tool(
    words: tuple[str, ...], evidence: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(words, evidence, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_so_does_one_that_goes_in_the_middle(evidence: Path) -> None:
    script = (
        f"{sys.executable} -m hubctl.main audit list --last 50 --file audit.db | head "
        f"-1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=evidence, capture_output=True, timeout=SECONDS, check=False
    )
    lines = done.stdout.splitlines()
    assert b"2027-01-15T" in lines[0]
    assert lines[1] in (b"141", b"0")  # 0 when all of it was in the pipe before its reader went
    assert done.stderr == b""


REFUSED: tuple[tuple[tuple[str, ...], int], ...] = (
    ((HUBD, "--config", "/nowhere/hubd.toml"), 78),
    ((HUBD, "--nonsense"), 2),
    ((SECURE, "--config", "/nowhere/hubd.toml"), 78),
    ((HUBCTL, "status", "--socket", "/nowhere/hubd.sock"), 69),
    ((HUBCTL, "nonsense"), 64),
    ((HUBCTL, "audit", "verify", "--file", "/nowhere/audit.db"), 66),
)
"""What speaks on standard error, with its exit status."""


@pytest.mark.parametrize(
    "redirection", ["", "2>/dev/full", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">&-"]
)
@pytest.mark.parametrize(("words", "status"), REFUSED, ids=str)
def test_that_nobody_hears_a_refusal_does_not_change_it(
    words: tuple[str, ...], status: int, redirection: str, tmp_path: Path
) -> None:
    done = shell(redirection, words, tmp_path)
    assert done.returncode == status
    assert b"Traceback" not in done.stdout + done.stderr


def test_a_daemon_whose_journal_is_full_ends_with_its_own_status(tmp_path: Path) -> None:
    """The state directory is not to be used, which is told after the logs were set up."""
    site = sites.init(tmp_path / "site")
    config = sites.write_config(site, "tcp://127.0.0.1:1", [DeskDoor()])
    (site.hub / "state").mkdir(mode=0o700)
    (site.hub / "state" / "audit.db").write_bytes(b"no database" * 1000)
    assert shell("", (HUBD, "--config", str(config)), tmp_path).returncode == 73
    assert shell("2>/dev/full", (HUBD, "--config", str(config)), tmp_path).returncode == 73


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_every_strike_is_tried_though_nobody_hears_of_the_first(
    redirection: str, tmp_path: Path
) -> None:
    """Neither chip is there, and each failure has a sentence: 69 is said after the last door."""
    door = '[[doors]]\nid = "{0}"\nstrike = {{ chip = "/dev/no-such-chip-{0}", line = 1 }}\n'
    (tmp_path / "hubd.toml").write_text(door.format("a") + door.format("b"))
    assert shell(redirection, (SECURE, "--config", "hubd.toml"), tmp_path).returncode == 69


PREPARED = "import os, sys; from hubterm.output import as_tool, prepare; prepare(); "


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(redirection: str, tmp_path: Path) -> None:
    code = PREPARED + "sys.exit(os.open('/etc/passwd', os.O_RDONLY) > 2 and os.get_inheritable(2))"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-c", code],
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1


def test_a_refusal_cannot_steer_a_terminal(tmp_path: Path) -> None:
    """What stands in a file of the installer's is shown, and escaped."""
    (tmp_path / "\x1b[2J.toml").write_text("[[[")
    done = run((HUBD, "--config", "\x1b[2J.toml"), tmp_path)
    assert done.returncode == 78
    assert done.stderr.decode().rstrip("\n").isprintable()
    assert "\\x1b[2J.toml" in done.stderr.decode()


def test_a_bug_has_an_exit_status_of_its_own() -> None:
    code = PREPARED + "as_tool('tool', lambda: print('half') or 1 / 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stdout) == (70, b"half\n")
    assert b"ZeroDivisionError" in done.stderr


def test_output_that_does_not_block_is_written_whole() -> None:
    """As a terminal's other programs may leave it: O_NONBLOCK belongs to the open file, not to the
    process.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    code = PREPARED + "as_tool('tool', lambda: print('x' * 1_000_000))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE
    ) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            assert len(stream.read()) == 1_000_001
        assert process.wait(SECONDS) == 0


def test_sigpipe_is_ignored_again_after_a_tool() -> None:
    code = PREPARED + (
        "import signal; as_tool('tool', lambda: None); "
        "sys.exit(signal.getsignal(signal.SIGPIPE) is not signal.SIG_IGN)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], timeout=SECONDS, check=False).returncode == 0
    )


def test_every_program_prepares_its_streams() -> None:
    """A new entry point must keep the laws of `hubterm.output` too."""
    root = Path(__file__).parents[2]
    for place in (
        "hubd/__main__.py",
        "hubd/start/secure.py",
        "hubd/enrolment/__main__.py",
        "hubd/netcheck/__main__.py",
        "hubctl/main.py",
    ):
        assert "    prepare()\n" in (root / place).read_text(), place
