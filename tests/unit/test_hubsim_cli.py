"""hubsim's commands and the backend's control socket, wrongly used: a sentence that says what to
do, no traceback.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import ValidationError, convert

from hubcore.access.grant import read_grant
from hubd.config.file import load
from hubd.config.hub import Protocol
from hubsim import site as sites
from hubsim.main import main
from hubsim.stage import ask
from hubsim.words import counted


def refused(*arguments: str) -> str:
    """Run a command that must fail with a sentence; return the sentence."""
    result = CliRunner().invoke(main, arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    assert "Error: " in result.output
    assert "Traceback" not in result.output
    return result.output.partition("Error: ")[2].strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one phone, anna."""
    path = tmp_path_factory.mktemp("cli") / "site"
    for arguments in (("init",), ("grant", "anna")):
        assert CliRunner().invoke(main, ("site", "--at", str(path), *arguments)).exit_code == 0
    return path


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        ("site", "--at", "PATH", "grant", "anna"),
        ("site", "--at", "PATH", "revoke", "anna"),
        ("backend", "--at", "PATH"),
        ("hub", "--at", "PATH"),
        ("phone", "unlock", "anna", "--at", "PATH"),
        ("phone", "--at", "PATH", "unlock", "anna"),
        ("site", "grant", "anna", "--at", "PATH"),
        ("backend", "hubs", "--at", "PATH"),
    ],
)
def test_without_a_site_the_command_that_makes_one_is_named(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = str(tmp_path / "none")
    sentence = refused(*(path if word == "PATH" else word for word in command))
    assert sentence == f"there is no site in {path}: make one with `hubsim site --at {path} init`"
    assert not list(tmp_path.iterdir())


def test_the_folder_that_all_commands_take_is_not_spelled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused("hub") == "there is no site in desk: make one with `hubsim site init`"


@pytest.mark.parametrize(("number", "said"), [(0, "0 hubs"), (1, "1 hub"), (2, "2 hubs")])
def test_a_number_has_its_noun(number: int, said: str) -> None:
    assert counted(number, "hub") == said


def test_an_unknown_phone_gets_the_names_of_those_that_are_there(site: Path) -> None:
    expected = (
        f"there is no phone bert: make it with `hubsim site --at {site} grant bert`; there are anna"
    )
    assert refused("site", "--at", str(site), "revoke", "bert") == expected
    assert refused("phone", "unlock", "bert", "--at", str(site)) == expected
    assert sites.Site(site).policy().version == 1


def test_a_damaged_phone_is_told(site: Path) -> None:
    folder = sites.Site(site).grant("dora", ())
    (folder / "site.cbor").write_bytes(b"\xff")
    again = f"`hubsim site --at {site} revoke dora`, then `hubsim site --at {site} grant dora`"
    expected = f"{folder} is damaged: make the phone once more: {again}"
    assert refused("phone", "unlock", "dora", "--at", str(site)) == expected
    (folder / "grant.cbor").write_bytes(b"\xff")
    assert "its end cannot be read" in refused("site", "--at", str(site), "grant", "dora")


def test_a_second_grant_for_a_name_waits_until_the_first_is_revoked(tmp_path: Path) -> None:
    """Else nobody could revoke the first by its name any more, and whoever holds it would go on
    entering.
    """
    path = tmp_path / "site"
    at = ("site", "--at", str(path))
    for words in (("init",), ("grant", "cleo", "--days", "10")):
        assert CliRunner().invoke(main, (*at, *words)).exit_code == 0
    made = sites.Site(path)
    first = made.credential("cleo")
    key = (made.phone("cleo") / "phone.key").read_bytes()
    told = re.fullmatch(
        rf"cleo has a grant already \(credential {first}, "
        r"until 20\d\d-\d\d-\d\d \d\d:\d\d UTC\): revoke it first "
        rf"\(hubsim site --at {path} revoke cleo\), or choose another name",
        refused(*at, "grant", "cleo"),
    )
    assert told
    assert made.credential("cleo") == first
    assert (made.phone("cleo") / "phone.key").read_bytes() == key
    assert CliRunner().invoke(main, (*at, "revoke", "cleo")).exit_code == 0
    assert CliRunner().invoke(main, (*at, "grant", "cleo")).exit_code == 0
    assert made.credential("cleo") != first
    assert first in made.policy().revoked_credentials
    assert "cleo has a grant already" in refused(*at, "grant", "cleo")


def test_a_phone_without_a_radio_is_told_to_start_one(site: Path) -> None:
    with socket.socket() as probe:  # bound, not listening: nobody else gets the port meanwhile
        probe.bind(("127.0.0.1", 0))
        radio = f"tcp-client:127.0.0.1:{probe.getsockname()[1]}"
        sentence = refused("phone", "unlock", "anna", "--at", str(site), "--radio", radio)
    assert sentence == f"no radio answers on {radio}: start one with `hubsim radio`"


@pytest.mark.parametrize("begins", ["-", "--", "-h", "-A", "%", "a"])
def test_a_key_may_begin_with_any_character_of_z85(site: Path, begins: str) -> None:
    key = begins + 38 * "x" + "."
    sentence = refused("backend", "know", "hub-1", key, "--at", str(site))
    assert sentence.startswith("no backend"), "the key was read as a key"


def test_a_used_port_is_told(site: Path, used_port: int) -> None:
    for command in (
        ("radio", "--listen", f"127.0.0.1:{used_port}"),
        ("backend", "--at", str(site), "--listen", f"tcp://127.0.0.1:{used_port}"),
    ):
        sentence = refused(*command)
        assert f"cannot listen on {command[-1]}: " in sentence
        assert "in use" in sentence


@pytest.mark.parametrize(
    "listen", ["foo", "127.0.0.1", ":1", "127.0.0.1:65536", "127.0.0.1:-1", "h:" + "9" * 5000]
)
def test_a_radio_at_no_address_is_told(listen: str) -> None:
    assert "is no HOST:PORT such as 127.0.0.1:8870" in refused("radio", "--listen", listen)


@pytest.mark.parametrize(
    "listen",
    [
        "foo",
        "0.0.0.0:4505",
        "tcp://0.0.0.0",
        "tcp://:4505",
        "tcp://0.0.0.0:65536",
        "tcp://0.0.0.0:9999999",
        "",
    ],
)
def test_a_backend_at_no_address_is_told(site: Path, tmp_path: Path, listen: str) -> None:
    expected = f"{listen!r}: expected tcp://ADDRESS:PORT, such as tcp://0.0.0.0:4505"
    assert expected in refused("backend", "--at", str(site), "--listen", listen)
    assert expected in refused("site", "--at", str(tmp_path / "new"), "init", "--backend", listen)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("transport", ["foo", "", "../x", "tcp-client", "tcp-client:foo"])
def test_no_transport_is_told(site: Path, transport: str) -> None:
    for command in (("hub",), ("phone", "unlock", "anna")):
        assert " such as " in refused(*command, "--at", str(site), "--radio", transport)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("../anna",), "choose letters"),
        (("carl", "--days", "nan"), "NaN"),
        (("carl", "--days", "inf"), "infinity"),
        (
            ("carl", "--days", "367"),
            "367 days: no hub takes a grant for more than 366 days (the most that grant",
        ),
        (("carl", "--days", "-367"), "no hub takes a grant for more than 366 days"),
        (("carl", "--access-point", "-1"), "not in the range"),
    ],
)
def test_a_grant_that_cannot_be_is_told(site: Path, arguments: tuple[str, ...], part: str) -> None:
    assert part in refused("site", "--at", str(site), "grant", *arguments)
    assert not (site / "phones" / "carl").exists()


def test_a_grant_that_hubs_refuse_by_their_usual_configuration_is_told(site: Path) -> None:
    at = ("site", "--at", str(site), "grant")
    told = (
        "a hub refuses a grant for more than 90 days, unless its /etc/hubd/hubd.toml says, "
        "below [protocol], "
    )
    assert (
        told + "grant_days_max = 91\n"
        in CliRunner().invoke(main, (*at, "emma", "--days", "90.5")).output
    )
    assert (
        told + "grant_days_max = 366\n"
        in CliRunner().invoke(main, (*at, "finn", "--days", "366")).output
    )
    assert "grant_days_max" not in CliRunner().invoke(main, (*at, "gina", "--days", "90")).output
    assert "[default: 30.0]" in CliRunner().invoke(main, ("site", "grant", "--help")).output


def test_the_longest_grant_is_the_longest_that_a_hub_may_be_told_to_take() -> None:
    assert (
        convert({"grant_days_max": sites.GRANT_DAYS_MAX}, Protocol).grant_days_max
        == sites.GRANT_DAYS_MAX
    )
    with pytest.raises(ValidationError):
        convert({"grant_days_max": sites.GRANT_DAYS_MAX + 1}, Protocol)


def test_a_folder_of_something_else_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    assert "holds something already" in refused("site", "--at", str(tmp_path), "init")
    (tmp_path / "file").write_text("")
    assert refused("site", "--at", str(tmp_path / "file"), "init").endswith("file: Not a directory")
    assert (tmp_path / "thesis.txt").exists()


def test_an_error_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(sites, "init", broken)
    assert isinstance(CliRunner().invoke(main, ("site", "init")).exception, AssertionError)


@asynccontextmanager
async def backend(site: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A backend in a process of its own."""
    command = ("-m", "hubsim.main", "backend", "--at", str(site), "--listen", "tcp://127.0.0.1:*")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert (await process.stdout.readline()).startswith(b"backend on")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def say(site: Path, line: bytes) -> dict[str, Any]:
    """Send one line as it is; return the answer."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_unix_connection(site / "backend" / "backend.sock")
        writer.write(line + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        return answer


@pytest.mark.asyncio
async def test_no_order_ends_the_backend(site: Path) -> None:
    release = '{"do": "release", "hub": "hub-1", "access_point": 1, %s}'
    spans = ("1e999", "-1e999", "NaN", "1e300", "-1", "0", "86401")
    lines = [release % f'"valid_seconds": {span}' for span in spans]
    async with backend(site) as process:
        for line in lines:
            answer = await say(site, line.encode())
            assert answer["ok"] is False, line
            assert "expected more than 0 and at most 86400" in answer["error"], line
        for line in (
            "[" * 60_000,
            "null",
            release % '"seconds": 1e999',
            release % '"by": "\\ud800"',
            release % '"id": 5',
            '{"do": "release", "hub": "hub-1", "access_point": 1e999}',
            '{"do": "policy", "path": "\\u0000"}',
            '{"do": []}',
        ):
            assert (await say(site, line.encode()))["ok"] is False, line
        assert (await ask(site / "backend" / "backend.sock", {"do": "hubs"}))["ok"] is True
        assert process.returncode is None


def test_a_guest_gets_a_number_of_uses(tmp_path: Path) -> None:
    at = ("site", "--at", str(tmp_path / "site"))
    assert CliRunner().invoke(main, (*at, "init")).exit_code == 0
    made = CliRunner().invoke(main, (*at, "grant", "guest", "--uses", "2"))
    assert "each hub of this site lets it in 2 times" in made.output
    where = sites.Site(tmp_path / "site")
    document = (where.phone("guest") / "grant.cbor").read_bytes()
    assert read_grant(document, where.verifier, where.name).uses == 2
    for uses in ("0", "65536"):
        assert CliRunner().invoke(main, (*at, "grant", "other", "--uses", uses)).exit_code != 0


def test_a_building_stays_one_when_its_hub_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "house"
    for arguments in (
        ("init", "--building"),
        ("reader", "archive-card", "--access-point", "2"),
        ("certify", "hub-1", "--access-point", "3"),
    ):
        done = CliRunner().invoke(main, ("site", "--at", str(path), *arguments))
        assert done.exit_code == 0, done.output
    config = load(path / "hub/hub.toml")
    movers = {door.id: [mover.id for mover in door.moved_by] for door in config.doors}
    assert movers == {"front": ["front"], "archive": ["archive-lock"], "door-3": ["door-3"]}
    assert {device.id for device in config.devices} == {"shutter-south", "shutter-north"}
    assert {reader.id for reader in config.readers} == {"front-card", "archive-card"}
    assert sites.Site(path).policy().groups == {1: ("shutter-south", "shutter-north")}
