"""The local API: JSON lines over a unix stream socket, for hubctl and nobody else.

A client writes `{"id": 1, "call": "status", "args": {...}}` and reads `{"id": 1, "result": ...}` or
`{"id": 1, "error": {"code": ..., "message": ...}}`; the call `tail` is answered by `"tailing"` and
then by `{"id": 1, "event": {...}}` lines until the client closes, with `{"id": 1, "lost": n}` where
it was too slow, and with `{"id": 1, "beat": n}` now and then, to which the client says an empty
line.

Laws:
1. Whoever can connect may read (the socket has mode 0660); a call that changes something needs uid
   0 or the daemon's own uid, by SO_PEERCRED, and is logged with the caller.
2. A client costs at most the ceilings below and those of `local_places`, waits for no other, and
   cannot hold up or end the daemon: a handler that fails is answered and logged.
3. In one turn of the event loop one client is served at most one request, and each socket lets one
   newcomer in and sends REFUSALS_A_TURN away.
4. Root has a socket file of its own, which nobody else can open: no other user fills its backlog.
5. Who gives way is gone at once: there are never more than `tasks_max` tasks for clients, whoever
   comes and goes.
6. What clients provoke is logged once a minute at most, with how often it was.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from hubcore.errors import ConfigError, HubError
from hubd.adapters.host.log import get_logger
from hubd.adapters.host.peer import PeerProcess, peer_of
from hubd.adapters.local.event_tail import EventTail
from hubd.adapters.local.places import LIMITS, ROOT, Doing, Limits, Place, Places
from hubd.adapters.local.sockets import SocketFile
from hubd.adapters.local.tail import Beats, SilentError, tell_events

LINE_BYTES_MAX = 16 * 1024
"""Of a request. Of what a client has said and nobody has read yet, three times as much is kept."""
ANSWER_BYTES_MAX = 1024 * 1024
IDLE_SECONDS = 60.0
"""Without a request, when not tailing."""
HANDLER_SECONDS = 30.0
STALL_SECONDS = 30.0
"""A client that takes nothing for so long is dropped."""
BEAT_SECONDS = 20.0
TOLD_SECONDS = 60.0
"""Between two log lines about the same doing of clients."""
TOLD_MAX = 64
"""How many different doings are told apart."""
ECHO_CHARS_MAX = 200
"""Of what a client sent, in an answer or a log."""
ACCEPT_PAUSE_SECONDS = 1.0
"""After an accept that failed, as it does when file descriptors run out."""

BACKLOG = 128
"""Newcomers of one socket that the kernel keeps."""
REFUSALS_A_TURN = 64
REFUSED_PAUSE_SECONDS = 0.01
"""After newcomers who were sent away, so that a flood of them costs a small part of the processor.
"""
LEAVING_MAX = 16
"""Clients whose place is another's already, and whose task has not ended yet."""
ROOT_SUFFIX = ".root"
"""Of root's own socket file, which stands beside everybody's."""

Handler = Callable[[Mapping[str, Any], PeerProcess], Awaitable[object]]
"""Takes the request's `args`, a flat object; returns what JSON can carry.

HubError is answered by its sentence.
"""


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


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the server waits for whom, in seconds."""

    idle: float = IDLE_SECONDS
    handler: float = HANDLER_SECONDS
    stall: float = STALL_SECONDS
    beat: float = BEAT_SECONDS


WAITS: Final = Waits()

Rest = Callable[[float], Awaitable[None]]
"""Lets others have their turn for so many seconds, and for one turn of the event loop when it is 0.
"""


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    call: str
    args: dict[str, str | int | float | bool | None] = {}


class _GoneError(Exception):
    """The client has closed, or was dropped."""


class LocalApi:
    """The server. `bind` takes the socket or refuses the start; `serve` answers until cancelled."""

    def __init__(
        self,
        path: Path,
        calls: tuple[Call, ...],
        tail: EventTail,
        limits: Limits = LIMITS,
        waits: Waits = WAITS,
        rest: Rest = asyncio.sleep,
    ) -> None:
        self._files: Final = (
            SocketFile(path, 0o660),
            SocketFile(path.with_name(path.name + ROOT_SUFFIX), 0o600),
        )
        self._calls: Final = {call.name: call for call in calls}
        self._tail = tail
        self._limits = limits
        self._waits = waits
        self._rest = rest
        self.places: Final = Places(limits)
        self.tasks: Final = set[asyncio.Task[None]]()
        self.tasks_max: Final = limits.clients + LEAVING_MAX
        self._log = get_logger(part="local_api")
        self._told: dict[str, _Told] = {}
        if len(self._calls) != len(calls) or "tail" in self._calls:
            raise ValueError("two calls of one name")

    def bind(self) -> None:
        """Take both files; `close`, or the end of `serve`, gives them up.

        Raise ConfigError if they cannot be had.
        """
        try:
            for file in self._files:
                file.bind(BACKLOG)
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        """Give up the sockets and remove their files, but for those that are another's by now."""
        for file in self._files:
            file.close()

    async def serve(self) -> None:
        """Answer clients until cancelled, then remove the sockets.

        Binds when `bind` was not called before.
        """
        try:
            listeners = [file.listener or file.bind(BACKLOG) for file in self._files]
            async with asyncio.TaskGroup() as tasks:
                for listener in listeners:
                    tasks.create_task(self._newcomers(listener, tasks))
        finally:
            self.close()

    async def _newcomers(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        """Let in who may come and send the others away, so that none of these stands before one of
        those.
        """
        while True:
            refused = 0
            newcomer = await self._accept(listener)
            while newcomer is not None and not self._let_in(newcomer, tasks):
                refused += 1
                newcomer = _next_in(listener) if refused < REFUSALS_A_TURN else None
            await self._rest(REFUSED_PAUSE_SECONDS if refused else 0.0)

    async def _accept(self, listener: socket.socket) -> socket.socket | None:
        """Wait for a newcomer; None when it cannot be had."""
        try:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        except OSError as error:
            self._tell("accept_failed", why=error.strerror)
            await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            return None
        return connection

    def _let_in(self, connection: socket.socket, tasks: asyncio.TaskGroup) -> bool:
        """Begin to serve a newcomer, or close its connection; tell which."""
        try:
            caller = peer_of(connection)
        except OSError:
            connection.close()
            return False
        place = self._place(caller.uid)
        if place is not None:
            visit = _Visit(connection, caller, place)
            task = tasks.create_task(self._client(visit))
            self.tasks.add(task)
            task.add_done_callback(partial(self._ended, visit))
            return True
        sentence = (
            "hubd answers as many clients as it can; end some, or use sudo: a place is "
            "kept for root"
        )
        with suppress(OSError):
            connection.send(_error(None, "busy", sentence))
        connection.close()
        self._tell("client_refused", uid=caller.uid, clients=len(self.places))
        return False

    def _ended(self, visit: _Visit, task: asyncio.Task[None]) -> None:
        """Clear up after a client's task, also one that ended before it began."""
        self.tasks.discard(task)
        self.places.leave(visit.place)
        visit.connection.close()

    def _place(self, uid: int) -> Place | None:
        kept = 0 if uid == ROOT else self._limits.root_places
        if len(self.tasks) >= self.tasks_max - kept or not self.places.may_come(uid, _now()):
            return None
        return self.places.enter(uid)

    async def _client(self, visit: _Visit) -> None:
        """Serve one client from connect to close; nothing it does or provokes ends the group."""
        writer: asyncio.StreamWriter | None = None
        task = asyncio.current_task()
        caller = visit.caller
        try:
            reader, writer = await asyncio.open_unix_connection(
                sock=visit.connection, limit=LINE_BYTES_MAX
            )
            # drain means: all of it is the kernel's
            writer.transport.set_write_buffer_limits(high=0)
            writer.transport.max_size = LINE_BYTES_MAX  # type: ignore[attr-defined]  # of one read; else 256 KiB
            visit.place.dismiss = partial(_dismiss, writer, task)
            self._log.debug("client", uid=caller.uid, gid=caller.gid, pid=caller.pid)
            visit.place.now(Doing.IDLE, _now())
            while line := await self._line(reader, writer):
                await self._turn(visit.place)
                visit.place.now(Doing.ASKING, _now())
                await self._answer(line, reader, writer, visit)
                visit.place.now(Doing.IDLE, _now())
        except (_GoneError, OSError):
            pass
        except Exception as error:  # a bug in here must not stop the doors
            self._tell("client_failed", exc_info=error)
        finally:
            self.places.leave(visit.place)
            if writer is not None:
                writer.transport.abort()
            else:
                visit.connection.close()

    async def _turn(self, place: Place) -> None:
        """Return when it is the client's turn, at least one turn of the event loop later."""
        await self._rest(self.places.wait_seconds(place, _now()))
        self.places.served(place)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the next request with its newline; b'' when the client has closed or was silent
        for too long.
        """
        try:
            async with asyncio.timeout(self._waits.idle):
                line = await reader.readline()
        except TimeoutError:
            return b""
        except ValueError:  # longer than the reader's limit
            await self._write(
                writer, _error(None, "too-long", f"a request is at most {LINE_BYTES_MAX} bytes")
            )
            return b""
        return line if line.endswith(b"\n") else b""

    async def _answer(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, visit: _Visit
    ) -> None:
        try:
            request = msgspec.json.decode(line, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            await self._write(
                writer, _error(None, "bad-request", f"this is no request: {error}"[:ECHO_CHARS_MAX])
            )
            return
        if request.call == "tail":
            await self._stream(request.id, reader, writer, visit.place)
            raise _GoneError
        await self._write(writer, await self._perform(request, visit.caller))

    async def _perform(self, request: _Request, caller: PeerProcess) -> bytes:
        """Run one call; return its answer, whatever happens in the handler."""
        call = self._calls.get(request.call)
        if call is None:
            names = ", ".join(sorted([*self._calls, "tail"]))
            return _error(
                request.id,
                "unknown-call",
                f"there is no call {request.call[:ECHO_CHARS_MAX]!r}; there are {names}",
            )
        if call.writes:
            allowed = caller.uid in (0, os.geteuid())
            if allowed:
                self._log.info(
                    "write_call", call=call.name, uid=caller.uid, gid=caller.gid, pid=caller.pid
                )
            else:
                self._tell(
                    "write_call_refused",
                    call=call.name,
                    uid=caller.uid,
                    gid=caller.gid,
                    pid=caller.pid,
                )
                return _error(
                    request.id,
                    "not-allowed",
                    f"{call.name} changes something: only root may; use sudo",
                )
        try:
            async with asyncio.timeout(self._waits.handler):
                answer = msgspec.json.encode(
                    {"id": request.id, "result": await call.handler(request.args, caller)}
                )
        except TimeoutError:
            return _error(
                request.id, "timeout", f"{call.name} took longer than {self._waits.handler:g} s"
            )
        except CallRefused as error:
            return _error(request.id, error.code, str(error))
        except HubError as error:
            return _error(
                request.id, type(error).__name__.removesuffix("Error").lower(), str(error)
            )
        except Exception as error:  # a bug in a handler is this call's failure, not the daemon's
            self._tell(f"call_failed {call.name}", exc_info=error)
            return _error(
                request.id, "internal", f"{call.name} failed inside hubd; see journalctl -u hubd"
            )
        if len(answer) > ANSWER_BYTES_MAX:
            return _error(
                request.id, "too-large", f"the answer has {len(answer)} bytes; ask for less"
            )
        return answer + b"\n"

    async def _stream(
        self, call_id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place
    ) -> None:
        """Send events until the client closes or no longer answers.

        What it says is read and dropped.
        """
        self.places.tail(place, _now())
        beats = Beats()
        with self._tail.subscribe() as subscription:
            await self._write(writer, _line(call_id, "result", "tailing"))
            write = partial(self._write, writer)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._until_closed(reader, place, beats))
                    tasks.create_task(
                        tell_events(
                            call_id=call_id,
                            subscription=subscription,
                            beats=beats,
                            beat_seconds=self._waits.beat,
                            write=write,
                        )
                    )
            except* (_GoneError, OSError, SilentError):
                pass

    async def _until_closed(self, reader: asyncio.StreamReader, place: Place, beats: Beats) -> None:
        """Raise _GoneError when the client has closed; whatever it says shows that it is there."""
        while await reader.read(LINE_BYTES_MAX):
            beats.unanswered = 0
            await self._turn(place)
        raise _GoneError

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send; raise _GoneError when the client has gone or takes nothing."""
        writer.write(data)
        try:
            async with asyncio.timeout(self._waits.stall):
                await writer.drain()
        except (TimeoutError, OSError) as error:
            raise _GoneError from error

    def _tell(self, event: str, **facts: Any) -> None:
        """Log what clients provoke: at once, then once every TOLD_SECONDS with how often it was
        since.
        """
        key = event if event in self._told or len(self._told) < TOLD_MAX else "other"
        told = self._told.setdefault(key, _Told())
        told.times += 1
        if _now() >= told.next_at:
            say = self._log.error if "exc_info" in facts else self._log.warning
            say(event, times=told.times, **facts)
            told.times = 0
            told.next_at = _now() + TOLD_SECONDS


@dataclass(slots=True)
class _Told:
    """How often something was since it was logged, and when it may be logged again."""

    times: int = 0
    next_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Visit:
    """One client that was let in."""

    connection: socket.socket
    caller: PeerProcess
    place: Place


def _now() -> float:
    return asyncio.get_running_loop().time()


def _next_in(listener: socket.socket) -> socket.socket | None:
    """Return a newcomer who is there already."""
    try:
        connection, _ = listener.accept()
    except OSError:  # there is none, or no descriptor for it: `_accept` says which
        return None
    connection.setblocking(False)
    return connection


def _dismiss(writer: asyncio.StreamWriter, task: asyncio.Task[None] | None) -> None:
    """Let a client go whose place another takes: it is told if it takes a line at once.

    Its task ends, also asleep.
    """
    if task is not None:
        task.cancel()
    if not writer.transport.is_closing():
        writer.write(
            _error(
                None, "gave-way", "hubd gave this place to a newer client; end some that only wait"
            )
        )
        writer.transport.abort()


def _line(call_id: int | None, part: str, value: object) -> bytes:
    return msgspec.json.encode({"id": call_id, part: value}) + b"\n"


def _error(call_id: int | None, code: str, message: str) -> bytes:
    return _line(call_id, "error", {"code": code, "message": message})
