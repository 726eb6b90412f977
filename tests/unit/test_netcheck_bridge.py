"""The steps to a bridge: a real bridge and real impostors on loopback, and no key of the hub."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubbridge.app import open_bridge, read_files
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.codec.tlsauthority import Authority, begin_authority
from hubcore.ports.bridge import LineFault
from hubd.netcheck.bridge import _OF_FAULT, CONNECT, TLS, BridgeTarget, walk_to_bridge
from hubd.netcheck.causes import OF_BRIDGE, REMEDIES, Cause
from hubd.netcheck.steps import Limits, State, Step
from hubsim import site as sites
from hubsim.site import DeskDoor
from hubsim.site.documents import make_key
from hubterm.exits import NO
from hubtls.identity import IdentityFiles
from tests.fakes.bridgedhub import AUTHORITY, BEGINS, BRIDGE, ENDS, SITE, bridge_config, tls_files
from tests.unit.test_netcheck import run

HOST = "127.0.0.1"
LIMITS = Limits(connect_seconds=2.0, curve_seconds=5.0)
NOW = float(BEGINS + 1)


def target(port: int, name: str = BRIDGE, authority: Authority | None = AUTHORITY) -> BridgeTarget:
    document = None if authority is None else authority.document
    return BridgeTarget(SITE, name, HOST, port, document)


def went(steps: list[Step]) -> list[tuple[str, State, Cause | None]]:
    return [(step.id, step.state, step.cause) for step in steps]


@asynccontextmanager
async def bridge(folder: Path) -> AsyncIterator[int]:
    """A bridge that runs."""
    files = read_files(bridge_config(folder), folder / "hubbridge.toml")
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with open_bridge(files) as running, asyncio.TaskGroup() as group:
        task = group.create_task(running.run(ready.set_result))
        yield await ready
        task.cancel()


@asynccontextmanager
async def impostor(shown: IdentityFiles, version: ssl.TLSVersion) -> AsyncIterator[int]:
    """What answers in the place of the bridge, with another certificate or another TLS."""

    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.load_cert_chain(shown.certificate, shown.key)
    async with await asyncio.start_server(leave, HOST, 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_bridge_proves_itself_to_somebody_without_a_key(tmp_path: Path) -> None:
    async with bridge(tmp_path) as port:
        steps = await walk_to_bridge(target(port), LIMITS, NOW)
    assert went(steps) == [(CONNECT, State.OK, None), (TLS, State.OK, None)]
    assert f"spiffe://{SITE}/bridge/{BRIDGE}" in steps[1].what
    assert {step.bridge for step in steps} == {BRIDGE}


async def test_a_certificate_whose_date_is_past_is_told_and_is_still_that_of_the_bridge(
    tmp_path: Path,
) -> None:
    async with bridge(tmp_path) as port:
        steps = await walk_to_bridge(target(port), LIMITS, ENDS + 1.0)
    assert went(steps)[1] == (TLS, State.WARNING, Cause.ENDED)


async def test_a_bridge_of_another_name_is_not_proven(tmp_path: Path) -> None:
    async with bridge(tmp_path) as port:
        steps = await walk_to_bridge(target(port, "bridge-2"), LIMITS, NOW)
    assert went(steps)[1] == (TLS, State.FAILED, Cause.OTHER_NAME)


async def test_a_bridge_of_another_authority_is_not_proven(tmp_path: Path) -> None:
    other = begin_authority(SITE, make_key(), BEGINS - 1000)
    async with bridge(tmp_path) as port:
        steps = await walk_to_bridge(target(port, authority=other), LIMITS, NOW)
    assert went(steps)[1] == (TLS, State.FAILED, Cause.OTHER_AUTHORITY)


async def test_a_hub_of_the_site_is_no_bridge(tmp_path: Path) -> None:
    """The name in TLS is right as far as OpenSSL looks; the whole name is not."""
    shown = tls_files(tmp_path / "hub", TlsName(SITE, TlsRole.HUB, BRIDGE))
    async with impostor(shown, ssl.TLSVersion.TLSv1_3) as port:
        steps = await walk_to_bridge(target(port), LIMITS, NOW)
    assert went(steps)[1] == (TLS, State.FAILED, Cause.OTHER_NAME)


async def test_an_older_tls_is_not_spoken(tmp_path: Path) -> None:
    shown = tls_files(tmp_path / "old", TlsName(SITE, TlsRole.BRIDGE, BRIDGE))
    async with impostor(shown, ssl.TLSVersion.TLSv1_2) as port:
        steps = await walk_to_bridge(target(port), LIMITS, NOW)
    assert went(steps)[1] == (TLS, State.FAILED, Cause.NOT_TLS)


async def test_without_the_authority_nothing_counts_as_proven(tmp_path: Path) -> None:
    """bridge, law 2"""
    async with bridge(tmp_path) as port:
        steps = await walk_to_bridge(target(port, authority=None), LIMITS, NOW)
    assert went(steps)[1] == (TLS, State.UNKNOWN, Cause.NO_AUTHORITY)
    assert "sudo" in (steps[1].remedy or "")


async def test_what_speaks_no_tls_fails_there() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n" * 50)
        writer.close()

    async with await asyncio.start_server(speak, HOST, 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        steps = await walk_to_bridge(target(port), LIMITS, NOW)
    assert went(steps)[0] == (CONNECT, State.OK, None)
    assert steps[1].state is State.FAILED
    assert steps[1].cause in (Cause.NOT_TLS, Cause.BROKEN)


async def test_a_machine_that_says_nothing_ends_in_time() -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        steps = await walk_to_bridge(target(port), Limits(curve_seconds=0.1), NOW)
    assert went(steps)[1] == (TLS, State.FAILED, Cause.SILENT)
    assert "hubbridge" in (steps[1].remedy or "")


async def test_a_closed_port_ends_the_way_there() -> None:
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
    steps = await walk_to_bridge(target(port), LIMITS, NOW)
    assert went(steps) == [(CONNECT, State.FAILED, Cause.REFUSED)]
    assert "hubbridge" in (steps[0].remedy or "")
    assert steps[0].family == "ipv4"


def test_every_fault_of_the_line_has_its_cause_here() -> None:
    assert set(_OF_FAULT) == set(LineFault)
    assert all(REMEDIES[cause] != said for cause, said in OF_BRIDGE.items())


def site_with(folder: Path, port: int, credential: bool) -> Path:
    """Write the files of a hub with a bridge; systemd may hand its keys over."""
    made = sites.init(folder / "site")
    path = sites.write_config(made, "tcp://127.0.0.1:9", [DeskDoor()])
    text = path.read_text()
    if credential:
        for name in ("tls_key", "tls_certificate", "tls_authority"):
            line = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
            text = text.replace(line, f'{name} = "credential:{name}"')
    path.write_text(f'{text}\n[[bridges]]\nname = "bridge-1"\naddress = "{HOST}"\nport = {port}\n')
    return path


@pytest.mark.parametrize("credential", [False, True], ids=["files", "handed-over"])
async def test_the_program_goes_to_backend_and_bridges(tmp_path: Path, credential: bool) -> None:
    """A bridge of another site answers. What only hubd is handed over is not known here."""
    async with bridge(tmp_path) as port:
        path = site_with(tmp_path, port, credential)
        status, shown, said = await run("--json", "--config", str(path))
    assert status == NO, said
    told = {step["id"]: step for step in json.loads(shown)["steps"]}
    assert list(told) == ["name", "connect", CONNECT, TLS, "clock", "ntp"]
    assert told[CONNECT]["bridge"] == "bridge-1"
    assert told["connect"]["bridge"] is None
    assert told[TLS]["cause"] == ("no-authority" if credential else "other-authority")


async def test_a_hub_with_bridges_and_no_backend_is_asked_for_no_place(tmp_path: Path) -> None:
    async with bridge(tmp_path) as port:
        path = site_with(tmp_path, port, credential=False)
        text = path.read_text()
        path.write_text(text.replace('[backend]\nendpoint = "tcp://127.0.0.1:9"\n', ""))
        _, shown, said = await run("--json", "--config", str(path))
    told = json.loads(shown)
    assert told["host"] is None, said
    assert [step["id"] for step in told["steps"]] == [CONNECT, TLS, "ntp"]
