"""The wire between libzmq and the backend: it carries the bytes and bounds what libzmq must keep.

libzmq keeps all parts of a message in memory until the last part has come. It counts messages, not
parts, against its limits, and no option bounds that. So libzmq is joined to this process alone, by
a unix socket, and here the bytes go on to the backend. What they say stays sealed: the keys are
libzmq's. Sizes can be seen, though: every frame that came and was not handed over as a message is
in libzmq's memory.

Laws:
1. libzmq gets no name and no address of the network. Resolving and connecting is done in `dialer`
   and can be given up at any time.
2. What came and is not handed over is bounded, in bytes and in frames. Above either, nothing more
   is read from the backend. When that does not change in time, the connection ends.
3. Bytes and frames come at a pace; a backend that sends faster waits. After FRAMES_A_TURN frames
   the doors have their turn, however few bytes those were.
4. Nobody but this process can take libzmq's place at the unix socket, and no other user can reach
   it. It is a file in a directory of mode 0700; both are gone as soon as libzmq has joined, or with
   the wire.
5. Of a connection that is lost, nothing arrives any more: the kernel forgets what it could not
   send, and says so to the backend, so that it does not go on for minutes with what nobody waits
   for. It is lost, too, when libzmq says so before its end here is seen. A hub that leaves by
   itself sends the rest.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from hubcore.backend.uplink.words import MAX_MESSAGE_BYTES, SEALED_BYTES
from hubcore.errors import LinkError
from hubcore.timing.credit import Credit
from hubcore.timing.pace import Rate
from hubd.adapters.curve.zmtp import InboundFrames
from hublocal.accepting import accept
from hublocal.peer import peer_of

CHUNK_BYTES = 65_536
CLOSED = "closed the connection"
JOIN_SECONDS = 5.0
"""How long libzmq may take to come to the unix socket; it is this machine alone."""
FOLDER_PREFIX = "hubd-uplink-"

Work = Callable[[], Awaitable[str]]
"""Carries bytes one way; returns what the backend did to end it, "" when libzmq ended it."""


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
        """Make the socket's directory below `under`, else in `folder_of_sockets`.

        Raise LinkError.
        """
        self.ended: str | None = None
        """What the backend did to end the connection, a sentence without its subject.

        "" when libzmq ended it, None while it lasts.
        """
        self._backend = backend
        _forget_unsent(backend, True)
        self._limits = limits
        self._join_seconds = join_seconds
        under = under or folder_of_sockets()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._folder: Path | None = None
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=under))
            path = self._folder / "wire"
            self.address = f"ipc://{path}"
            _listen(self._listening, path)
        except OSError as error:
            self._close()
            why = error.strerror or str(error)
            raise LinkError(
                f"this machine gives no socket for the uplink below {under} ({why}); "
                f"see: df -h {under}; ls -ld {under}"
            ) from error
        except BaseException:
            self._close()
            raise
        self.inbound = InboundFrames(limits.frame_bytes)
        self._joined = False
        self._lost = False
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    @property
    def local_failure(self) -> str:
        """What failed on this machine, a sentence; "" when nothing did.

        It is no fault of the backend.
        """
        if self._joined:
            return ""
        return (
            f"this machine did not join the uplink's two ends within {self._join_seconds:g} s: "
            "it is overloaded, or its directory of sockets is disturbed; "
            "see: uptime; systemctl status hubd"
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
        self.inbound.handed_over(part_bytes)
        self._room.set()

    def lost(self) -> None:
        """libzmq has lost the connection: however `carry` ends now, the hub does not leave."""
        self._lost = True

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
                self.ended = await _first_end(
                    partial(self._carry_inbound, far, to_near),
                    partial(self._carry_outbound, near, to_far),
                )
            finally:
                if self.ended is None and not self._lost:
                    _forget_unsent(self._backend, False)
                to_far.transport.abort()
        finally:
            to_near.close()  # what the backend said last still reaches libzmq

    async def _join(self) -> socket.socket:
        """Take libzmq's connection, and nobody else's."""
        async with asyncio.timeout(self._join_seconds):
            while True:
                local = await accept(self._listening)
                if peer_of(local).pid == os.getpid():
                    self._close_joint()
                    return local
                local.close()

    async def _carry_inbound(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> str:
        """Carry from the backend to libzmq; return what the backend did to end it."""
        clock = asyncio.get_running_loop().time
        limits = self._limits
        inbound = self.inbound
        bytes_pace = Credit(Rate(limits.bytes_at_once, limits.bytes_a_second))
        frames_pace = Credit(Rate(limits.frames_at_once, limits.frames_a_second))
        while data := await far.read(CHUNK_BYTES):
            end = 0
            while end < len(data):
                begin = end
                frames_before = inbound.frames
                end = inbound.take(data, begin)
                near.write(data[begin:end])
                await near.drain()
                await self._wait_for_room()
                now = clock()
                bytes_seconds = bytes_pace.take(now, end - begin)
                frames_seconds = frames_pace.take(now, inbound.frames - frames_before)
                await asyncio.sleep(max(bytes_seconds, frames_seconds))  # 0 gives the turn away
        return CLOSED

    async def _wait_for_room(self) -> None:
        """Return once libzmq has handed over enough. Raise LinkError when it does not."""
        inbound = self.inbound
        try:
            async with asyncio.timeout(self._limits.stuck_seconds):
                while self._is_full():
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise LinkError(
                f"sent {inbound.unread_bytes} bytes in {inbound.unread_frames} frames without "
                "completing a message"
            ) from None

    def _is_full(self) -> bool:
        if self.inbound.unread_bytes > self._limits.unread_bytes:
            return True
        return self.inbound.unread_frames > self._limits.unread_frames

    async def _carry_outbound(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> str:
        """Carry from libzmq to the backend; return "" when libzmq ends it.

        It does so after a failed handshake and when heartbeats are missing.
        """
        while data := await near.read(CHUNK_BYTES):
            self.inbound.answered(len(data))
            far.write(data)
            await far.drain()
        return ""


def _forget_unsent(connection: socket.socket, forget: bool) -> None:
    """Say whether the kernel forgets at the end, also of this process, what it has not sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", forget, 0))


def _listen(listening: socket.socket, path: Path) -> None:
    listening.bind(str(path))
    listening.listen(1)
    listening.setblocking(False)


def folder_of_sockets(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the service's runtime directory, else the temporary one.

    See RUNTIME_DIRECTORY in systemd.exec(5).
    """
    first = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first or tempfile.gettempdir())


async def _first_end(*works: Work) -> str:
    """Run all until the first ends; return its sentence."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(work: Work) -> None:
        why = await _sentence_of(work)
        if not ended.done():
            ended.set_result(why)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(work)) for work in works]
        why = await ended
        for task in tasks:
            task.cancel()
    return why


async def _sentence_of(work: Work) -> str:
    """Return the sentence of a work that ended, also by an error."""
    try:
        return await work()
    except LinkError as error:
        return str(error)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return f"broke the connection ({reason})"
