"""The steps to a backend: its name, each of its addresses, CurveZMQ, and the clock of this machine.

Laws:
1. No step uses a key of this hub. A second connection with it would look like a second hub.
2. No Hello is sent. Nothing of what the backend knows of this hub changes.
3. Each step has a time limit. After a failed step, those that need it are left out.
4. A backend's key is proven only by its own WELCOME. A refusal proves nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

import zmq
import zmq.asyncio

from hubcore.errors import LinkError
from hubcore.ports.clock import KernelTime
from hubd.adapters.curve.connection import Connection
from hubd.adapters.curve.dialer import Dialer
from hubd.adapters.curve.names import Address, Names, Resolve
from hubd.adapters.curve.reasons import handshake_failure
from hubd.adapters.curve.timings import Timings
from hubd.adapters.curve.wire import CLOSED, Wire, WireLimits
from hubd.adapters.curve.zmtp import GREETING_BYTES, HandshakeProgress, InboundFrames
from hubd.adapters.keys.uplinkkeys import make_pair
from hubd.netcheck import causes
from hubd.netcheck.causes import OF_BRIDGE, REMEDIES, Cause

RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CURVE_SECONDS = 5.0

_GREETING = (
    b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\0" + bytes(31)
)
"""RFC 23: of a client, version 3.0."""


class State(StrEnum):
    """How a step went, in the words of `hubctl doctor`."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `milliseconds`: how long it took, None where that says nothing.

    `cause`: why it did not go well, None when it did. `family`: of an address, `ipv4` or `ipv6`.
    `bridge`: the name of the bridge that it leads to, None on the way to the backend.
    """

    id: str
    state: State
    what: str
    cause: Cause | None = None
    milliseconds: float | None = None
    family: str | None = None
    bridge: str | None = None

    @property
    def remedy(self) -> str | None:
        """What to do."""
        if self.cause is None:
            return None
        if self.bridge is not None and self.cause in OF_BRIDGE:
            return OF_BRIDGE[self.cause]
        return REMEDIES[self.cause]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the backend is. `key`: its public key, None where this machine does not have it."""

    host: str
    port: int
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Offset:
    """The backend's time less this hub's in seconds; `within`: the bound of its error."""

    seconds: float
    within: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take."""

    resolve_seconds: float = RESOLVE_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    curve_seconds: float = CURVE_SECONDS


@dataclass(slots=True)
class Found:
    """What all steps found. `proven`: None where the key was not asked for."""

    steps: list[Step] = field(default_factory=list)
    proven: bool | None = None


async def walk(target: Target, limits: Limits, resolve: Resolve = socket.getaddrinfo) -> Found:
    """Take each step to the backend, as far as it goes."""
    found = Found()
    names = Names(target.host, target.port, resolve)
    began = time.monotonic()
    try:
        addresses = await names.addresses(limits.resolve_seconds)
    except LinkError as error:
        cause = causes.of_name(error.__cause__)
        found.steps.append(Step("name", State.FAILED, str(error), cause))
        return found
    shown = ", ".join(map(str, addresses))
    found.steps.append(Step("name", State.OK, shown, milliseconds=since(began)))
    reached: Address | None = None
    for address in addresses:
        step = await _connect(address, target.port, limits)
        found.steps.append(step)
        if step.state is State.OK and reached is None:
            reached = address
    if reached is None:
        return found
    if target.key is None:
        found.steps.append(await _greet(reached, target, limits))
    else:
        step = await _shake_hands(reached, target, target.key, limits)
        found.proven = step.state is State.OK
        found.steps.append(step)
    return found


async def _connect(address: Address, port: int, limits: Limits) -> Step:
    """Connect and leave: the time is one round trip."""
    began = time.monotonic()
    family = "ipv6" if address.family == socket.AF_INET6 else "ipv4"
    try:
        connection = await _dial(address, port, limits)
    except LinkError as error:
        cause = causes.of_connect(error.__cause__)
        return Step("connect", State.FAILED, str(error), cause, family=family)
    took = since(began)
    connection.close()
    return Step("connect", State.OK, f"{address} port {port}", milliseconds=took, family=family)


async def _dial(address: Address, port: int, limits: Limits) -> socket.socket:
    """Return a socket connected to one address. Raise LinkError."""
    names = Names(str(address), port)
    dialer = Dialer(names, str(address), limits.resolve_seconds, limits.connect_seconds)
    return await dialer.dial()


async def _greet(address: Address, target: Target, limits: Limits) -> Step:
    """Exchange greetings: whether CurveZMQ is spoken there. It proves no key."""
    seen = InboundFrames(GREETING_BYTES)
    has_closed = False
    began = time.monotonic()
    try:
        connection = await _dial(address, target.port, limits)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.curve_seconds):
                    has_closed = await _read_greeting(reader, writer, seen)
        finally:
            writer.transport.abort()
    except LinkError as error:
        return Step("curve", State.FAILED, f"what answers {error}", Cause.NOT_CURVE)
    except OSError as error:
        return Step("curve", State.FAILED, error.strerror or str(error), Cause.BROKEN)
    if seen.progress is HandshakeProgress.GREETING:
        what = "CurveZMQ is spoken there; whose key it is was not asked, for none is known here"
        return Step("curve", State.OK, what, milliseconds=since(began))
    cause = causes.of_handshake(seen.progress, has_closed)
    return Step("curve", State.FAILED, handshake_failure(seen.progress, "", has_closed), cause)


async def _read_greeting(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: InboundFrames
) -> bool:
    """Read one greeting; tell whether the other side closed before it was whole."""
    writer.write(_GREETING)
    missing = GREETING_BYTES
    while missing:
        data = await reader.read(missing)
        if not data:
            return True
        missing -= len(data)
        seen.take(data)
    return False


async def _shake_hands(address: Address, target: Target, key: bytes, limits: Limits) -> Step:
    """Shake hands with a key made for this alone: whether the backend has the key that is known."""
    timings = Timings(handshake_seconds=limits.curve_seconds)
    began = time.monotonic()
    try:
        backend = await _dial(address, target.port, limits)
        with zmq.asyncio.Context() as context:
            async with Wire(backend, WireLimits()) as wire:
                connection = Connection(context, wire, make_pair(), key, timings)
                async with asyncio.TaskGroup() as group:
                    carrying = group.create_task(_carry(wire))
                    try:
                        is_up = await connection.shake_hands()
                        why = connection.why_not_up(f"{target.host}:{target.port}")
                    finally:
                        carrying.cancel()
                        connection.close()
                progress = wire.inbound.progress
                ended = wire.ended
    except (LinkError, zmq.ZMQError, OSError) as error:
        is_other = isinstance(error, LinkError)
        cause = Cause.NOT_CURVE if is_other else Cause.BROKEN
        return Step("curve", State.FAILED, str(error), cause)
    if is_up or progress in (HandshakeProgress.WELCOME, HandshakeProgress.READY):
        what = "the backend proved its key; whether it knows this hub's key was not asked"
        return Step("curve", State.OK, what, milliseconds=since(began) if is_up else None)
    if progress is HandshakeProgress.REFUSED:
        what = "a refusal came, which proves nothing: the backend's key was not seen"
        return Step("curve", State.UNKNOWN, what, Cause.KEY_REFUSED)
    cause = causes.of_handshake(progress, bool(ended))
    if ended and ended != CLOSED:
        cause = Cause.NOT_CURVE
    return Step("curve", State.FAILED, why, cause)


async def _carry(wire: Wire) -> None:
    """Carry until one side ends; a broken connection is an end, too."""
    with suppress(OSError):
        await wire.carry()


def clock_step(offset: Offset | None) -> Step:
    """Tell how far the backend's clock is from this one, where a running hub knows it."""
    if offset is None:
        what = "not measured: the backend tells its time to an enrolled hub alone, in its greeting"
        return Step("clock", State.UNKNOWN, what, Cause.NOT_MEASURED)
    within = "" if offset.within is None else f", within {offset.within:.3f} s"
    what = (
        f"the backend's time less this hub's: {offset.seconds:+.3f} s{within}, by the running hub"
    )
    return Step("clock", State.OK, what)


def ntp_step(look: Callable[[], KernelTime | None]) -> Step:
    """Tell whether a time service keeps this machine's clock."""
    kernel = look()
    if kernel is None:
        what = "the kernel does not say who keeps the clock"
        return Step("ntp", State.UNKNOWN, what, Cause.NOT_MEASURED)
    if not kernel.synchronised:
        what = "no time service keeps this clock"
        return Step("ntp", State.WARNING, what, Cause.UNSYNCHRONISED)
    what = (
        f"kept; off by some {kernel.error_seconds:.4f} s by its own estimate, "
        f"wrong by at most {kernel.error_seconds_max:.3f} s"
    )
    return Step("ntp", State.OK, what)


def since(began: float) -> float:
    """Return for how many milliseconds a step has taken so far."""
    return round(1000 * (time.monotonic() - began), 1)
