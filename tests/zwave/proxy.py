"""A websocket between hubd and the Z-Wave service that notes what both say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

import aiohttp
from aiohttp import WSMsgType, web


class Proxy:
    """Joins each connection to `socket` with the service behind `service`, as an async context.

    `said` has every message of both sides.
    """

    def __init__(self, service: Path, socket: Path) -> None:
        self.socket = socket
        self.said: list[str] = []
        self._hubs = set[web.WebSocketResponse]()
        self._service = service
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Proxy:
        app = web.Application()
        app.router.add_get("/", self._join)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def hang_up(self) -> None:
        """End each connection, as when hubd dies."""
        for hub in list(self._hubs):
            await hub.close()

    async def _join(self, request: web.Request) -> web.WebSocketResponse:
        hub = web.WebSocketResponse(max_msg_size=0)
        connector = aiohttp.UnixConnector(path=str(self._service))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect("ws://zwave-js", max_msg_size=0) as service,
        ):
            await hub.prepare(request)
            self._hubs.add(hub)
            ways = {
                asyncio.ensure_future(self._pass_on(hub, service)),
                asyncio.ensure_future(self._pass_on(service, hub)),
            }
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self._hubs.discard(hub)
            await hub.close()
        return hub

    async def _pass_on(
        self,
        here: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        there: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    ) -> None:
        async for message in here:
            if message.type is not WSMsgType.TEXT:
                return
            self.said.append(message.data)
            await there.send_str(message.data)
