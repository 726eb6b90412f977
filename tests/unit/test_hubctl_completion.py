"""What the shells are offered, and the manual's pages."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubctl.manual.pages import pages, text
from hubctl.shell.completion import NAMES_MAX, SHELLS, Names, candidates
from hubctl.table import TABLE
from tests.fakes.daemon import Daemon, documents
from tests.unit.test_cli import DOORS, _running

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
NOWHERE = Path("/nowhere/x")


def offered(*words: str, names: Names | None = None) -> list[str]:
    *typed, incomplete = words
    found = candidates(typed, incomplete, names or Names(NOWHERE, NOWHERE))
    return sorted(str(item.value) for item in found)


def test_commands_are_those_of_the_table() -> None:
    nouns = {row.noun for row in TABLE if not row.hidden}
    assert offered("") == sorted(nouns)
    assert offered("stat") == ["state", "status"]
    assert offered("clock", "") == ["trust"]
    assert offered("--socket", "/s", "clock", "t") == ["trust"]
    assert offered("reader", "front", "") == ["change-key", "install"]
    assert offered("nothing", "") == []


def test_options_are_those_of_the_command() -> None:
    options = offered("status", "--")
    assert {"--json", "--watch", "--socket", "--timeout", "--help"} <= set(options)
    assert offered("status", "--wa") == ["--watch"]


async def test_the_value_of_an_option_is_offered(tmp_path: Path) -> None:
    assert offered("tail", "--level", "") == ["info", "warning"]
    assert offered("tail", "--level", "w") == ["warning"]
    assert offered("tail", "--since", "") == []
    (item,) = candidates(["status", "--socket"], "/r", Names(NOWHERE, NOWHERE))
    assert item.type == "file"
    async with _running(tmp_path / "s") as hub:
        names = Names(hub.path, NOWHERE)
        doors = await asyncio.to_thread(offered, "tail", "--json", "--door", "", names=names)
    assert doors == ["front"]


def test_a_path_is_left_to_the_shell() -> None:
    (item,) = candidates(["policy", "load"], "/m", Names(NOWHERE, NOWHERE))
    assert item.type == "file"


async def test_names_come_from_the_hub_and_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "hubd.toml"
    config.write_text('[[readers]]\nid = "lobby"\n[[readers]]\nname = "none"\n')
    async with _running(tmp_path / "s") as hub:
        names = Names(hub.path, config)
        assert await asyncio.to_thread(names.of, "door") == ["front"]
        assert await asyncio.to_thread(names.of, "device") == ["south", "light"]
        assert await asyncio.to_thread(names.of, "why") == ["front", "lobby"]
        assert names.of("reader") == ["lobby"]
        assert names.of("clock") == []


async def test_no_name_reaches_a_command_line_that_a_shell_would_read(tmp_path: Path) -> None:
    evil = ["$(reboot)", "a b", "a;b", "`x`", "\x1b[2J", "-rf", "*", "a\nb", "", None, 7, "ü"]
    async with _running(tmp_path / "s") as hub:
        hub.answers["doors"] = [{"id": name} for name in evil] + [{}, *DOORS]
        names = await asyncio.to_thread(Names(hub.path, NOWHERE).of, "door")
        assert names == ["front"]
        hub.answers["doors"] = [{"id": f"d{number}"} for number in range(1000)]
        assert len(await asyncio.to_thread(Names(hub.path, NOWHERE).of, "door")) == NAMES_MAX


@pytest.mark.parametrize("written", ["", "readers = 7", "\x00", "[[readers]]\nid = [["])
def test_a_hub_that_is_down_and_a_broken_file_offer_nothing(tmp_path: Path, written: str) -> None:
    config = tmp_path / "hubd.toml"
    config.write_text(written)
    names = Names(tmp_path / "s", config)
    assert [names.of(noun) for noun in ("door", "device", "reader", "why")] == [[], [], [], []]


async def test_bash_is_offered_what_the_table_has(tmp_path: Path) -> None:
    """By a real bash, with the file that is installed; hubd is down and nothing is said of it."""
    program = tmp_path / "hubctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hubctl "$@"\n')
    program.chmod(0o755)
    asks = (
        f'PATH="{tmp_path}:$PATH"; source {ROOT}/systemd/hubctl.bash\n'
        "COMP_WORDS=(hubctl reader front ''); COMP_CWORD=3\n"
        '_hubctl_completion hubctl; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "--norc", "-c", asks],
        capture_output=True,
        text=True,
        env={**os.environ, "HUBD_SOCKET": str(tmp_path / "s"), "PYTHONPATH": str(ROOT)},
    )
    assert sorted(done.stdout.split()) == ["change-key", "install"]
    assert "hubd" not in done.stderr


NAMES_OF_AN_ENEMY = [
    "$(touch pwned)",
    "`touch pwned`",
    "x; touch pwned",
    "x\ntouch pwned",
    "plain,$(touch pwned)",
    "<(touch pwned)",
    "*",
    "--socket=x",
    "\x1b[2J",
    "front",
]


def _ask_shell(
    shell: str, typed: str, number: int, hub: Path
) -> subprocess.CompletedProcess[bytes]:
    """Ask hubctl as the file of a shell does."""
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(number)}
    if shell == "fish":
        asked["COMP_CWORD"] = ""
    return subprocess.run(
        [sys.executable, "-m", "hubctl"],
        capture_output=True,
        check=True,
        env={
            **os.environ,
            **asked,
            "_HUBCTL_COMPLETE": f"{shell}_complete",
            "HUBD_SOCKET": str(hub),
            "PYTHONPATH": str(ROOT),
        },
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_no_shell_is_handed_a_name_that_it_would_read(tmp_path: Path, shell: str) -> None:
    doors = [{"id": name, "name": name} for name in NAMES_OF_AN_ENEMY]
    with Daemon(tmp_path / "s", documents({"doors": doors, "devices": doors})) as hub:
        done = _ask_shell(shell, "hubctl why ", 2, hub.path)
    said = done.stdout.decode()
    assert done.stderr == b""
    assert "front" in said
    assert not set("$`;<*\x1b") & set(said)
    assert "touch" not in said
    assert "--socket" not in said


@pytest.mark.parametrize("said", [b"\x00\xff\n", b"[" * 50_000 + b"\n", b'{"result":7}\n', b""])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_hears_nothing_of_what_is_no_answer(
    tmp_path: Path, shell: str, said: bytes
) -> None:
    with Daemon(tmp_path / "s", lambda _: said) as hub:
        done = _ask_shell(shell, "hubctl why ", 2, hub.path)
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


@pytest.mark.parametrize("typed", ["''", "'$(touch pwned)'", "'f'"])
async def test_bash_runs_no_name_and_nothing_that_was_typed(tmp_path: Path, typed: str) -> None:
    """By a real bash, in a folder where `*` would mean something."""
    program = tmp_path / "hubctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hubctl "$@"\n')
    program.chmod(0o755)
    asks = (
        f'PATH="{tmp_path}:$PATH"; source {ROOT}/systemd/hubctl.bash\n'
        f"COMP_WORDS=(hubctl why {typed}); COMP_CWORD=2\n"
        '_hubctl_completion hubctl; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    doors = [{"id": name} for name in NAMES_OF_AN_ENEMY]
    with Daemon(tmp_path / "s", documents({"doors": doors})) as hub:
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "--norc", "-c", asks],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "HUBD_SOCKET": str(hub.path), "PYTHONPATH": str(ROOT)},
        )
    offered = done.stdout.split()
    assert offered == ([] if "$" in typed else ["front"])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_file_that_asks_hubctl(shell: str) -> None:
    asks = (ROOT / "systemd" / f"hubctl.{shell}").read_text()
    assert f"_HUBCTL_COMPLETE={shell}_complete" in asks or f"{shell}_complete" in asks
    assert str(ROOT) not in asks


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    config = str(ROOT / "config" / "hubd.toml")
    command = [sys.executable, "-m", "hubctl.manual.pages", str(folder), config]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder


def test_the_manual_has_every_command_and_nothing_of_this_machine(made: Path) -> None:
    found = sorted(str(path.relative_to(made)) for path in made.rglob("*.*"))
    assert found == ["man1/hubctl.1", "man5/hubd.toml.5", "man8/hubd.8"]
    page = (made / "man1/hubctl.1").read_text()
    for row in TABLE:
        assert row.hidden or f".SS hubctl {text(row.words)}" in page
    assert "\\-\\-check\\-config" in (made / "man8/hubd.8").read_text()
    for path in found:
        assert str(ROOT) not in (made / path).read_text()


needs_groff = pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")


def _shown(page: str) -> tuple[str, str]:
    command = ["groff", "-Tutf8", "-Kutf8", "-man", "-ww", "-P-cbou", "-rLL=200n"]
    done = subprocess.run(command, input=page.encode(), capture_output=True, check=True)
    return done.stdout.decode(), done.stderr.decode()


@needs_groff
def test_groff_has_no_warning_for_any_page(made: Path) -> None:
    for path in made.rglob("*.*"):
        shown, warned = _shown(path.read_text())
        assert warned == "", path.name
        assert "SEE ALSO" in shown


@needs_groff
def test_no_text_is_a_request_of_roff() -> None:
    lines = [".so /etc/passwd", "'br", "a \\n(.k b", "--json ^x ~y `z`", "\\", '.TH "x"']
    config = "\n".join(lines) + "\n"
    shown, warned = _shown(pages(config, "x\n")["hubd.toml.5"])
    assert warned == ""
    found = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if line not in found] == []
