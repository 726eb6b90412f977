"""From a lockdown that somebody orders at the bridge to each of many hubs.

`python -m benchmarks.lockdown` measures this family alone. The bridge is the program that runs on a
site, in a process of its own. The hubs are light ones in another process, each on a TLS connection
of its own (`benchmarks.crowd`). The order goes in by the bridge's local socket, as
`hubctl --site` gives it.

Laws:
1. A round is one lockdown or the end of one, and one bare TLS round trip, in turns. Each is alone:
   PAUSE_SECONDS lie before it.
2. A time begins just before the order is given, and ends when a hub has proven it. `whole` ends
   when the bridge has the answer of the last hub.
3. A round in which a hub takes nothing fails the bench.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.crowd import BRIDGE, MESSAGE_BYTES, SITE, context_of, name_of
from benchmarks.lockdown_figures import lockdown_figures
from benchmarks.machine import describe
from benchmarks.table import Table, text
from hubcore.bridge.mandate import Mandate, Use, issue_mandate
from hubcore.codec import cbor
from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubcore.codec.tlsauthority import Authority, begin_authority, certify
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem
from hubsim.stage import free_port

HUBS = 100
ROUNDS = 60
PAUSE_SECONDS = 0.3
ROUND_SECONDS = 30.0
DAY_SECONDS = 86_400


@dataclass(slots=True)
class LockdownRounds:
    """Seconds of each round: of each hub, until all answers were there, and of a bare trip."""

    hubs: int
    of_hubs: list[float] = field(default_factory=list)
    last_hub: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    """Until the bridge said that the order is kept and on its way."""
    trip: list[float] = field(default_factory=list)


async def measure(directory: Path, rounds: int, hubs: int = HUBS) -> LockdownRounds:
    """Measure so many lockdowns and ends of them."""
    result = LockdownRounds(hubs)
    port = free_port()
    make_files(directory, port, hubs)
    log = directory / "log"
    bridge = ("hubbridge", "--config", str(directory / BRIDGE / "hubbridge.toml"))
    many = ("benchmarks.crowd", "hubs", str(directory), str(port), str(hubs))
    async with processes.running(log, *bridge) as running:
        await processes.first_line(running)
        async with processes.running(log, *many) as clients, _echo(directory, log) as echo:
            await processes.first_line(clients)
            assert clients.stdout is not None
            for number in range(rounds):
                await asyncio.sleep(PAUSE_SECONDS)
                async with asyncio.timeout(ROUND_SECONDS):
                    await _order(directory, clients.stdout, result, on=number % 2 == 0)
                await asyncio.sleep(PAUSE_SECONDS)
                result.trip.append(await _trip(*echo))
    return result


async def _order(
    directory: Path, taken: asyncio.StreamReader, result: LockdownRounds, *, on: bool
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(directory / "b.sock"), limit=1 << 22)
    with closing(writer):
        began = time.monotonic_ns()
        order = await _ask(reader, writer, "site-order", order="lockdown", on=on)
        result.given.append((time.monotonic_ns() - began) / 1e9)
        answer = order
        while not answer["complete"]:
            known = answer["answered"]
            about = {"order": order["order"], "known": known, "seconds": 10}
            answer = await _ask(reader, writer, "site-answers", **about)
        result.whole.append((time.monotonic_ns() - began) / 1e9)
    if [one["answer"] for one in answer["hubs"]] != ["taken"] * result.hubs:
        raise RuntimeError("a hub has not taken the order")
    times = [(int(at) - began) / 1e9 for at in (await taken.readline()).split()]
    result.of_hubs += times
    result.last_hub.append(max(times))


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: str, **args: Any
) -> dict[str, Any]:
    request = {"id": 1, "api": 1, "call": call, "args": args}
    writer.write(json.dumps(request).encode() + b"\n")
    answer = json.loads(await reader.readline())
    if "result" not in answer:
        raise RuntimeError(f"the bridge refused: {answer}")
    found: dict[str, Any] = answer["result"]
    return found


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _echo(directory: Path, log: Path) -> AsyncIterator[Connection]:
    """Run the process that answers with the same bytes; yield a connection that is up."""
    async with processes.running(log, "benchmarks.crowd", "echo", str(directory)) as process:
        port = int(await processes.first_line(process))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            port,
            ssl=context_of(directory / name_of(0), ssl.PROTOCOL_TLS_CLIENT),
            server_hostname=f"{BRIDGE}.bridge.{SITE}",
        )
        with closing(writer):
            await _trip(reader, writer)
            yield reader, writer


async def _trip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    began = time.perf_counter()
    writer.write(bytes(MESSAGE_BYTES))
    await reader.readexactly(MESSAGE_BYTES)
    return time.perf_counter() - began


def make_files(directory: Path, port: int, hubs: int) -> None:
    """Make what a bridge and so many hubs begin with."""
    now = int(time.time())
    authority = begin_authority(SITE, make_key(), now - DAY_SECONDS)
    folder = directory / BRIDGE
    _identity(authority, TlsName(SITE, TlsRole.BRIDGE, BRIDGE), folder, now)
    for number in range(hubs):
        name = name_of(number)
        _identity(authority, TlsName(SITE, TlsRole.HUB, name), directory / name, now)
    issuer = make_key()
    orders = make_key()
    mandate = Mandate(
        site=SITE,
        holder=BRIDGE,
        use=Use.ORDERS,
        version=1,
        key=orders.verify_key,
        not_before=now - DAY_SECONDS,
        expires=now + DAY_SECONDS,
    )
    (folder / "orders.mandate").write_bytes(issue_mandate(mandate, issuer))
    (folder / "issuer.cbor").write_bytes(cbor.encode(issuer.cose_key))
    (folder / "orders.key").write_bytes(pem(orders))
    (folder / "orders.key").chmod(0o600)
    (folder / "hubbridge.toml").write_text(
        f'site = "{SITE}"\nname = "{BRIDGE}"\nlisten = "127.0.0.1"\nport = {port}\n'
        'tls_key = "tls.key"\ntls_certificate = "tls.pem"\ntls_authority = "authority.pem"\n'
        'issuer = "issuer.cbor"\norders_key = "orders.key"\nmandates = ["orders.mandate"]\n'
        f'records = "bridge.db"\n[api]\nsocket = "{directory}/b.sock"\noperator = "office"\n'
    )


def _identity(authority: Authority, name: TlsName, folder: Path, now: int) -> None:
    folder.mkdir()
    key = make_key()
    (folder / "tls.key").write_bytes(pem(key))
    (folder / "tls.key").chmod(0o600)
    begins = now - DAY_SECONDS
    document = certify(authority, name, public_of(key), begins, now + DAY_SECONDS)
    (folder / "tls.pem").write_bytes(pem_of(document))
    (folder / "authority.pem").write_bytes(pem_of(authority.document))


def main() -> None:
    """Measure this family alone, and print its rows."""
    parser = argparse.ArgumentParser("python -m benchmarks.lockdown")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--hubs", type=int, default=HUBS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        found = asyncio.run(measure(Path(directory), options.rounds, options.hubs))
    rounds = {"lockdown": options.rounds}
    print(text(Table(describe(), rounds, lockdown_figures(found), [])))


if __name__ == "__main__":
    main()
