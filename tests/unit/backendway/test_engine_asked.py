"""A gateway asks its engine whether it is there: whatever answers, the asking goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hubcore.errors import LinkError
from hubgateway.engine.engine import Engine
from hubgateway.engine.trouble import JUNK as JUNK_ERRORS

PATIENCE_SECONDS = 20.0
JUNK = (
    b"",
    b"noise",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b"null",
    b'{"error":1}',
    b'{"error":{}}',
    b'{"config":null,"state":null}',
    b'{"config":{"name":5},"state":{"messages":"x"},"created":"z"}',
)
INFO = (
    b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true,"proto":1}\r\n'
)


class JunkServer:
    """It speaks as NATS does, and answers each request with the next junk."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0
        self.left = 0
        self.enough = asyncio.Event()
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield
            await self.ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        inbox = b""
        sid = b""
        while words := (await reader.readline()).split():
            match words:
                case [b"PING"]:
                    writer.write(b"PONG\r\n")
                case [b"SUB", subject, *_, number]:
                    inbox = subject.removesuffix(b"*")
                    sid = number
                case [b"PUB", _, reply, size]:
                    await reader.readexactly(int(size) + 2)
                    if reply.startswith(inbox):
                        self._answer(writer, reply, sid)
        writer.close()
        await writer.wait_closed()
        self.ended.set()

    def _answer(self, writer: asyncio.StreamWriter, reply: bytes, sid: bytes) -> None:
        data = JUNK[self.asked % len(JUNK)]
        self.asked += 1
        self.left -= 1
        if self.left == 0:
            self.enough.set()
        writer.write(b"MSG %s %s %d\r\n%s\r\n" % (reply, sid, len(data), data))


async def test_an_answer_that_is_none_ends_no_gateway() -> None:
    """It ends when it is cancelled, too, also if an answer comes in that moment."""
    server = JunkServer()
    async with asyncio.timeout(PATIENCE_SECONDS), server.running():
        engine = Engine([f"nats://127.0.0.1:{server.port}"], "", 1)
        with suppress(LinkError, *JUNK_ERRORS):  # it is connected, and nothing is made
            await engine.connect()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(engine.watch(0.001))
            server.left = 2 * len(JUNK)
            asked = group.create_task(server.enough.wait())
            await asyncio.wait([watching, asked], return_when=asyncio.FIRST_COMPLETED)
            still_watching = not watching.done()
            watching.cancel()
        await engine.close()
    assert still_watching
