"""The uplink over CurveZMQ: a DEALER whose server keys are pinned.

Laws:
1. Each attempt gets a new socket (`connection`), and asks for the names again (`dialer`). This
   module alone waits between attempts: with jitter, 0.5 s growing to 60 s, from the start again
   only after a connection that stayed up longer.
2. libzmq never meets the network: `dialer` finds the backend, `wire` carries the bytes and bounds
   them.
3. `send` never waits and never queues for a connection that is down.
4. Every cause of a failure becomes a sentence, by what the backend was seen to send (`reasons`).
   It names the endpoint, and the key in use where there are several.
5. `tries` says which endpoint is next, and with which of the pinned keys. The hub's own pair is
   asked for at each attempt.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES
from hubcore.errors import ConfigError, LinkError
from hubcore.ports.uplink import UplinkListener, UplinkPlace
from hubd.adapters.cancelled import end_if_cancelled
from hubd.adapters.curve.connection import Connection
from hubd.adapters.curve.dialer import Dialer
from hubd.adapters.curve.names import Names, Resolve
from hubd.adapters.curve.sending import Sending
from hubd.adapters.curve.timings import Backoff, Timings
from hubd.adapters.curve.tries import Failed, Tries, Try
from hubd.adapters.curve.wire import Wire, WireLimits
from hubd.adapters.keys.uplinkkeys import OwnPair, UplinkKeys
from hubd.threads import Start, start_thread

PORT_MAX = 65_535

_ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


@dataclass(slots=True)
class _Leave:
    """The wish to give up the connection that is up."""

    why: str
    again: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one attempt goes by."""

    endpoint: str
    dialer: Dialer
    own: OwnPair
    server_key: bytes


class CurveUplink:
    """`ports.uplink.Uplink` to one endpoint, tcp://host:port, or to several, in their order.

    Raise ConfigError for an endpoint that cannot be one.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str],
        keys: UplinkKeys,
        timings: Timings | None = None,
        *,
        own: Callable[[], OwnPair] | None = None,
        limits: WireLimits | None = None,
        resolve: Resolve = socket.getaddrinfo,
        start: Start = start_thread,
        sockets: Path | None = None,
    ) -> None:
        """`own` returns the hub's pair for one attempt; without it: the configured one.

        `sockets`: the directory below which the socket for libzmq is made; see `Wire`.
        """
        self._endpoints = (endpoints,) if isinstance(endpoints, str) else tuple(endpoints)
        self._server_keys = keys.backends
        self._own = own or (lambda: keys.own)
        self._timings = timings or Timings()
        self._limits = limits or WireLimits()
        self._sockets = sockets
        self._dialers = [self._dialer(endpoint, resolve, start) for endpoint in self._endpoints]
        self._tries = Tries(len(self._endpoints), len(self._server_keys))
        self._backoff = Backoff(self._timings, random.SystemRandom().random)
        self._up: Sending | None = None
        self._leave: _Leave | None = None
        self._leaving = asyncio.Event()
        self._failures: dict[str, str] = {}
        self._place = UplinkPlace(self._endpoints[0])
        self.attempts = 0
        """Since the start."""
        self.multipart_dropped = 0
        """Messages of more than one part, which no message of `backend.uplink` is."""
        self.no_memory = 0
        """Messages for which there was no memory."""

    def _dialer(self, endpoint: str, resolve: Resolve, start: Start) -> Dialer:
        host, port = _parse(endpoint)
        names = Names(
            host=host,
            port=port,
            resolve=resolve,
            start=start,
        )
        return Dialer(
            names=names,
            endpoint=endpoint,
            resolve_seconds=self._timings.resolve_seconds,
            connect_seconds=self._timings.connect_seconds,
        )

    def place(self) -> UplinkPlace:
        """See `ports.uplink.Uplink.place`."""
        return replace(self._place, failures=dict(self._failures))

    def leave(self, why: str, *, again: bool = False) -> None:
        """See `ports.uplink.Uplink.leave`."""
        if self._up is not None:
            self._leave = _Leave(why, again)
            self._leaving.set()

    def send(self, message: bytes) -> bool:
        """Hand over one message.

        False when the connection is down or its queue is full: nothing was queued then.
        """
        if self._up is None or len(message) > MAX_MESSAGE_BYTES:
            return False
        return self._up.now(message)

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled.

        No failure of a connection or of libzmq ends it.
        """
        with zmq.asyncio.Context() as context:
            while True:
                attempt = self._next_attempt()
                why, up_seconds = await self._attempt(context, attempt, listener)
                self._note_end(attempt, why, up_seconds)
                listener.disconnected(why)
                pause_seconds = self._backoff.after(up_seconds, self._tries.begins_round)
                await asyncio.sleep(pause_seconds)

    def _next_attempt(self) -> _Attempt:
        self.attempts += 1
        self._leave = None
        self._leaving.clear()
        this: Try = self._tries.next()
        attempt = _Attempt(
            endpoint=self._endpoints[this.endpoint],
            dialer=self._dialers[this.endpoint],
            own=self._own(),
            server_key=self._server_keys[this.key],
        )
        self._place = UplinkPlace(
            endpoint=attempt.endpoint,
            server_key=this.key + 1,
            server=attempt.server_key,
            own_key=attempt.own.public,
        )
        return attempt

    def _note_end(self, attempt: _Attempt, why: str, up_seconds: float) -> None:
        """Let `tries` know how an attempt ended; remember its cause."""
        self._failures[attempt.endpoint] = why
        if self._leave is None:
            if up_seconds > self._timings.settled_seconds:
                self._tries.stayed_up()
        elif self._leave.again:
            self._tries.again()
            del self._failures[attempt.endpoint]
        else:
            self._tries.failed(Failed.FOR_EVERY_KEY)

    async def _attempt(
        self,
        context: zmq.asyncio.Context,
        attempt: _Attempt,
        listener: UplinkListener,
    ) -> tuple[str, float]:
        """Find the backend and live through one connection.

        Return why it ended and for how many seconds it was up.
        """
        try:
            backend = await attempt.dialer.dial()
        except LinkError as error:
            self._tries.failed(Failed.FOR_EVERY_KEY)
            return str(error), 0.0
        try:
            async with Wire(backend, self._limits, under=self._sockets) as wire:
                connection = Connection(
                    context=context,
                    wire=wire,
                    own=attempt.own,
                    server_key=attempt.server_key,
                    timings=self._timings,
                )
                try:
                    return await self._live(connection, wire, attempt, listener)
                finally:
                    self._up = None
                    connection.close()
        except LinkError as error:
            return str(error), 0.0
        except (zmq.ZMQError, OSError) as error:
            why = (
                f"this machine gives no more sockets: {error}; raise LimitNOFILE or look for a leak"
            )
            return why, 0.0

    async def _live(
        self,
        connection: Connection,
        wire: Wire,
        attempt: _Attempt,
        listener: UplinkListener,
    ) -> tuple[str, float]:
        """Shake hands and pass messages on while the connection is up. Return as `_attempt`."""
        why = ""
        up_seconds = 0.0
        try:
            async with asyncio.TaskGroup() as group:
                carrying = group.create_task(wire.carry())
                shaking = group.create_task(connection.shake_hands())
                await _first_of(carrying, shaking)
                if shaking.done() and shaking.result():
                    attempt.dialer.worked()
                    up_seconds = await self._stay_up(
                        group=group,
                        carrying=carrying,
                        connection=connection,
                        wire=wire,
                        listener=listener,
                    )
                    why = self._leave.why if self._leave else connection.why_lost(attempt.endpoint)
                else:
                    why = self._why_not_up(connection, wire, attempt)
                carrying.cancel()
                shaking.cancel()
        except* zmq.ZMQError as errors:
            why = f"libzmq failed: {errors.exceptions[0]}"
        end_if_cancelled()
        return why, up_seconds

    def _why_not_up(self, connection: Connection, wire: Wire, attempt: _Attempt) -> str:
        """Say why a handshake failed, and what that means for the next attempt."""
        why = connection.why_not_up(attempt.endpoint)
        if wire.local_failure:
            return why
        attempt.dialer.failed()
        if connection.same_for_every_key:
            self._tries.failed(Failed.FOR_EVERY_KEY)
        keys = len(self._server_keys)
        if keys == 1:
            return why
        return f"{why} (tried with key {self._place.server_key} of the {keys} that are configured)"

    async def _stay_up(
        self,
        group: asyncio.TaskGroup,
        carrying: asyncio.Task[None],
        connection: Connection,
        wire: Wire,
        listener: UplinkListener,
    ) -> float:
        """Pass messages on until the connection is lost; return for how many seconds it was up."""
        now = asyncio.get_running_loop().time
        began = now()
        self._up = connection.sending
        self._tries.came_up()
        self._failures.pop(self._place.endpoint, None)
        listener.connected()
        reading = group.create_task(self._read(connection.socket, wire, listener))
        losing = group.create_task(connection.lost())
        leaving = group.create_task(self._leaving.wait())
        await _first_of(carrying, reading, losing, leaving)
        if losing.done():
            wire.lost()
        reading.cancel()
        losing.cancel()
        leaving.cancel()
        return now() - began

    async def _read(self, dealer: zmq.asyncio.Socket, wire: Wire, listener: UplinkListener) -> None:
        while True:
            try:
                parts = await dealer.recv_multipart()
            except MemoryError:
                self.no_memory += 1  # libzmq has let go of the message; the next may be smaller
                continue
            for part in parts:
                wire.handed_over(len(part))
            if len(parts) == 1:
                listener.received(parts[0])
            else:
                self.multipart_dropped += 1
            del parts  # or the last message stays until the next one comes
            # a recv that is ready does not yield; a flood must not starve the doors
            await asyncio.sleep(0)


def _parse(endpoint: str) -> tuple[str, int]:
    """Return host and port of tcp://host:port. Raise ConfigError."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is not None:
        host = match[1].strip("[]")
        port = int(match[2])
        if 1 <= port <= PORT_MAX:
            return host, port
    raise ConfigError(f"uplink: endpoint {endpoint!r} is not of the form tcp://host:port")


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
