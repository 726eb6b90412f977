"""A Z-Wave service without Node, stick or nodes: it speaks zwave-js-server's protocol on a socket.

It can be of a wrong version, lie, chatter, answer late or twice, and send what makes no sense.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

Answer = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], Answer | None]
"""Takes a command; returns its result, None to leave it without an answer."""

S2_ACCESS_CONTROL = 2
SUCCESS = 255
UNSUPERVISED = 254
WORKING = 1
DOOR_LOCK = 98
BATTERY = 128


def lock_values(mode: int) -> list[dict[str, Any]]:
    """The values of a lock."""
    return [
        lock_value("currentMode", mode, writeable=False),
        lock_value("targetMode", mode, writeable=True),
    ]


def lock_value(property_: str, value: object, writeable: bool) -> dict[str, Any]:
    """A value of a lock."""
    return any_value(DOOR_LOCK, property_, value, writeable=writeable)


def battery_value(level: object) -> dict[str, Any]:
    """The battery of a node."""
    return any_value(BATTERY, "level", level)


def any_value(
    class_: int,
    property_: str,
    value: object,
    *,
    key: str | int | None = None,
    writeable: bool = False,
    endpoint: int = 0,
    **metadata: object,
) -> dict[str, Any]:
    """A value as the service tells it."""
    plain = {"type": "any", "readable": True, "writeable": writeable}
    found = {
        "endpoint": endpoint,
        "commandClass": class_,
        "commandClassName": str(class_),
        "property": property_,
        "propertyName": property_,
        "ccVersion": 1,
        "value": value,
        "metadata": plain | metadata,
    }
    if key is not None:
        found |= {"propertyKey": key, "propertyKeyName": str(key)}
    return found


def node(number: int, values: list[dict[str, Any]], security: int = S2_ACCESS_CONTROL) -> Answer:
    """The state of a node, which has the classes of its values."""
    numbers = dict.fromkeys(value["commandClass"] for value in values)
    classes = [{"id": one, "name": str(one), "version": 1, "isSecure": True} for one in numbers]
    return {
        "nodeId": number,
        "index": 0,
        "status": 4,
        "ready": True,
        "isListening": True,
        "isRouting": True,
        "isSecure": True,
        "isControllerNode": number == 1,
        "interviewStage": "Complete",
        "isFrequentListening": False,
        "highestSecurityClass": security,
        "keepAwake": False,
        "lastSeen": "2026-11-28T01:00:00.000Z",
        "endpoints": [{"nodeId": number, "index": 0, "commandClasses": classes}],
        "values": values,
        "statistics": {
            "commandsTX": 0,
            "commandsRX": 0,
            "commandsDroppedTX": 0,
            "commandsDroppedRX": 0,
            "timeoutResponse": 0,
        },
    }


class FakeService:
    """A service with a lock as node 2 and another as node 3, as an async context on `socket`.

    `handlers`: what is done with a command, by its name. `asked` has every command that came.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.version: dict[str, Any] = {
            "type": "version",
            "driverVersion": "15.29.0",
            "serverVersion": "3.10.2",
            "homeId": 1,
            "minSchemaVersion": 0,
            "maxSchemaVersion": 50,
        }
        self.nodes = [node(1, []), node(2, lock_values(255)), node(3, lock_values(255))]
        self.handlers: dict[str, Handler] = {}
        self.asked: list[Mapping[str, Any]] = []
        self.refusing: dict[str, int] = {}
        """Commands that fail, and with which error of zwave-js."""
        self.twice = False
        self.farewells: list[int | None] = []
        """With which code each connection was closed; None: it was cut."""
        self._clients: list[web.WebSocketResponse] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeService:
        app = web.Application()
        app.router.add_get("/", self._serve)
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
        await self.hang_up()
        if self._runner is not None:
            await self._runner.cleanup()

    async def hang_up(self) -> None:
        """End every connection."""
        for client in list(self._clients):
            await client.close()
        self._clients.clear()

    async def say(self, **event: Any) -> None:
        """Tell an event."""
        await self.send(json.dumps({"type": "event", "event": event}))

    async def report(self, number: int, value: dict[str, Any]) -> None:
        """Have a node report a value."""
        args = {key: value[key] for key in value if key not in ("metadata", "value", "ccVersion")}
        args |= {"newValue": value["value"], "prevValue": None}
        await self.say(source="node", event="value updated", nodeId=number, args=args)

    async def send(self, text: str) -> None:
        """Send a text as it is."""
        for client in list(self._clients):
            with suppress(ConnectionError):  # it has gone meanwhile
                await client.send_str(text)

    async def answer(self, command: Mapping[str, Any], result: Answer) -> None:
        """Answer a command, also long after it."""
        message = {
            "type": "result",
            "success": True,
            "messageId": command["messageId"],
            "result": result,
        }
        text = json.dumps(message)
        await self.send(text)
        if self.twice:
            await self.send(text)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse()
        await client.prepare(request)
        self._clients.append(client)
        await client.send_json(self.version)
        async for message in client:
            if message.type is not WSMsgType.TEXT:
                break
            await self._take(json.loads(message.data))
        self.farewells.append(client.close_code)
        if client in self._clients:
            self._clients.remove(client)
        return client

    async def _take(self, command: Mapping[str, Any]) -> None:
        self.asked.append(command)
        if command["command"] in self.refusing:
            await self._refuse(command)
            return
        handler = self.handlers.get(command["command"], self._plain)
        result = handler(command)
        if result is not None:
            await self.answer(command, result)
        await asyncio.sleep(0)

    async def _refuse(self, command: Mapping[str, Any]) -> None:
        message = {
            "type": "result",
            "success": False,
            "messageId": command["messageId"],
            "errorCode": "zwave_error",
            "zwaveErrorCode": self.refusing[command["command"]],
            "zwaveErrorMessage": "",
        }
        await self.send(json.dumps(message))

    def _plain(self, command: Mapping[str, Any]) -> Answer | None:
        match command["command"]:
            case "driver.get_log_config":
                return {"config": {"enabled": True, "level": "warn", "logToFile": False}}
            case "start_listening":
                return {"state": self._state()}
            case "controller.begin_inclusion" | "controller.begin_exclusion":
                return {"success": True}
            case _:
                return {"success": True}

    def _state(self) -> Answer:
        return {
            "driver": {"logConfig": {"enabled": True, "level": "warn"}, "statisticsEnabled": False},
            "controller": {
                "homeId": 1,
                "ownNodeId": 1,
                "statistics": {
                    "messagesTX": 0,
                    "messagesRX": 0,
                    "messagesDroppedRX": 0,
                    "NAK": 0,
                    "CAN": 0,
                    "timeoutACK": 0,
                    "timeoutResponse": 0,
                    "timeoutCallback": 0,
                    "messagesDroppedTX": 0,
                },
                "inclusionState": 0,
                "rebuildRoutesProgress": {},
            },
            "nodes": self.nodes,
        }
