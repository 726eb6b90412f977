"""A hub and the bridge of its site: how fast records are held there, and what a bridge weighs.

Laws:
1. Bare frames and records take turns, over TLS 1.3 with a certificate on each side, on loopback.
   Each far end is a process of its own; the bridge is the program that is installed.
2. Bare frames are of a record's size, each is answered with itself, and as many are under way as a
   hub may have records unanswered. Bare commits are of as many rows as a bridge puts into one.
3. Memory is the resident memory of the bridge's process: idle before any hub has come, and of one
   that was started with a large policy, with many hubs connected whose records it holds.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import crowd, policies, processes, records
from benchmarks.disk import RECORD_BYTES
from benchmarks.start import Memory, memory_after, memory_of
from hubbridge.app import POLICY
from hubbridge.hubs.keeping import OFFER_RECORDS
from hubbridge.policy.files import PolicyFiles
from hubcore.access.words import HubName
from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.words import FROM_HUB_BYTES
from hubcore.codec.tls import NO_CHECK_TIME, TlsInForce, TlsName, TlsRole, der_of, read_certificate
from hubcore.phone.certificates import CertificateInForce
from hubcore.policy import document
from hubd.adapters.bridge.line import Endpoint, TlsBridgeLine
from hubd.adapters.host.clock import SystemClock
from hubd.adapters.host.signed_file import EndsFile, MandateFile
from hubd.adapters.sqlite.audit import AuditStore
from hubd.backend.orders import no_certificate
from hubd.backend.policies import PolicyWorker
from hubd.bridge.certificates import OwnCertificates
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.sender import UNHELD_MAX
from hubd.bridge.way import BridgeWay, Policies
from hubsim import site as sites
from hubsim.bridge.files import CONFIG, make_bridge
from hubsim.site import Site
from hubsim.site.documents import make_key
from hubtls.keys import read_signing_key

BRIDGE = "bridge-1"
HUBS = 100
RECORDS_EACH = 200
"""Of each of the hubs that are there for the memory."""
HOST = "127.0.0.1"
ROOM = "\n[room]\nbudget_mib = 16384\n"
"""No backend takes anything here, so all rounds must have room in one hub's share."""
IMPORTS = (
    "import asyncio, ssl, sqlite3, cbor2, cryptography.x509, msgspec, "
    "cryptography.hazmat.primitives.asymmetric.ec"
)
IDLE_SECONDS = 2.0
HELD_SECONDS = 120.0
LOOK_SECONDS = 0.001
READ_BYTES = 65_536


@dataclass(slots=True)
class BridgeRounds:
    """Seconds of each bare frame, round trip and held record; resident MB of the bridge."""

    frames: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    """Of each record in bare commits of as many rows as a bridge puts into one."""
    held: list[float] = field(default_factory=list)
    idle: Memory = field(default_factory=lambda: Memory(0, 0))
    imports: Memory = field(default_factory=lambda: Memory(0, 0))
    """Of a Python that has imported the bridge's libraries, and nothing of the bridge."""
    crowd_mb: float = 0.0
    rows: int = 0
    """Cards, and as many revocations, of the policy that the bridge of the crowd holds."""
    shared_mb: float = 0.0
    """Of the idle memory, what lies in files: libraries, which another Python there shares."""


async def measure(directory: Path, rounds: int, count: int, rows: int) -> BridgeRounds:
    """In each round send `count` bare frames, and let `count` records be held.

    The bridge of the crowd holds a policy of `rows` cards and as many revocations.
    """
    site = sites.init(directory / "site")
    config = make_bridge(site, BRIDGE, port=processes.free_port()) / CONFIG
    config.write_text(config.read_text() + ROOM)
    result = BridgeRounds()
    log = directory / "log"
    async with (
        processes.running(log, "hubbridge", "--config", str(config)) as bridge,
        processes.running(log, "benchmarks.far_end", "tls", str(config.parent)) as echo,
        await AuditStore.open(directory / "audit.db") as store,
    ):
        port = await _port(bridge)
        bare = await _port(echo)
        await asyncio.sleep(IDLE_SECONDS)
        result.idle = memory_of(bridge.pid)
        result.shared_mb = _files_mb(bridge.pid)
        result.imports = await memory_after(IMPORTS)
        for _ in range(rounds):
            result.frames.append(await _bare(site, bare, count, UNHELD_MAX))
            result.round_trips.append(await _bare(site, bare, count // 10, 1))
            result.commits.append(await asyncio.to_thread(_commits, directory / "bare.db", count))
            await records.fill(store, count)
            result.held.append(await _held(site, port, store, directory))
    async with processes.running(log, "benchmarks.bridge", str(site.path), str(rows)) as making:
        await making.wait()
    async with processes.running(log, "hubbridge", "--config", str(config)) as bridge:
        port = await _port(bridge)
        async with crowd.at(site, BRIDGE, port, HUBS) as hubs:
            await asyncio.gather(*(one.give(RECORDS_EACH) for one in hubs))
            await asyncio.gather(*(one.offered() for one in hubs))
            result.crowd_mb = memory_of(bridge.pid).resident
    result.rows = rows
    return result


def make_policy(path: Path, rows: int) -> None:
    """Put a large policy where the bridge of a site keeps its own; in a process of its own."""
    policies.make(path, rows, rounds=0)
    brought = document.split((path / "0.cbor").read_bytes())
    files = PolicyFiles(path / "bridges" / BRIDGE / POLICY)
    files.make()
    for name, piece in brought.pieces.items():
        files.put_piece(name, piece)
    files.put_root(brought.root)


def _files_mb(process_id: int) -> float:
    """Return how much of a process's memory is pages of files (proc(5))."""
    text = Path(f"/proc/{process_id}/status").read_text()
    (kib,) = re.findall(r"^RssFile:\s+(\d+) kB$", text, re.MULTILINE)
    return int(kib) * 1024 / 1e6


async def _port(process: asyncio.subprocess.Process) -> int:
    """Return the port that a process says at the end of its first line."""
    return int((await processes.first_line(process)).rpartition(" ")[2])


# Bare frames.


async def _bare(site: Site, port: int, count: int, window: int) -> float:
    """Return the seconds of one of so many frames, with so many under way."""
    name = TlsName(site.name, TlsRole.BRIDGE, BRIDGE)
    reader, writer = await asyncio.open_connection(
        HOST, port, ssl=context_of(site), server_hostname=name.dns
    )
    message = frame(bytes(RECORD_BYTES))
    frames = Frames(FROM_HUB_BYTES)
    sent = min(window, count)
    answered = 0
    began = time.perf_counter()
    writer.write(message * sent)
    while answered < count:
        frames.feed(await reader.read(READ_BYTES))
        came = 0
        while frames.next() is not None:
            came += 1
        answered += came
        more = min(came, count - sent)
        if more > 0:
            sent += more
            writer.write(message * more)
    took = time.perf_counter() - began
    writer.close()
    return took / count


def _commits(path: Path, count: int) -> float:
    """Return the seconds of one of so many rows in bare commits, each of OFFER_RECORDS rows."""
    row = (os.urandom(RECORD_BYTES), bytes(32))
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, body, hash)")
        began = time.perf_counter()
        for begins in range(0, count, OFFER_RECORDS):
            rows = [row] * min(OFFER_RECORDS, count - begins)
            file.execute("BEGIN IMMEDIATE")
            file.executemany("INSERT INTO rows (body, hash) VALUES (?, ?)", rows)
            file.execute("COMMIT")
        return (time.perf_counter() - began) / count


def context_of(site: Site) -> ssl.SSLContext:
    """Return what shows the certificate of the site's first hub."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.load_verify_locations(site.hub / "authority.pem")
    context.load_cert_chain(site.hub / "tls.pem", site.hub / "tls.key")
    return context


# Records.


class NoOrders:
    """Nobody orders anything here."""

    async def take_mandate(self, document: bytes) -> None:
        """The bridge brings the mandates of its own keys."""

    async def take(self, document: bytes) -> OrderResult:
        """See `bridge.documents.SiteOrders.take`."""
        raise AssertionError("no order comes")


async def _held(site: Site, port: int, store: AuditStore, folder: Path) -> float:
    """Return the seconds of one record, from the first that is held to the last."""
    async with _speaking(site, port, store, folder) as way:
        async with asyncio.timeout(HELD_SECONDS):
            left = way.state.waiting
            began = time.perf_counter()
            while way.state.waiting:  # noqa: ASYNC110 - the way tells nobody
                await asyncio.sleep(LOOK_SECONDS)
            return (time.perf_counter() - began) / left


def _certificates(site: Site) -> OwnCertificates:
    """The hub's certificates, which are new: nobody asks for newer ones."""
    name = TlsName(site.name, TlsRole.HUB, site.first_hub)
    authority = der_of((site.hub / "authority.pem").read_bytes())
    shown = der_of((site.hub / "tls.pem").read_bytes())
    document = (site.hub / "certificate.cbor").read_bytes()
    return OwnCertificates(
        key=make_key(),
        certificate=CertificateInForce.of(document, site.issuer.verify_key),
        tls=TlsInForce(read_certificate(shown, authority, name), authority, name),
        take=no_certificate,
        take_tls=no_certificate,
    )


@asynccontextmanager
async def _speaking(
    site: Site, port: int, store: AuditStore, folder: Path
) -> AsyncIterator[BridgeWay]:
    """A hub's way, once the bridge holds one of the records that waited."""
    way = BridgeWay(
        line=TlsBridgeLine(
            [Endpoint(BRIDGE, HOST, port)],
            site.name,
            der_of((site.hub / "authority.pem").read_bytes()),
            lambda: context_of(site),
        ),
        records=store,
        hub=HubName(site.name, site.first_hub),
        key=read_signing_key(site.hub / "tls.key"),
        software="bench",
        policies=Policies(_accept, lambda: 0, lambda: bytes(32)),
        site_orders=NoOrders(),
        mandates=MandatesHere(
            site.name, site.issuer.verify_key, MandateFile(folder / "mandates.cbor")
        ),
        ends=EndsHere(site.name, site.issuer.verify_key, EndsFile(folder / "ends.cbor")),
        certificates=_certificates(site),
        clock=SystemClock(lambda: 0.0),
        pace=Pace(window=UNHELD_MAX),
        appended=asyncio.Event(),
        doors_at_rest=_at_rest,
    )
    running = asyncio.create_task(way.run())
    try:
        async with asyncio.timeout(HELD_SECONDS):
            while way.state.phase != "speaking":  # noqa: ASYNC110 - the way tells nobody
                await asyncio.sleep(LOOK_SECONDS)
            waiting = way.state.waiting
            while way.state.waiting >= waiting:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
        yield way
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _accept(_document: bytes, _worker: PolicyWorker) -> int:
    raise AssertionError("no policy comes")


async def _at_rest() -> None:
    await asyncio.sleep(0)


if __name__ == "__main__":
    make_policy(Path(sys.argv[1]), int(sys.argv[2]))
