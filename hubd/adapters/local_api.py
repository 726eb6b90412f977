"""The local API: JSON lines over a unix stream socket, for hubctl and nobody else.

A client writes `{"id": 1, "call": "status", "args": {...}}` and reads `{"id": 1, "result": ...}` or
`{"id": 1, "error": {"code": ..., "message": ...}}`; the call `tail` is answered by `"tailing"` and then by
`{"id": 1, "event": {...}}` lines until the client closes, with `{"id": 1, "lost": n}` where it was too slow.

Laws: whoever can connect may read (the socket has mode 0660); a call that changes something needs uid 0 or the daemon's
own uid, by SO_PEERCRED, and is logged with the caller. A client costs at most the ceilings below, waits for no other,
and cannot hold up or end the daemon: a handler that fails is answered and logged. The socket file is this daemon's
alone: a live one is never taken over, a stale one is replaced, and at the stop only the own one is removed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from hubd.adapters.event_tail import EventTail, Subscription
from hubd.adapters.local_peer import Caller, peer_of
from hubd.adapters.log import get_logger
from hubd.errors import ConfigError, HubError

LINE_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 4 * 1024 * 1024
CLIENTS_MAX = 16
IDLE_SECONDS = 60.0
"""Without a request, when not tailing."""
HANDLER_SECONDS = 30.0
STALL_SECONDS = 30.0
"""A client that takes nothing for so long is dropped."""
ECHO_CHARS_MAX = 200
"""Of what a client sent, in an answer or a log."""
ACCEPT_PAUSE_SECONDS = 1.0
"""After an accept that failed, as it does when file descriptors run out."""

Handler = Callable[[Mapping[str, Any], Caller], Awaitable[object]]
"""Takes the request's `args`; returns what JSON can carry. HubError is answered by its sentence."""


class CallRefused(HubError):
    """A handler's way to answer with a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API. `writes`: it changes something, so not everybody may."""

    name: str
    handler: Handler
    writes: bool = False


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    call: str
    args: dict[str, Any] = {}


class _GoneError(Exception):
    """The client has closed, or was dropped."""


class LocalApi:
    """The server. `bind` takes the socket or refuses the start; `serve` answers until cancelled."""

    def __init__(
        self, path: Path, calls: tuple[Call, ...], tail: EventTail, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._path = path
        self._calls: Final = {call.name: call for call in calls}
        self._tail = tail
        self._idle_seconds = idle_seconds
        self._listener: socket.socket | None = None
        self._own: tuple[int, int] | None = None
        self._clients = 0
        self._log = get_logger(part="local_api")
        if len(self._calls) != len(calls) or "tail" in self._calls:
            raise ValueError("two calls of one name")

    def bind(self) -> None:
        """Take the socket file; `close`, or the end of `serve`, gives it up.

        Raise ConfigError when another hubd answers there or the place cannot be used.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            _remove_stale(self._path)
            listener.bind(str(self._path))
            self._path.chmod(0o660)  # before listen, so that nobody is let in by another mode
            listener.listen(CLIENTS_MAX)
            status = self._path.stat()
        except OSError as error:
            if listener.getsockname():  # it was bound: the file is ours
                self._path.unlink(missing_ok=True)
            listener.close()
            remedy = f"see to it that {self._path.parent} is a directory this user may write (RuntimeDirectory=hubd)"
            raise ConfigError(f"{self._path}: the local socket cannot be made: {error.strerror}; {remedy}") from error
        except ConfigError:
            listener.close()
            raise
        self._own, self._listener = (status.st_dev, status.st_ino), listener

    def close(self) -> None:
        """Give up the socket and remove its file, unless the file is another's by now."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        with suppress(OSError):
            status = self._path.stat()
            if (status.st_dev, status.st_ino) == self._own:
                self._path.unlink()

    async def serve(self) -> None:
        """Answer clients until cancelled, then remove the socket. Binds when `bind` was not called before."""
        if self._listener is None:
            self.bind()
        listener = self._listener
        assert listener is not None  # noqa: S101 -- bind has set it or raised
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    connection = await self._accept(listener)
                    if connection is not None:
                        tasks.create_task(self._client(connection))
        finally:
            self.close()

    async def _accept(self, listener: socket.socket) -> socket.socket | None:
        try:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        except OSError as error:
            self._log.warning("accept_failed", why=error.strerror)
            await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            return None
        if self._clients >= CLIENTS_MAX:
            with suppress(OSError):
                connection.send(_error(None, "busy", f"hubd serves {CLIENTS_MAX} clients already; close one"))
            connection.close()
            self._log.warning("client_refused", clients=self._clients)
            return None
        self._clients += 1
        return connection

    async def _client(self, connection: socket.socket) -> None:
        """Serve one client from connect to close; nothing it does or provokes ends the group."""
        writer: asyncio.StreamWriter | None = None
        try:
            caller = peer_of(connection)
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_BYTES_MAX)
            writer.transport.set_write_buffer_limits(high=0)  # drain means: all of it is the kernel's
            self._log.debug("client", uid=caller.uid, gid=caller.gid, pid=caller.pid)
            while line := await self._line(reader, writer):
                await self._answer(line, reader, writer, caller)
        except (_GoneError, OSError):
            pass
        except Exception as error:  # a bug in here must not stop the doors
            self._log.error("client_failed", exc_info=error)
        finally:
            self._clients -= 1
            if writer is not None:
                writer.transport.abort()
            else:
                connection.close()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the next request with its newline; b'' when the client has closed or was silent for too long."""
        try:
            async with asyncio.timeout(self._idle_seconds):
                line = await reader.readline()
        except TimeoutError:
            return b""
        except ValueError:  # longer than the reader's limit
            await self._write(writer, _error(None, "too-long", f"a request is at most {LINE_BYTES_MAX} bytes"))
            return b""
        return line if line.endswith(b"\n") else b""

    async def _answer(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller
    ) -> None:
        try:
            request = msgspec.json.decode(line, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            await self._write(writer, _error(None, "bad-request", f"this is no request: {error}"[:ECHO_CHARS_MAX]))
            return
        if request.call == "tail":
            await self._stream(request.id, reader, writer)
            raise _GoneError
        await self._write(writer, await self._perform(request, caller))

    async def _perform(self, request: _Request, caller: Caller) -> bytes:
        """Run one call; return its answer, whatever happens in the handler."""
        call = self._calls.get(request.call)
        if call is None:
            names = ", ".join(sorted([*self._calls, "tail"]))
            return _error(
                request.id, "unknown-call", f"there is no call {request.call[:ECHO_CHARS_MAX]!r}; there are {names}"
            )
        if call.writes:
            allowed = caller.uid in (0, os.geteuid())
            log = self._log.info if allowed else self._log.warning
            log("write_call", call=call.name, allowed=allowed, uid=caller.uid, gid=caller.gid, pid=caller.pid)
            if not allowed:
                return _error(request.id, "not-allowed", f"{call.name} changes something: only root may; use sudo")
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                answer = msgspec.json.encode({"id": request.id, "result": await call.handler(request.args, caller)})
        except TimeoutError:
            return _error(request.id, "timeout", f"{call.name} took longer than {HANDLER_SECONDS:g} s")
        except CallRefused as error:
            return _error(request.id, error.code, str(error))
        except HubError as error:
            return _error(request.id, type(error).__name__.removesuffix("Error").lower(), str(error))
        except Exception as error:  # a bug in a handler is this call's failure, not the daemon's
            self._log.error("call_failed", call=call.name, exc_info=error)
            return _error(request.id, "internal", f"{call.name} failed inside hubd; see journalctl -u hubd")
        if len(answer) > ANSWER_BYTES_MAX:
            return _error(request.id, "too-large", f"the answer has {len(answer)} bytes; ask for less")
        return answer + b"\n"

    async def _stream(self, call_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send events until the client closes. What it says meanwhile is read and dropped."""
        with self._tail.subscribe() as subscription:
            await self._write(writer, _line(call_id, "result", "tailing"))
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_until_closed(reader))
                    tasks.create_task(self._send_events(call_id, subscription, writer))
            except* (_GoneError, OSError):
                pass

    async def _send_events(self, call_id: int, subscription: Subscription, writer: asyncio.StreamWriter) -> None:
        prefix = b'{"id":%d,"event":' % call_id
        while True:
            lost, events = await subscription.next()
            for event in events:
                await self._write(writer, prefix + event + b"}\n")
            if lost:
                await self._write(writer, _line(call_id, "lost", lost))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send; raise _GoneError when the client has gone or takes nothing."""
        writer.write(data)
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await writer.drain()
        except (TimeoutError, OSError) as error:
            raise _GoneError from error


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(LINE_BYTES_MAX):
        pass
    raise _GoneError


def _line(call_id: int | None, part: str, value: object) -> bytes:
    return msgspec.json.encode({"id": call_id, part: value}) + b"\n"


def _error(call_id: int | None, code: str, message: str) -> bytes:
    return _line(call_id, "error", {"code": code, "message": message})


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody answers. Raise ConfigError for a live one and for any other file."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(f"{path}: expected nothing or a socket, found another file; move it away")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as probe:
        outcome = probe.connect_ex(str(path))  # never waits: a full backlog is EAGAIN, and somebody's
    if outcome == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
    elif outcome != errno.ENOENT:
        raise ConfigError(f"{path}: another hubd is running on this socket; stop it, or name another in [api] socket")
