"""What the Z-Wave service may say at most: bytes and items, before anything is parsed."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.zwave_js.connection import (
    ITEMS_MAX,
    MESSAGE_BYTES_MAX,
    NETWORK_ITEMS_MAX,
    BoundedWebSocket,
    MessageBound,
)
from hubcore.errors import DriverGoneError


def items(count: int) -> str:
    return "[" * count


def test_a_message_of_the_size_of_a_network_is_taken_once() -> None:  # connection, law 3
    bound = MessageBound()
    assert bound.takes(items(ITEMS_MAX))
    assert bound.takes(items(NETWORK_ITEMS_MAX))
    assert not bound.takes(items(ITEMS_MAX + 1))
    assert not bound.takes(" " * (MESSAGE_BYTES_MAX + 1))
    assert bound.takes(" " * MESSAGE_BYTES_MAX)


def test_nothing_is_larger_than_a_network() -> None:  # connection, law 3
    assert not MessageBound().takes(items(NETWORK_ITEMS_MAX + 1))


async def test_a_flood_of_items_is_not_handed_on() -> None:  # connection, law 3
    async def serve(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await answer.send_str("{}")
        await answer.send_str("[" + "{}," * NETWORK_ITEMS_MAX + "{}]")
        return answer

    app = web.Application()
    app.router.add_get("/", serve)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(ws_response_class=BoundedWebSocket) as session,
        session.ws_connect(server.make_url("/")) as websocket,
    ):
        assert (await websocket.receive()).json() == {}
        with pytest.raises(DriverGoneError, match="more than a network has"):
            await websocket.receive()
