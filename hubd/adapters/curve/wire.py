"""The wire between libzmq and the backend: it finds the backend, carries the bytes, and bounds what
libzmq must keep.

libzmq keeps all parts of a message in memory until the last part has come, and counts messages, not
parts, against its limits; no option bounds that. So libzmq is joined to this process alone, by a
unix socket, and here the bytes go on to the backend. What they say stays sealed: the keys are
libzmq's. Sizes can be seen, though, and every frame that came and was not handed over as a message
is in libzmq's memory.

Laws:
1. libzmq gets no name and no address of the network. Resolving and connecting is done here and can
   be given up at any time.
2. Every address of the backend is tried, in the resolver's order, each for its own time. One whose
   handshake failed comes last the next time.
3. What came and is not handed over is bounded, in bytes and in frames. Above either, nothing more
   is read from the backend; when that does not change in time, the connection ends.
4. Bytes and frames come at a pace; a backend that sends faster waits. After FRAMES_A_TURN frames
   the doors have their turn, however few bytes those were.
5. Nobody but this process can take libzmq's place at the unix socket, and no other user can reach
   it: it is a file in a directory of mode 0700, both gone as soon as libzmq has joined, or with the
   wire.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hubcore.backend.uplink import MAX_MESSAGE_BYTES
from hubcore.errors import LinkError
from hubd.adapters.curve.names import Address, Names
from hubd.adapters.curve.zmtp import SEALED_BYTES, Listener
from hubd.adapters.host.peer import peer_of

CHUNK_BYTES = 65_536
CLOSED = "closed the connection"
JOIN_SECONDS = 5.0
"""How long libzmq may take to come to the unix socket; it is this machine alone."""
FOLDER_PREFIX = "hubd-uplink-"


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What one connection may cost, in bytes, frames and seconds."""

    frame_bytes: int = MAX_MESSAGE_BYTES + SEALED_BYTES
    unread_bytes: int = MAX_MESSAGE_BYTES + SEALED_BYTES
    """Beside it libzmq holds one frame that is still coming."""
    unread_frames: int = 4096
    stuck_seconds: float = 5.0
    bytes_a_second: float = 1_048_576.0
    bytes_at_once: float = 2.0 * (MAX_MESSAGE_BYTES + SEALED_BYTES)
    frames_a_second: float = 500.0
    frames_at_once: float = 2000.0


class Allowance:
    """So much a second, so much saved up; what is taken beyond it is waited for."""

    def __init__(self, rate: float, saved_max: float, now: float) -> None:
        self._rate = rate
        self._saved_max = saved_max
        self._saved = saved_max
        self._since = now

    def take(self, amount: float, now: float) -> float:
        """Take an amount that has come already; return the seconds until it is paid for."""
        earned = (now - self._since) * self._rate
        self._saved = min(self._saved_max, self._saved + earned) - amount
        self._since = now
        return max(0.0, -self._saved / self._rate)


class Dialer:
    """Finds the backend, each time anew: names may move."""

    def __init__(
        self, names: Names, endpoint: str, resolve_seconds: float, connect_seconds: float
    ) -> None:
        self._names = names
        self._endpoint = endpoint
        self._resolve_seconds = resolve_seconds
        self._connect_seconds = connect_seconds
        self._last: Address | None = None
        self._wrong: list[Address] = []
        """Addresses that took a connection and failed the handshake, the latest last."""

    async def dial(self) -> socket.socket:
        """Return a connected socket. Raise LinkError, a sentence that names each address tried."""
        tried: list[str] = []
        for address in self._in_order(await self._names.addresses(self._resolve_seconds)):
            try:
                connection = await self._connect(address)
            except OSError as error:
                tried.append(f"{address}: {_why(error, self._connect_seconds)}")
            else:
                self._last = address
                return connection
        raise LinkError(
            f"{self._endpoint} not reachable: {'; '.join(tried)}. "
            "Does the backend run, and does the network lead there?"
        )

    def failed(self) -> None:
        """What answered at the last address is not the backend, or not for this hub."""
        if self._last is not None:
            self._wrong = [address for address in self._wrong if address != self._last] + [
                self._last
            ]

    def worked(self) -> None:
        """The last address is the backend's."""
        self._wrong = [address for address in self._wrong if address != self._last]

    def _in_order(self, addresses: tuple[Address, ...]) -> list[Address]:
        self._wrong = [address for address in self._wrong if address in addresses]
        return [address for address in addresses if address not in self._wrong] + self._wrong

    async def _connect(self, address: Address) -> socket.socket:
        connection = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._connect_seconds):
                await asyncio.get_running_loop().sock_connect(connection, address.sockaddr)
        except BaseException:
            connection.close()
            raise
        return connection


def _why(error: OSError, seconds: float) -> str:
    match error:
        case ConnectionRefusedError():
            return "nothing accepts connections there"
        case TimeoutError():
            return f"no answer within {seconds:g} s"
        case _:
            return (error.strerror or str(error)).lower()


class Wire:
    """One connection, from libzmq's socket to the backend's. `address` is for libzmq's `connect`.

    An async context manager, entered with the backend's socket, which it owns; `carry` runs until
    the connection ends.
    """

    def __init__(
        self,
        backend: socket.socket,
        limits: WireLimits,
        *,
        under: Path | None = None,
        join_seconds: float = JOIN_SECONDS,
    ) -> None:
        """Make the socket's directory below `under`, else where the system keeps such.

        Raise LinkError.
        """
        self._backend = backend
        self._limits = limits
        self._join_seconds = join_seconds
        under = under or folder_of_sockets()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._folder: Path | None = None
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=under))
            self.address = f"ipc://{self._folder / 'wire'}"
            self._listening.bind(str(self._folder / "wire"))
            self._listening.listen(1)
            self._listening.setblocking(False)
        except OSError as error:
            self._close()
            why = error.strerror or str(error)
            raise LinkError(
                f"this machine gives no socket for the uplink below {under} ({why}); see: df "
                f"-h {under}; ls -ld {under}"
            ) from error
        except BaseException:
            self._close()
            raise
        self.listener = Listener(limits.frame_bytes)
        self.ended: str | None = None
        """What the backend did to end the connection, a sentence without its subject; "" when
        libzmq ended it.
        """
        self._joined = False
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    @property
    def here(self) -> str:
        """What failed on this machine, a sentence, "" when nothing did: no fault of the backend."""
        if self._joined:
            return ""
        return (
            f"this machine did not join the uplink's two ends within {self._join_seconds:g} "
            "s: it is overloaded, "
            "or its directory of sockets is disturbed; see: uptime; systemctl status hubd"
        )

    def _close(self) -> None:
        self._close_joint()
        self._backend.close()

    def _close_joint(self) -> None:
        """Close and remove the socket that libzmq comes to."""
        self._listening.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def handed_over(self, part_bytes: int) -> None:
        """libzmq gave a part of a message of so many bytes."""
        self.listener.handed_over(part_bytes)
        self._room.set()

    async def carry(self) -> None:
        """Carry bytes both ways until one side ends; `ended` then says what the backend did."""
        try:
            local = await self._join()
        except TimeoutError:
            self.ended = ""
            return
        self._joined = True
        near, to_near = await asyncio.open_connection(sock=local, limit=CHUNK_BYTES)
        try:
            far, to_far = await asyncio.open_connection(sock=self._backend, limit=CHUNK_BYTES)
            try:
                self.ended = await _first(
                    lambda: self._down(far, to_near), lambda: self._up(near, to_far)
                )
            finally:
                to_far.transport.abort()
        finally:
            to_near.close()  # what the backend said last still reaches libzmq

    async def _join(self) -> socket.socket:
        """Take libzmq's connection, and nobody else's."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._join_seconds):
            while True:
                local, _ = await loop.sock_accept(self._listening)
                if peer_of(local).pid == os.getpid():
                    self._close_joint()
                    return local
                local.close()

    async def _down(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> str:
        """From the backend to libzmq."""
        clock = asyncio.get_running_loop().time
        limits = self._limits
        listener = self.listener
        size = Allowance(limits.bytes_a_second, limits.bytes_at_once, clock())
        number = Allowance(limits.frames_a_second, limits.frames_at_once, clock())
        while data := await far.read(CHUNK_BYTES):
            at = 0
            while at < len(data):
                before = listener.frames
                begin = at
                at = listener.take(data, begin)
                near.write(data[begin:at])
                await near.drain()
                await self._wait_for_room()
                wait_seconds = max(
                    size.take(at - begin, clock()), number.take(listener.frames - before, clock())
                )
                await asyncio.sleep(wait_seconds)  # 0 gives the turn away
        return CLOSED

    async def _wait_for_room(self) -> None:
        """Return once libzmq has handed over enough. Raise LinkError when it does not."""
        limits = self._limits
        listener = self.listener

        def full() -> bool:
            return (
                listener.unread_bytes > limits.unread_bytes
                or listener.unread_frames > limits.unread_frames
            )

        try:
            async with asyncio.timeout(limits.stuck_seconds):
                while full():
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise LinkError(
                f"sent {listener.unread_bytes} bytes in {listener.unread_frames} frames that "
                "are no message of the link"
            ) from None

    async def _up(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> str:
        """From libzmq to the backend. libzmq ends it after a failed handshake and when heartbeats
        are missing.
        """
        while data := await near.read(CHUNK_BYTES):
            self.listener.said(len(data))
            far.write(data)
            await far.drain()
        return ""


def folder_of_sockets(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the service's runtime directory (systemd.exec(5), RUNTIME_DIRECTORY), else the
    temporary one.
    """
    first = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first or tempfile.gettempdir())


async def _first(*works: Callable[[], Awaitable[str]]) -> str:
    """Run all until the first ends; return its sentence."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(work: Callable[[], Awaitable[str]]) -> None:
        try:
            why = await work()
        except LinkError as error:
            why = str(error)
        except OSError as error:
            why = f"broke the connection ({(error.strerror or str(error)).lower()})"
        if not ended.done():
            ended.set_result(why)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(work)) for work in works]
        why = await ended
        for task in tasks:
            task.cancel()
    return why
