"""The connection to the zwave-js service: it begins, is watched, and ends; every call goes over it.

Laws:
1. Every call ends: the service and its library have no time-outs of their own.
2. What a call says is translated here: a node that is dead, a stick that is gone, a service that
   is gone, of another version or senseless are told apart.
3. What the service sends is bounded in bytes and in items, before it is parsed; one message of a
   connection, the state of the whole network, may be larger. A message beyond that, or one that
   makes no sense, ends the connection. A second answer to one question is dropped.
4. A service that says nothing any more is left.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import aiohttp
from zwave_js_server.client import Client
from zwave_js_server.exceptions import (
    BaseZwaveJSServerError,
    FailedZWaveCommand,
    InvalidServerVersion,
)
from zwave_js_server.model.driver import Driver
from zwave_js_server.model.version import VersionInfo

from hubcore.device.state import DeviceFault
from hubcore.errors import DriverGoneError, HardwareError

CALL_SECONDS = 15.0
"""A node that sleeps with FLiRS wakes within 2 s; a dead one is given up by zwave-js after 3 s."""
CONNECT_SECONDS = 15.0
PROBE_SECONDS = 20.0
PROBE_ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 0.5
MESSAGE_BYTES_MAX = 4 << 20
ITEMS_MAX = 250_000
NETWORK_BYTES_MAX = 12 << 20
NETWORK_ITEMS_MAX = 750_000
"""The worst of three tried messages of that size, 10 MiB with a text of 4 bytes a character, took
118 MiB as text and parsed (750,000 items `{}`: 27 MiB); `hubd.service` has 256 MiB. Bounded in
bytes alone, 32 MiB of `{}` took 813 MiB."""
OLDEST_DRIVER = (15, 23, 1)
"""zwave-js before this swallowed the late refusal of a lock (its changelog, PR 8749)."""
NOT_ACKNOWLEDGED = 204
PORT_CLOSED = 202
WORD_BYTES_MAX = 16
STICK = b"stick"
"""What the service leaves in the file beside its socket while its stick cannot be opened."""

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
_T = TypeVar("_T")


class DeadNodeError(HardwareError):
    """A node does not answer; the others do."""


class StickGoneError(HardwareError):
    """The service has lost its stick."""


class ServiceListener(Protocol):
    """Who is told how the connection stands."""

    def joined(self, driver: Driver) -> None:
        """A connection stands, with all that the service knows of the network."""

    def working(self) -> None:
        """The service has answered."""

    def lost(self, fault: DeviceFault) -> None:
        """No connection stands."""


class Connection:
    """One connection after the other to the service behind `socket`."""

    def __init__(
        self,
        socket: Path,
        listener: ServiceListener,
        call_seconds: float = CALL_SECONDS,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._socket = socket
        self._listener = listener
        self._call_seconds = call_seconds
        self._probe_seconds = probe_seconds
        self._client: Client | None = None
        self.version: VersionInfo | None = None
        """What the service said last of itself, also one that is not taken."""

    @property
    def driver(self) -> Driver:
        """All that the service knows of the network. Raise HardwareError without a connection."""
        if self._client is None or self._client.driver is None:
            raise HardwareError("the Z-Wave service is not there")
        return self._client.driver

    async def visit(self) -> None:
        """Connect, and stay until the connection ends; say why to the listener."""
        fault = DeviceFault.SERVICE_GONE
        try:
            await self._stay()
        except Exception as error:  # also the library's own faults: its words come from outside
            if _is_wrong_version(error):
                fault = DeviceFault.WRONG_VERSION
        finally:
            self._client = None
        if fault is DeviceFault.SERVICE_GONE and self._stick_is_missing():
            fault = DeviceFault.INTERFACE_GONE
        self._listener.lost(fault)

    async def call(
        self, what: str, call: Callable[[], Awaitable[_T]], seconds: float | None = None
    ) -> _T:
        """Do one call; `what` it is about begins the sentence of a failure.

        `seconds`: how long it may take where that is longer than for others.

        Raise DeadNodeError, StickGoneError, HardwareError for another refusal, and DriverGoneError
        when nobody can tell what became of it.
        """
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(seconds or self._call_seconds):
                answer = await call()
        except FailedZWaveCommand as error:
            raise _failure(what, error) from error
        except TimeoutError as error:
            raise DriverGoneError("the Z-Wave service does not answer") from error
        except BaseZwaveJSServerError as error:
            raise DriverGoneError(f"the Z-Wave service: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DriverGoneError("the Z-Wave service answers what makes no sense") from error
        except OSError as error:
            raise DriverGoneError(f"the Z-Wave service: {error}") from error
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling():
                raise
            # the library cancels what waits when its connection ends
            raise DriverGoneError("the Z-Wave service ended in the middle") from error
        self._listener.working()
        return answer

    async def _stay(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        async with aiohttp.ClientSession(
            connector=connector, ws_response_class=BoundedWebSocket
        ) as session:
            bounded = _Bounded(session)
            client = _Client("ws://zwave-js", cast(aiohttp.ClientSession, bounded))
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.connect()
                self.version = client.version
                _check_driver(client)
                await self._converse(client)
            finally:
                await bounded.close()

    async def _converse(self, client: Client) -> None:
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(client.listen(ready))
            joining = tasks.create_task(self._join(client, ready))
            try:
                await listening
            finally:
                joining.cancel()

    async def _join(self, client: Client, ready: asyncio.Event) -> None:
        """Say that the connection stands; then ask for a sign of life now and then."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await ready.wait()
            self._client = client
            self._listener.joined(self.driver)
            while True:
                await asyncio.sleep(self._probe_seconds)
                async with asyncio.timeout(PROBE_ANSWER_SECONDS):
                    await self.driver.async_get_log_config()
                self._listener.working()
        except (TimeoutError, BaseZwaveJSServerError):
            await client.disconnect()

    def _stick_is_missing(self) -> bool:
        """Tell whether the service has left word that its stick cannot be opened."""
        word = self._socket.with_name("fault")
        try:
            descriptor = os.open(word, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return os.read(descriptor, WORD_BYTES_MAX).strip() == STICK
        except OSError:
            return False
        finally:
            os.close(descriptor)


class _Client(Client):
    """The library's client, which takes one answer to a question (law 3)."""

    def _handle_incoming_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] == "result":
            future = self._result_futures.get(msg["messageId"])
            if future is not None and future.done():
                return
        super()._handle_incoming_message(msg)


class MessageBound:
    """Which messages of one connection are parsed (law 3)."""

    def __init__(self) -> None:
        self._network_came = False

    def takes(self, text: str) -> bool:
        """Tell whether a message is bounded; one of the size of a network is, once."""
        items = sum(text.count(mark) for mark in "[{,:")
        if len(text) <= MESSAGE_BYTES_MAX and items <= ITEMS_MAX:
            return True
        if self._network_came:
            return False
        self._network_came = True
        return items <= NETWORK_ITEMS_MAX


class BoundedWebSocket(aiohttp.ClientWebSocketResponse):
    """A websocket that hands on no message beyond the bound."""

    def __init__(self, *args: Any, **named: Any) -> None:
        """See `aiohttp.ClientWebSocketResponse`."""
        super().__init__(*args, **named)
        self._bound = MessageBound()

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:  # noqa: ASYNC109
        """See `aiohttp.ClientWebSocketResponse.receive`. Raise DriverGoneError."""
        message = await super().receive(timeout)
        if message.type is aiohttp.WSMsgType.TEXT and not self._bound.takes(message.data):
            raise DriverGoneError("the Z-Wave service says more than a network has")
        return message


class _Bounded:
    """A session whose websocket takes no message without end, and nothing compressed (law 3).

    The library leaves its websocket open when it gives up, so the session's owner closes it.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._websocket: aiohttp.ClientWebSocketResponse | None = None

    async def ws_connect(self, url: str, **_: object) -> aiohttp.ClientWebSocketResponse:
        """See `aiohttp.ClientSession.ws_connect`; the library asks for no bound."""
        self._websocket = await self._session.ws_connect(
            url,
            heartbeat=PROBE_SECONDS,
            max_msg_size=NETWORK_BYTES_MAX,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )
        return self._websocket

    async def close(self) -> None:
        """Close the websocket; a service that hangs is not waited for."""
        if self._websocket is not None:
            await self._websocket.close()


def _check_driver(client: Client) -> None:
    """Raise InvalidServerVersion for a zwave-js that tells too little of locks."""
    version = client.version
    if version is None:
        raise DriverGoneError("the Z-Wave service does not say what it is")
    found = _VERSION.match(str(version.driver_version))
    numbers = tuple(int(number) for number in found.groups()) if found else (0, 0, 0)
    if numbers < OLDEST_DRIVER:
        raise InvalidServerVersion(version, 0, "zwave-js is too old")


def _is_wrong_version(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_wrong_version(one) for one in error.exceptions)
    return isinstance(error, InvalidServerVersion)


def _failure(what: str, error: FailedZWaveCommand) -> HardwareError:
    if error.zwave_error_code == PORT_CLOSED:
        return StickGoneError("the Z-Wave stick is gone")
    if error.zwave_error_code == NOT_ACKNOWLEDGED:
        return DeadNodeError(f"{what} does not answer")
    return HardwareError(f"{what} did not do it: Z-Wave error {error.zwave_error_code}")
