"""A real backend behind a stage: a NATS server and hubgateway, as processes of their own.

Laws:
1. Hubs and bridges find it where they find it at any site: by the endpoint and the keys of the
   site's backend. Nothing of them knows that it was another program before.
2. Cut means killed: engine and gateway, at once. What was acknowledged is on the engine's disk.
3. Nothing listens beyond loopback, and nothing runs on when the block ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import nats
import nats.errors
from nats.js import JetStreamContext

from hubbridge.config import Backend
from hubcore.errors import AuditError, ConfigError, LinkError
from hubcore.evidence.records import Head, StoredRecord, follows
from hubgateway.rules import chain, names
from hubsim.bridge.engine import fill_engine
from hubsim.bridge.gateway import GATEWAY_CONFIG, make_gateway
from hubsim.stage import Stage, StageError, free_port

GATEWAY = "gateway-1"
_LISTENS = "hubgateway: hubs at"
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
LOOK_SECONDS = 0.05


def engine_program() -> str:
    """Return where the NATS server is. Raise ConfigError."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = shutil.which("nats-server") or (str(beside) if beside.exists() else None)
    if found is None:
        raise ConfigError("there is no nats-server here (extra `dev`)")
    return found


class BackendBehind:
    """The engine and the gateway of a stage's site, until the block ends. `make`, then `begin`."""

    def __init__(self, stage: Stage) -> None:
        """Raise ConfigError where there is no NATS server."""
        self._stage = stage
        self._program = engine_program()
        self._folder = stage.path / "engine"
        self._engine_port = free_port()
        self._bridge_port = free_port()
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cut()

    @property
    def for_bridges(self) -> Backend:
        """Where a bridge calls the gateway."""
        return Backend(GATEWAY, "127.0.0.1", self._bridge_port)

    @property
    def server(self) -> str:
        """Where the engine is."""
        return f"nats://127.0.0.1:{self._engine_port}"

    def make(self) -> None:
        """Make what the gateway begins with."""
        make_gateway(
            self._stage.site,
            GATEWAY,
            [self.server],
            hubs=self._stage.endpoint,
            port=self._bridge_port,
        )

    async def begin(self) -> None:
        """Start engine and gateway, and put the site into the engine. Raise StageError."""
        self._folder.mkdir(exist_ok=True)
        config = self._folder / "nats.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self._engine_port}\n"
            f'jetstream {{ store_dir: "{self._folder.absolute()}", sync_interval: always }}\n'
        )
        with (self._stage.path / "engine.log").open("ab") as log:
            engine = await asyncio.create_subprocess_exec(
                self._program, "-c", str(config), stdout=log, stderr=log
            )
        self._processes["the engine"] = engine
        await self._until_it_listens()
        await fill_engine(self._stage.site, [self.server])
        gateway = self._stage.site.path / "gateways" / GATEWAY / GATEWAY_CONFIG
        words = ("-m", "hubgateway", "--config", str(gateway))
        with (self._stage.path / "gateway.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        self._processes["the gateway"] = process
        await self._until_it_says(process)

    async def cut(self) -> None:
        """Kill both."""
        for process in reversed(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._processes.clear()

    def ended(self) -> Iterator[str]:
        """Yield which of both was begun and runs no more."""
        for name, process in self._processes.items():
            if process.returncode is not None:
                yield name

    async def records(self, hub: str) -> list[StoredRecord]:
        """Return a hub's records as they lie in the engine, from the first message on.

        Each follows the one before. Raise StageError for one that does not, LinkError without an
        answer.
        """
        try:
            client = await nats.connect(
                self.server, connect_timeout=int(ANSWER_SECONDS), max_reconnect_attempts=1
            )
            try:
                return await _records(client.jetstream(timeout=ANSWER_SECONDS), hub)
            finally:
                await client.close()
        except AuditError as error:
            raise StageError(f"the engine's records of {hub} do not follow: {error}") from error
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise LinkError(f"the engine does not answer: {error}") from error

    async def _until_it_listens(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", self._engine_port)
                        writer.close()
                        return
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise StageError(f"the engine did not start: {self._stage.tail('engine')}") from None

    async def _until_it_says(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                while line := await process.stdout.readline():
                    if line.decode(errors="replace").startswith(_LISTENS):
                        return
        except TimeoutError:
            pass
        raise StageError(f"the gateway did not start: {self._stage.tail('gateway')}")


async def _records(js: JetStreamContext, hub: str) -> list[StoredRecord]:
    last = (await js.stream_info(names.RECORDS_STREAM)).state.last_seq
    subject = names.subject(names.RECORDS, hub)
    found: list[StoredRecord] = []
    before = Head()
    for place in range(1, last + 1):
        message = await js.get_msg(names.RECORDS_STREAM, seq=place)
        if message.subject != subject:
            continue
        for record in chain.read_batch(message.data or b""):
            follows(before, record)
            before = Head(record.number, record.hash)
            found.append(record)
    return found
