"""Machines become hubs behind gateways: `hubctl enroll`, `hubissuer`, real gateways and engine."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import zmq

from hubcore.backend.uplink import from_backend
from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubcore.phone.certificates import read_hub_certificate
from hubgateway.issuer import keys
from hubgateway.rules import chain, names
from hubsim.enrolling import start_enroll
from tests.gateway.bench import WAIT_SECONDS, Bench, Gate, Hub, make_chain, running, until

pytestmark = [pytest.mark.once, pytest.mark.long]

FINGERPRINT = re.compile(r"fingerprint of this machine: ([0-9A-Z-]{24})")


def free_pair() -> int:
    """A port that is free together with the one after it."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError):
                next_one.bind(("127.0.0.1", port + 1))
                return port


@dataclass
class Fleet:
    """A bench whose gateways enrol hubs, and an operator beside it."""

    bench: Bench
    folder: Path
    ports: tuple[int, int]

    @property
    def config(self) -> Path:
        return self.folder / keys.CONFIG

    async def issuer(self, *words: str, status: int = 0) -> str:
        """Give a command of `hubissuer`; return all that it said."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hubgateway.issuer", "--config", str(self.config), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(WAIT_SECONDS):
            said, _ = await made.communicate()
        assert made.returncode == status, said.decode()
        return said.decode()

    async def token(self, hub: str, *words: str) -> str:
        return (await self.issuer("token", hub, *words)).splitlines()[0]

    async def machine(self, token: str, disk: Path, port: int) -> Machine:
        return Machine(await start_enroll(port, token, disk), disk)

    async def certificate(self, hub: str) -> bytes:
        table = await self.bench.js.key_value(names.CERTIFICATES_BUCKET)
        return (await table.get(hub)).value or b""

    async def row(self, key: str) -> str:
        table = await self.bench.js.key_value(names.KEYS_BUCKET)
        return ((await table.get(key)).value or b"").decode()


@dataclass
class Machine:
    """`hubctl enroll`, and the disk that it writes to."""

    process: asyncio.subprocess.Process
    disk: Path
    said: str = ""

    async def fingerprint(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := FINGERPRINT.search(self.said)) is None:
                line = await self.process.stderr.readline()
                assert line, self.said
                self.said += line.decode()
        return found[1]

    async def end(self) -> int:
        async with asyncio.timeout(WAIT_SECONDS):
            out, err = await self.process.communicate()
        self.said += err.decode() + out.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    def held(self, name: str) -> bytes:
        return (self.disk / "etc" / "credstore" / f"hubd.{name}").read_bytes()

    def as_hub(self, bench: Bench, name: str) -> Hub:
        """A hub that speaks with the keys of this disk."""
        pinned = self.held("backend_public").split()[0]
        made = Hub(bench.context, name, pinned)
        made.secret = self.held("curve_secret").strip()
        made.public = zmq.curve_public(made.secret)
        bench.hubs.append(made)
        return made


def extra(folder: Path, port: int, endpoints: list[str]) -> str:
    places = ", ".join(f'"{one}"' for one in endpoints)
    return (
        f'[enrolment]\nlisten = "tcp://127.0.0.1:{port}"\n'
        f'secret = "{folder / keys.ENROLMENT_SECRET}"\nsite = "acme"\n'
        f'issuer = "{folder / keys.ISSUER}"\n'
        f'tls_authority = "{folder / keys.AUTHORITY}"\nendpoints = [{places}]\n'
    )


@pytest_asyncio.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running(tmp_path) as bench:
        folder = tmp_path / "issuer"
        made = Fleet(bench, folder, (free_pair(), free_pair()))
        await made.issuer("init", str(folder), "--site", "acme", "--server", bench.server.url)
        bench.secret = (folder / keys.CURVE_SECRET).read_bytes()
        bench.public = zmq.curve_public(bench.secret)
        for port in made.ports:
            await bench.gate(extra(folder, port, ["tcp://gateway.example:7011"]))
        yield made


async def restart(gate: Gate) -> None:
    await gate.kill()
    await gate.start()


async def test_a_machine_asks_one_gateway_and_is_a_hub_at_all(fleet: Fleet, tmp_path: Path) -> None:
    bench = fleet.bench
    token = await fleet.token("hub-a", "--access-point", "10", "--name", "10=Front door")
    assert "its token waits" in await fleet.issuer("list")
    machine = await fleet.machine(token, tmp_path / "disk-a", fleet.ports[0])
    shown = await machine.fingerprint()
    await until_asked(fleet, "hub-a")
    await restart(bench.gates[0])  # nothing of this lies in a gateway
    other = await fleet.machine(token, tmp_path / "disk-b", fleet.ports[1])
    assert await other.end() != 0
    assert "used" in other.said, other.said
    wrong = "0000-" * 4 + "0000"
    refused = await fleet.issuer("approve", "hub-a", "--fingerprint", wrong, status=1)
    assert "another fingerprint" in refused
    await fleet.issuer("approve", "hub-a", "--fingerprint", shown)
    assert await machine.end() == 0, machine.said
    issuer = read_key(cbor.decode((fleet.folder / keys.ISSUER).read_bytes()))
    proven = read_hub_certificate(machine.held("certificate"), issuer)
    assert (proven.site, proven.hub, proven.access_points) == ("acme", "hub-a", (10,))
    hub = machine.as_hub(bench, "hub-a")
    welcome = await hub.greet(bench.gates[1].endpoint)
    assert isinstance(welcome, from_backend.Welcome)
    hub.records = make_chain(70)
    await hub.send_until_durable(bench.gates[1].endpoint)
    taken = await fleet.issuer("token", "hub-b", "--access-point", "10", status=1)
    assert "hub-a's" in taken
    said = await fleet.issuer("renew", "hub-a", "--access-point", "11")
    assert "access points 10, 11" in said
    renewed = await hub.hear_a(from_backend.Certificate)
    assert isinstance(renewed, from_backend.Certificate)
    assert renewed.document == await fleet.certificate("hub-a")


async def until_asked(fleet: Fleet, hub: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while f"{hub}: WAITS for approval" not in await fleet.issuer("list"):
            pass


async def test_a_new_machine_takes_a_dead_ones_place_and_an_end_is_one(
    fleet: Fleet, tmp_path: Path
) -> None:
    bench = fleet.bench
    first = await enrolled(fleet, tmp_path / "disk-a", "--access-point", "10")
    old = first.as_hub(bench, "hub-a")
    await old.greet(bench.gates[0].endpoint)
    old.records = make_chain(150)
    await old.send_until_durable(bench.gates[0].endpoint)
    await bench.put(names.STOPS_BUCKET, "hub-a", "FORK somebody copied its disk")
    second = await enrolled(fleet, tmp_path / "disk-b", "--replace")
    assert await fleet.row(old.key) == "revoked hub-a"
    new = second.as_hub(bench, "hub-a")
    welcome = await new.greet(bench.gates[1].endpoint)
    assert isinstance(welcome, from_backend.Welcome)
    assert welcome.durable == 0
    new.records = make_chain(5, word="new")
    await new.send_until_durable(bench.gates[1].endpoint)
    assert await bench.stored("hub-a") == new.records
    aside = names.replaced("hub-a", new.key)
    kept = []
    reader = await bench.js.subscribe(aside, ordered_consumer=True)
    while len(kept) < 150:
        kept += chain.read_batch((await reader.next_msg(timeout=WAIT_SECONDS)).data)
    assert kept == old.records
    await fleet.issuer("end", "hub-a")
    assert await fleet.row(new.key) == "revoked hub-a"
    assert "hub-a" not in await fleet.issuer("list")
    assert await bench.stored("hub-a") == new.records


async def enrolled(fleet: Fleet, disk: Path, *words: str) -> Machine:
    """Make a machine hub-a."""
    machine = await fleet.machine(await fleet.token("hub-a", *words), disk, fleet.ports[0])
    shown = await machine.fingerprint()
    await until_asked(fleet, "hub-a")
    await fleet.issuer("approve", "hub-a", "--fingerprint", shown)
    assert await machine.end() == 0, machine.said
    return machine


async def test_a_refused_machine_hears_so_and_a_promise_from_elsewhere_enrols_nobody(
    fleet: Fleet, tmp_path: Path
) -> None:
    token = await fleet.token("hub-a", "--access-point", "10")
    machine = await fleet.machine(token, tmp_path / "disk", fleet.ports[0])
    await machine.fingerprint()
    await until_asked(fleet, "hub-a")
    table = await fleet.bench.js.key_value(names.PROMISES_BUCKET)
    held = await table.get("hub-a")
    forged = (held.value or b"").replace(b'certificate":""', b'certificate":"d28443a10126"')
    await table.put("hub-a", forged)
    gate = fleet.bench.gates[0]
    await until(lambda: "no certificate of the site's issuer" in gate.log)
    assert machine.process.returncode is None
    await fleet.issuer("refuse", "hub-a")
    assert await machine.end() != 0
    assert "operator" in machine.said, machine.said
    assert not (machine.disk / "etc" / "credstore" / "hubd.certificate").exists()
