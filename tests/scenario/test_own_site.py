"""A hub of one's own: from `site init` to files that a hub takes, and to doors of two hubs that
open.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hubd.config.file import load
from hubd.start.checkconfig import page
from hubd.wiring.look.finding import FindingKind
from hubsim import site as sites
from hubsim.main import main
from hubsim.stage import ask

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0
HUBS = {"hub-a": (10, 11), "hub-b": (20, 21)}


def command(path: Path, *words: str) -> str:
    """Run one of `hubsim site`'s commands, which must do its work; return what it says."""
    result = CliRunner().invoke(main, ("site", "--at", str(path), *words))
    assert result.exit_code == 0, result.output
    return result.output


def refused(path: Path, *words: str) -> str:
    """Run one that must be refused with a sentence; return it."""
    result = CliRunner().invoke(main, ("site", "--at", str(path), *words))
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    return result.output


@pytest.fixture
def own(tmp_path: Path, unused_tcp_port: int) -> Path:
    """A site with two hubs of two doors each, and its backend's place."""
    path = tmp_path / "acme"
    endpoint = f"tcp://127.0.0.1:{unused_tcp_port}"
    first = ("--site", "acme", "--hub", "hub-a", "--access-point", "10", "--access-point", "11")
    command(path, "init", *first, "--backend", endpoint)
    said = command(path, "certify", "hub-b", "--access-point", "20", "--access-point", "21")
    assert "hub hub-b of acme: access points 20, 21, until 20" in said
    return path


async def run(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end; return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("hub", HUBS)
async def test_what_is_exported_is_what_the_unit_hands_over_and_hubd_takes_it(
    own: Path, tmp_path: Path, hub: str
) -> None:
    out = tmp_path / "out"
    command(own, "export", str(out), "--hub", hub, "--backend", "tcp://10.0.0.2:4505")
    unit = (ROOT / "systemd/hubd.service").read_text()
    wanted = set(re.findall(r"^LoadCredential=\w+:(hubd\.\w+)$", unit, re.M))
    of_phones = wanted - {"hubd.card_key", "hubd.pkoc_key", "hubd.pkoc_certificate"}
    assert {path.name for path in out.iterdir()} == of_phones | {"config.toml", ".gitignore"}
    assert {path.stat().st_mode & 0o777 for path in out.glob("hubd.*")} == {0o600}
    assert out.stat().st_mode & 0o777 == 0o700

    store = tmp_path / "credentials"
    store.mkdir(mode=0o700)
    for path in out.glob("hubd.*"):
        shutil.copy(path, store / path.name.removeprefix("hubd."))
    environment = {"CREDENTIALS_DIRECTORY": str(store)}
    config = load(out / "config.toml", environment)
    assert (config.hub.site, config.hub.id) == ("acme", hub)
    assert [door.access_points[0].number for door in config.doors] == list(HUBS[hub])
    arguments = ("--check-config", "--json", "--config", str(out / "config.toml"))
    _, said = await run("-m", "hubd", *arguments, environment=environment)
    found = page.decode(said)
    assert [finding for finding in found if finding.kind is FindingKind.WRONG] == []
    (certificate,) = [finding.text for finding in found if finding.about == "certificate"]
    assert certificate.startswith(f"access points {', '.join(map(str, HUBS[hub]))}, until 20")
    strikes = [finding for finding in found if finding.about.startswith("door ")]
    assert all("CHANGE-ME" in finding.text for finding in strikes)
    assert len(strikes) == 2


def test_a_certificate_is_renewed_for_the_same_key_with_more_and_fewer_access_points(
    own: Path,
) -> None:
    site = sites.Site(own)
    old = site.certificate("hub-b")
    key = (site.hub_folder("hub-b") / "identity.key").read_bytes()
    said = command(
        own, "certify", "hub-b", "--access-point", "22", "--without", "20", "--days", "700"
    )
    new = site.certificate("hub-b")
    assert new.access_points == (21, 22)
    assert new.key == old.key
    assert new.expires - old.expires > 300 * 86_400
    assert (site.hub_folder("hub-b") / "identity.key").read_bytes() == key
    assert "sudo systemctl restart hubd" in said
    assert (
        "access point 22 is new: before the restart /etc/hubd/hubd.toml there needs a "
        "[[doors]] section" in said
    )
    assert said.count("[[doors]]") == 1
    assert "[[doors]]" not in command(own, "certify", "hub-b")
    assert site.certificate("hub-a").access_points == (10, 11)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("certify", "hub-c"), "say which access points it serves"),
        (("certify", "hub-c", "--access-point", "10"), "access point 10 is hub-a's"),
        (("certify", "hub-b", "--access-point", "11"), "`hubsim site certify hub-a --without 11`"),
        (
            ("certify", "Hub C", "--access-point", "30"),
            "is no hub: choose 1 to 32 characters of a-z, 0-9 and -",
        ),
        (("certify", "hub-b", "--without", "20", "--without", "21"), "would serve no access point"),
        (("certify", "hub-b", "--without", "10"), "does not serve access point 10"),
        (("certify", "hub-c", "--access-point", "0"), "not in the range"),
        (("export", "OUT"), "which hub? there are hub-a, hub-b: say --hub NAME"),
        (("export", "OUT", "--hub", "hub-z"), "there are hub-a, hub-b"),
        (("export", "HERE", "--hub", "hub-a"), "holds something already"),
        (
            ("export", "OUT", "--hub", "hub-a", "--time-zone", "Berlin"),
            "expected an IANA time zone",
        ),
        (("export", "OUT", "--hub", "hub-a", "--time-zone", 'x"\ny'), "config.toml: "),
        (
            ("export", "OUT", "--hub", "hub-a", "--backend", "10.0.0.2:4505"),
            'expected "tcp://HOST:PORT"',
        ),
        (
            ("export", "OUT", "--hub", "hub-a", "--backend", "tcp://0.0.0.0:4505"),
            "the name or the address of a machine",
        ),
        (("export", "OUT", "--hub", "hub-a", "--backend", ""), 'expected "tcp://HOST:PORT"'),
        (("init", "--site", "acme"), "holds something already"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(
    own: Path, tmp_path: Path, words: tuple[str, ...], part: str
) -> None:
    places = {"OUT": str(tmp_path / "out"), "HERE": str(own)}
    assert part in refused(own, *(places.get(word, word) for word in words))
    assert sites.Site(own).hub_names() == ("hub-a", "hub-b")
    assert not (tmp_path / "out").exists()


def test_private_keys_stay_out_of_a_repository_around_their_folders(tmp_path: Path) -> None:
    """Only git itself can say what it would take."""
    site = tmp_path / "acme"
    out = tmp_path / "out"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command(site, "init")
    command(site, "grant", "anna")
    command(site, "export", str(out))
    assert (site / "issuer.key").exists()
    assert (out / "hubd.identity").exists()
    git = ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == ""


def test_a_grant_for_a_door_that_no_hub_serves_is_told(own: Path) -> None:
    assert "no hub of this site serves access point 99 yet" in command(
        own, "grant", "anna", "--access-point", "99"
    )
    assert "no hub" not in command(own, "grant", "bert", "--access-point", "21")


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of hubsim's programs, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubsim.main",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await process.stdout.readline()).decode().strip()


async def until(folder: Path, condition: Callable[[Any], bool]) -> None:
    """Wait until what a hub says of itself is as wanted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in itertools.count():
            with suppress(OSError):
                if condition(
                    (await ask(folder / "hubd.sock", {"id": 1, "call": "status"}))["result"]
                ):
                    return
            await asyncio.sleep(0.05)


def is_up(status: Any) -> bool:
    """On air, with an epoch key, its strikes held, and welcomed by its backend."""
    radio = status["radio"]
    backend = status["backend"]
    return bool(
        status["ready"]
        and radio["on_air"]
        and radio["epoch_key"]
        and backend["last_welcome"] is not None
    )


async def test_the_doors_of_two_hubs_open_and_a_revocation_reaches_both(own: Path) -> None:
    """Each hub has an air of its own: their doors lie too far from each other for one phone."""
    site = sites.Site(own)
    doors = [
        word
        for points in HUBS.values()
        for point in points
        for word in ("--access-point", str(point))
    ]
    command(own, "grant", "anna", *doors)
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(running("backend", "--at", str(own)))
        assert await first_line(backend) == f"backend on {site.endpoint}"
        airs = {}
        for hub in HUBS:
            radio = await stack.enter_async_context(running("radio", "--listen", "127.0.0.1:0"))
            airs[hub] = (await first_line(radio)).removeprefix("radio on ")
            hub_words = ("hub", "--at", str(own), "--hub", hub, "--radio", airs[hub])
            await stack.enter_async_context(running(*hub_words))
        for hub in HUBS:
            await until(site.hub_folder(hub), is_up)

        async def unlock(hub: str, point: int) -> tuple[int, str]:
            words = (
                "phone",
                "unlock",
                "anna",
                "--at",
                str(own),
                "--radio",
                airs[hub],
                "--access-point",
                str(point),
            )
            return await run("-m", "hubsim.main", *words)

        for hub, points in HUBS.items():
            for point in points:
                status, said = await unlock(hub, point)
                assert (status, said.split()[0]) == (0, "allowed"), said
        status, said = await run("-m", "hubsim.main", "site", "--at", str(own), "revoke", "anna")
        assert "handed to 2 hubs" in said
        for hub in HUBS:
            await until(site.hub_folder(hub), lambda status: bool(status["policy_version"] == 2))
        for hub, points in HUBS.items():
            status, said = await unlock(hub, points[0])
            assert status == 1
            assert "denied" in said
