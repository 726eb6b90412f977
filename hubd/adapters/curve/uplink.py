"""The uplink over CurveZMQ: a DEALER whose server key is pinned.

Laws:
1. Each attempt gets a new socket (`connection`). This module alone waits between attempts: with
   jitter, 0.5 s growing to 60 s, from the start again only after a connection that stayed up
   longer.
2. libzmq never meets the network: `dialer` finds the backend, `wire` carries the bytes and bounds
   them.
3. `send` never waits and never queues for a connection that is down.
4. Every cause of a failure becomes a sentence, by what the backend was seen to send (`reasons`).
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from pathlib import Path
from typing import Any, cast

import zmq
import zmq.asyncio

from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES
from hubcore.errors import ConfigError, LinkError
from hubcore.ports.uplink import UplinkListener
from hubd.adapters.cancelled import end_if_cancelled
from hubd.adapters.curve.connection import Connection
from hubd.adapters.curve.dialer import Dialer
from hubd.adapters.curve.names import Names, Resolve
from hubd.adapters.curve.timings import Backoff, Timings
from hubd.adapters.curve.wire import Wire, WireLimits
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from hubd.threads import Start, start_thread

PORT_MAX = 65_535

_ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


class CurveUplink:
    """`ports.uplink.Uplink` to `endpoint`, tcp://host:port.

    Raise ConfigError for an endpoint that cannot be one.
    """

    def __init__(
        self,
        endpoint: str,
        keys: UplinkKeys,
        timings: Timings | None = None,
        *,
        limits: WireLimits | None = None,
        resolve: Resolve = socket.getaddrinfo,
        start: Start = start_thread,
        sockets: Path | None = None,
    ) -> None:
        """`sockets`: the directory below which the socket for libzmq is made; see `Wire`."""
        host, port = _parse(endpoint)
        self._endpoint = endpoint
        self._keys = keys
        self._timings = timings or Timings()
        self._limits = limits or WireLimits()
        self._sockets = sockets
        names = Names(
            host=host,
            port=port,
            resolve=resolve,
            start=start,
        )
        self._dialer = Dialer(
            names=names,
            endpoint=endpoint,
            resolve_seconds=self._timings.resolve_seconds,
            connect_seconds=self._timings.connect_seconds,
        )
        self._backoff = Backoff(self._timings, random.SystemRandom().random)
        self._up: zmq.asyncio.Socket | None = None
        self.attempts = 0
        """Since the start."""
        self.multipart_dropped = 0
        """Messages of more than one part, which no message of `backend.uplink` is."""
        self.no_memory = 0
        """Messages for which there was no memory."""

    def send(self, message: bytes) -> bool:
        """Hand over one message.

        False when the connection is down or its queue is full: nothing was queued then.
        """
        if self._up is None or len(message) > MAX_MESSAGE_BYTES:
            return False
        # done already, by DONTWAIT
        sent = cast("asyncio.Future[object]", self._up.send(message, zmq.DONTWAIT))
        return sent.exception() is None

    async def serve(self, listener: UplinkListener) -> None:
        """Connect, and connect again, until cancelled.

        No failure of a connection or of libzmq ends it.
        """
        with zmq.asyncio.Context() as context:
            while True:
                why, up_seconds = await self._attempt(context, listener)
                listener.disconnected(why)
                pause_seconds = self._backoff.after(up_seconds)
                await asyncio.sleep(pause_seconds)

    async def _attempt(
        self,
        context: zmq.asyncio.Context,
        listener: UplinkListener,
    ) -> tuple[str, float]:
        """Find the backend and live through one connection.

        Return why it ended and for how many seconds it was up.
        """
        self.attempts += 1
        try:
            backend = await self._dialer.dial()
            async with Wire(backend, self._limits, under=self._sockets) as wire:
                connection = Connection(
                    context=context,
                    wire=wire,
                    keys=self._keys,
                    timings=self._timings,
                )
                try:
                    return await self._live(connection, wire, listener)
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
                    up_seconds = await self._stay_up(
                        group=group,
                        carrying=carrying,
                        connection=connection,
                        wire=wire,
                        listener=listener,
                    )
                    why = connection.why_lost(self._endpoint)
                else:
                    if not wire.local_failure:
                        self._dialer.failed()
                    why = connection.why_not_up(self._endpoint)
                carrying.cancel()
                shaking.cancel()
        except* zmq.ZMQError as errors:
            why = f"libzmq failed: {errors.exceptions[0]}"
        end_if_cancelled()
        return why, up_seconds

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
        self._up = connection.socket
        self._dialer.worked()
        listener.connected()
        reading = group.create_task(self._read(connection.socket, wire, listener))
        losing = group.create_task(connection.lost())
        await _first_of(carrying, reading, losing)
        reading.cancel()
        losing.cancel()
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
