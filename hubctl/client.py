"""The client of the daemon's local socket: one request a line, one answer a line, and never a hang.

Laws:
1. Every wait has an end, also when the other end drips; every answer has a ceiling.
2. What goes wrong is one `NoAnswer` with a sentence that says what to do.
3. A tail answers each beat. It ends when nobody reads what it shows, also while the hub is quiet.
4. Where others fill the socket, hubctl waits in the kernel's queue until the answer's time is over.
5. Root comes in by its own socket, which no other user can fill.
6. The daemon's words must be cleaned before they are shown (`hubterm.text`).
"""

from __future__ import annotations

import errno
import json
import math
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from hubcore.localapi import (
    API,
    BRIDGE_READERS_GROUP,
    READERS_GROUP,
    ROOT_SUFFIX,
)

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_SOCKET = "/run/hubd/hubd.sock"
ANSWER_SECONDS = 40.0
ANSWER_BYTES_MAX = 8 * 1024 * 1024
SILENCE_SECONDS = 90.0
"""A hub sends a beat to each tail more often than this, however quiet it is."""
READ_BYTES = 64 * 1024
TAIL_PARTS = ("event", "lost", "begins")
_WAIT_SECONDS_MIN = 0.001
"""0 would be no limit to SO_SNDTIMEO."""


class Daemon(NamedTuple):
    """Who answers on a socket: its program, the group that may ask, how hubctl is typed."""

    program: str
    readers: str
    typed: str
    is_down: str

    @property
    def see(self) -> str:
        """Say where more is told."""
        return f"See: systemctl status {self.program}; journalctl -u {self.program}"


HUBD = Daemon("hubd", READERS_GROUP, "hubctl --socket PATH", "hubd does not run")
HUBBRIDGE = Daemon(
    "hubbridge", BRIDGE_READERS_GROUP, "hubctl --site --socket PATH", "hubbridge does not run"
)


class NoAnswer(Exception):
    """The daemon gave no answer: `code` for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReaderGone(Exception):
    """Nobody reads any longer what is shown."""


class HubClient:
    """One connection; a context manager."""

    def __init__(
        self,
        path: Path | str,
        answer_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        daemon: Daemon = HUBD,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self._path = path
        self._answer_bytes_max = answer_bytes_max
        self._daemon = daemon
        self._answer_seconds = answer_seconds
        self._silence_seconds = silence_seconds
        try:
            self._socket = _connected(path, answer_seconds, as_root=os.geteuid() == 0)
        except OSError as error:
            raise _unreachable(path, error, daemon) from error
        self._received = bytearray()
        self._next_id = 1

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, name: str, **args: Any) -> Any:
        """Return the result of one call. Raise NoAnswer."""
        return self.call_with(name, b"", **args)

    def call_with(self, name: str, body: bytes, **args: Any) -> Any:
        """Return the result of one call that brings bytes along. Raise NoAnswer."""
        request = {"id": self._next_id, "api": API, "call": name, "args": args}
        if body:
            request["body"] = len(body)
        self._next_id += 1
        try:
            self._send(json.dumps(request).encode() + b"\n" + body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a daemon that refuses a client says why before it closes: that is read next
        except OSError as error:
            sentence = f"{self._daemon.program} does not accept a request: {error}."
            raise NoAnswer("down", f"{sentence} {self._daemon.see}") from error
        answer = self._read(self._answer_seconds)
        if answer.get("api") != API:
            raise NoAnswer("version", _other_version(answer.get("api"), self._daemon.program))
        if "result" not in answer:
            raise NoAnswer(
                "protocol",
                f"hubctl does not understand {self._daemon.program}'s answer; "
                f"are both of the same version? {self._daemon.see}",
            )
        return answer["result"]

    def tail(self, output: int | None = None, **asked: Any) -> Iterator[dict[str, Any]]:
        """Yield `{"event": {...}}`, `{"lost": n}` and `{"begins": t}` until the daemon closes.

        `output` is the descriptor that they are shown on. Raise ReaderGone once nobody reads it any
        longer, NoAnswer at once or when the daemon closes or falls silent.
        """
        self.call("tail", **asked)
        while True:
            answer = self._read(self._silence_seconds, output)
            if "beat" in answer:
                self._answer_beat()
            else:
                yield {part: answer[part] for part in TAIL_PARTS if part in answer}

    def _answer_beat(self) -> None:
        try:
            self._send(b"\n")
        except OSError as error:
            raise _broken(error, self._daemon) from error

    def _send(self, data: bytes) -> None:
        """Raise OSError for a daemon that has gone, never SIGPIPE."""
        self._socket.sendall(data, socket.MSG_NOSIGNAL)

    def _line(self, seconds: float, output: int | None) -> bytes:
        """Return the next line, b'' when the daemon closed before its end or the line is too long.

        Raise TimeoutError, OSError.
        """
        ends = time.monotonic() + seconds
        searched = 0
        while True:
            end = self._received.find(b"\n", searched) + 1
            if end:
                line = bytes(self._received[:end])
                del self._received[:end]
                return line
            searched = len(self._received)
            if searched >= self._answer_bytes_max:
                return b""
            self._wait(ends - time.monotonic(), output)
            more = self._socket.recv(READ_BYTES)
            if not more:
                return b""
            self._received += more

    def _wait(self, seconds: float, output: int | None) -> None:
        """Return when the daemon has said something or closed.

        Raise TimeoutError, or ReaderGone.
        """
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        if output is not None:
            waiting.register(output, 0)  # poll tells its end unasked: POLLERR, POLLHUP
        ready = dict(waiting.poll(max(0.0, seconds) * 1000))
        if output in ready:
            raise ReaderGone
        if not ready:
            raise TimeoutError

    def _read(self, seconds: float, output: int | None = None) -> dict[str, Any]:
        """Return the next answer. Raise NoAnswer, also for an answer that is an error."""
        try:
            line = self._line(seconds, output)
        except TimeoutError as error:
            message = (
                f"{self._daemon.program} did not answer within {seconds:g} s. {self._daemon.see}"
            )
            raise NoAnswer("timeout", message) from error
        except OSError as error:
            raise _broken(error, self._daemon) from error
        if not line:
            sentence = f"{self._daemon.program} closed the connection; it may have stopped."
            raise NoAnswer("down", f"{sentence} {self._daemon.see}")
        not_hubd = f"the program that answers on {self._path} is not {self._daemon.program}"
        try:
            answer = json.loads(line, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise NoAnswer("protocol", f"{not_hubd}: {error}") from error
        if not isinstance(answer, dict):
            raise NoAnswer("protocol", not_hubd)
        match answer.get("error"):
            case None:
                return answer
            case {"code": str(code), "message": str(message)}:
                raise NoAnswer(code, message)
        raise NoAnswer("protocol", not_hubd)


def _other_version(api: object, program: str) -> str:
    runs = f"version {api}" if isinstance(api, int) else "an older version"
    return (
        f"{program} speaks {runs} of the local API, and this hubctl version {API}: another "
        f"version runs than is installed. Type: sudo systemctl restart {program}"
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:16]} is no number that JSON can tell")
    return value


def _broken(error: OSError, daemon: Daemon) -> NoAnswer:
    why = error.strerror or error
    return NoAnswer("down", f"the connection to {daemon.program} broke: {why}. {daemon.see}")


def _connected(path: Path | str, seconds: float, *, as_root: bool) -> socket.socket:
    """Return a connection to the daemon. Raise OSError."""
    ends = time.monotonic() + seconds
    if as_root:
        try:
            return _connect(f"{path}{ROOT_SUFFIX}", ends, seconds)
        except OSError as error:
            name_is_too_long = error.errno is None
            if not name_is_too_long and error.errno not in (errno.ENOENT, errno.ECONNREFUSED):
                raise
    return _connect(path, ends, seconds)


def _connect(path: Path | str, ends: float, answer_seconds: float) -> socket.socket:
    """Wait in the kernel's queue for a place in the backlog until `ends`. Raise OSError.

    Only a connect that blocks is queued: one with Python's timeout would be EAGAIN at once
    (unix(7), SO_SNDTIMEO).
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        while not _try_to_connect(connection, path, ends - time.monotonic()):
            if time.monotonic() >= ends:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        connection.settimeout(answer_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def _try_to_connect(connection: socket.socket, path: Path | str, seconds: float) -> bool:
    """Wait for a place in the backlog; return whether one was had. Raise OSError.

    A signal ends the wait too, and Python takes that for a success: hence the name of the peer.
    """
    fraction, whole = math.modf(max(_WAIT_SECONDS_MIN, seconds))
    timeval = struct.pack("@ll", int(whole), int(fraction * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    try:
        connection.connect(str(path))
        connection.getpeername()
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOTCONN):
            return False
        raise
    return True


def _unreachable(path: Path | str, error: OSError, daemon: Daemon) -> NoAnswer:
    """Say why nobody can be asked on this socket, and what to do."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return NoAnswer(
                "not-allowed",
                f"this user may not talk to {daemon.program} on {path}; "
                f"join its group (sudo usermod -aG {daemon.readers} USER, and log in again), "
                "or use sudo",
            )
        case errno.EAGAIN:
            return NoAnswer(
                "busy",
                f"too many clients ask {daemon.program} on {path} at once; "
                f"find them: ss -xp | grep {path}",
            )
        case errno.ENOENT:
            why = f"there is no such socket: {daemon.is_down}, or uses another one ({daemon.typed})"
        case errno.ECONNREFUSED:
            why = f"nobody listens there: {daemon.is_down}"
        case _:
            why = error.strerror or str(error)
    return NoAnswer("down", f"{daemon.program} does not answer on {path}: {why}. {daemon.see}")
