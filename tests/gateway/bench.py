"""A real nats-server, gateways as processes, and hubs that speak CurveZMQ with their own keys."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import nats
import zmq
import zmq.asyncio
from nats.aio.client import Client
from nats.js import JetStreamContext
from zmq.utils import z85

from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.words import PROTOCOL
from hubcore.evidence.records import GENESIS, StoredRecord, chain_hash
from hubgateway.rules import chain, names

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 30.0
SOCKETS_MAX = 10_000
ENGINE = str(Path(sysconfig.get_path("scripts")) / "nats-server")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(true: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition. Raise TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@dataclass
class Server:
    """The engine as a process, with its store in a folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    extra: str = ""
    prefix: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it. A port that somebody else has taken meanwhile is another one the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(1 if self.process else 3):
            if await self._is_up():
                return
            self.port = free_port()
            self.health_port = free_port()
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    async def _is_up(self) -> bool:
        """Start the process; tell whether it listens, and has not ended. Raise TimeoutError."""
        config = self.folder / "nats.conf"
        config.write_text(self.text())
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, ENGINE, "-c", str(config), stdout=log, stderr=log
            )
        async with asyncio.timeout(WAIT_SECONDS):
            while self.process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return True
                await asyncio.sleep(0.02)
        return False

    def text(self) -> str:
        """Return its configuration."""
        shipped = (ROOT / "config" / "nats.conf").read_text()
        text = shipped.replace("/var/lib/nats", str(self.folder / "store"))
        text = text.replace("127.0.0.1:8222", f"127.0.0.1:{self.health_port}")
        return text.replace("127.0.0.1:4222", f"127.0.0.1:{self.port}") + self.extra

    async def copy_to(self, folder: Path) -> None:
        """Copy the store as it lies on the disk after a kill; go on."""
        await self.kill()
        shutil.copytree(self.folder / "store", folder)
        await self.start()

    async def restore(self, folder: Path) -> None:
        """Go on with an older copy of the store."""
        await self.kill()
        shutil.rmtree(self.folder / "store")
        shutil.copytree(folder, self.folder / "store")
        await self.start()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Gate:
    """A gateway as a process."""

    folder: Path
    server: str
    port: int
    secret: bytes
    extra: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def write(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "curve.secret"
        key.write_bytes(self.secret)
        key.chmod(0o600)
        config = self.folder / "hubgateway.toml"
        config.write_text(
            f'listen = "{self.endpoint}"\ncurve_secret = "curve.secret"\n'
            f'servers = ["{self.server}"]\n{self.extra}'
        )
        return config

    async def start(self) -> None:
        config = self.write()
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hubgateway",
                "--config",
                str(config),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            line = await self.process.stdout.readline()
            while b" at port " in line:  # new hubs, bridges
                line = await self.process.stdout.readline()
        assert line.decode() == f"hubgateway: hubs at {self.endpoint}\n", self.log

    async def kill(self) -> None:
        await self.end(signal.SIGKILL)

    def signalled(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()


def make_chain(
    count: int, before: StoredRecord | None = None, word: str = "x"
) -> list[StoredRecord]:
    """Return records that follow one another."""
    found = []
    number, hash_ = (before.number, before.hash) if before else (0, GENESIS)
    for _ in range(count):
        number += 1
        body = f"{word} {number}".encode()
        hash_ = chain_hash(hash_, number, body)
        found.append(StoredRecord(number, body, hash_))
    return found


class Hub:
    """A hub's end of the uplink; `heard` is all that came since the last Hello."""

    def __init__(self, context: zmq.asyncio.Context, hub: str, server_key: bytes) -> None:
        self.hub = hub
        self.public, self.secret = zmq.curve_keypair()
        self.boot_id = secrets.token_bytes(16)
        self.records: list[StoredRecord] = []
        self.acknowledged: set[int] = set()
        self.heard: list[from_backend.BackendMessage] = []
        self.policy_version = 0
        self._context = context
        self._server_key = server_key
        self._socket: zmq.asyncio.Socket | None = None

    @property
    def key(self) -> str:
        return z85.decode(self.public).hex()

    def connect(self, endpoint: str) -> None:
        self.close()
        made = self._context.socket(zmq.DEALER)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.RECONNECT_IVL, 100)
        made.curve_publickey = self.public
        made.curve_secretkey = self.secret
        made.curve_serverkey = self._server_key
        made.connect(endpoint)
        self._socket = made

    def close(self, linger_ms: int = 0) -> None:
        if self._socket is not None:
            self._socket.close(linger_ms)
            self._socket = None

    async def say(self, message: from_hub.HubMessage) -> None:
        assert self._socket is not None
        await self._socket.send(codec.encode(message))

    async def hear(self, seconds: float = WAIT_SECONDS) -> from_backend.BackendMessage:
        assert self._socket is not None
        async with asyncio.timeout(seconds):
            said = codec.decode_from_backend(await self._socket.recv())
            while isinstance(said, from_backend.Probe):
                await self.say(from_hub.Alive(said.nonce))
                said = codec.decode_from_backend(await self._socket.recv())
        self.heard.append(said)
        if isinstance(said, from_backend.Acknowledge):
            self.acknowledged.update(said.numbers)
        return said

    async def hear_a(
        self, kind: type, seconds: float = WAIT_SECONDS
    ) -> from_backend.BackendMessage:
        while True:
            said = await self.hear(seconds)
            if isinstance(said, kind):
                return said

    async def hear_durable(self, count: int) -> None:
        """Listen until so many records are acknowledged."""
        while len(self.acknowledged) < count:
            await self.hear()

    def hello(self) -> from_hub.Hello:
        newest = self.records[-1] if self.records else None
        return from_hub.Hello(
            protocol=PROTOCOL,
            hub=self.hub,
            site="site-1",
            boot_id=self.boot_id,
            software="bench",
            policy_version=self.policy_version,
            policy_digest=bytes(32),
            last_record=newest.number if newest else 0,
            head_hash=newest.hash if newest else GENESIS,
            waiting=sum(one.number not in self.acknowledged for one in self.records),
        )

    async def greet(self, endpoint: str, tries: int = 20) -> from_backend.BackendMessage:
        """Connect and say Hello until there is an answer; return it. Raise TimeoutError."""
        self.heard.clear()
        self.connect(endpoint)
        for _ in range(tries):
            await self.say(self.hello())
            with contextlib.suppress(TimeoutError):
                while True:
                    said = await self.hear(2.0)
                    if isinstance(said, from_backend.Welcome | from_backend.Halt):
                        return said
        raise TimeoutError("no answer to Hello")

    async def send(self, records: list[StoredRecord]) -> None:
        for one in records:
            await self.say(from_hub.Evidence(one.number, one.body, one.hash))

    async def send_until_durable(self, *endpoints: str, each_seconds: float = 2.0) -> None:
        """Send what is not acknowledged, again and again, 64 at a time, as a hub does.

        After a silence it goes to the next of the endpoints.
        """
        places = itertools.cycle((*endpoints[1:], endpoints[0]))
        tries = 20 if len(endpoints) == 1 else 1
        async with asyncio.timeout(3 * WAIT_SECONDS):
            while waiting := [r for r in self.records if r.number not in self.acknowledged][:64]:
                with contextlib.suppress(zmq.Again):
                    await self.send(waiting)
                numbers = {one.number for one in waiting}
                try:
                    while not numbers <= self.acknowledged:
                        await self.hear(each_seconds)
                except TimeoutError:
                    with contextlib.suppress(TimeoutError):
                        await self.greet(next(places), tries)


@dataclass
class Bench:
    """All of it below a folder."""

    folder: Path
    server: Server
    public: bytes
    secret: bytes
    context: zmq.asyncio.Context
    client: Client
    gates: list[Gate] = field(default_factory=list)
    hubs: list[Hub] = field(default_factory=list)

    @property
    def js(self) -> JetStreamContext:
        return self.client.jetstream()

    async def gate(self, extra: str = "", server: str = "") -> Gate:
        """Start a gateway, before the engine or another server that leads there."""
        made = Gate(
            extra=extra,
            folder=self.folder / f"gate-{len(self.gates)}",
            server=server or self.server.url,
            port=free_port(),
            secret=self.secret,
        )
        self.gates.append(made)
        await made.start()
        return made

    async def hub(self, name: str = "hub-1", enrolled: bool = True) -> Hub:
        made = Hub(self.context, name, self.public)
        self.hubs.append(made)
        if enrolled:
            await self.put(names.KEYS_BUCKET, made.key, f"enrolled {name}")
        return made

    def like(self, hub: Hub, boot_id: bytes | None = None) -> Hub:
        """Another connection with a hub's keys: its own, or a copy's with another boot id."""
        made = Hub(self.context, hub.hub, self.public)
        made.public = hub.public
        made.secret = hub.secret
        made.boot_id = boot_id or hub.boot_id
        made.records = list(hub.records)
        self.hubs.append(made)
        return made

    async def put(self, bucket: str, key: str, value: str | bytes) -> None:
        table = await self.js.key_value(bucket)
        await table.put(key, value.encode() if isinstance(value, str) else value)

    async def stored(self, hub: str) -> list[StoredRecord]:
        """All records of a hub in the engine, in the stream's order."""
        found: list[StoredRecord] = []
        info = await self.js.stream_info(names.RECORDS_STREAM)
        subject = names.subject(names.RECORDS, hub)
        for place in range(max(info.state.first_seq, 1), info.state.last_seq + 1):
            message = await self.js.get_msg(names.RECORDS_STREAM, seq=place)
            if message.subject == subject:
                found.extend(chain.read_batch(message.data or b""))
        return found

    async def reconnect(self) -> None:
        await self.client.close()
        self.client = await nats.connect(self.server.url, max_reconnect_attempts=-1)


@contextlib.asynccontextmanager
async def running(folder: Path, server: Server | None = None) -> AsyncIterator[Bench]:
    """An engine; gateways and hubs as asked for."""
    server = server or Server(folder / "engine")
    await server.start()
    public, secret = zmq.curve_keypair()
    client = await nats.connect(server.url, max_reconnect_attempts=-1, error_cb=_quiet)
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, SOCKETS_MAX)
    bench = Bench(folder, server, public, secret, context, client)
    try:
        yield bench
    finally:
        for hub in bench.hubs:
            hub.close()
        context.term()
        for gate in bench.gates:
            await gate.kill()
        await bench.client.close()
        await server.kill()


async def _quiet(_error: Exception) -> None:
    """What the tests do to the engine is expected."""
