"""Where log lines are written. A log is no evidence, and stops no door.

Laws:
1. Writing never waits. What the other end does not take at once is lost, and the next line that
   fits tells how many lines were.
2. A line is written whole or not at all. If only a part fitted, the rest goes first later, and new
   lines are lost until then: no more than one line is kept.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TextIO

Fields = Mapping[str, str]
"""What of a line can be searched for; a stream has no place for them."""
NO_FIELDS: Fields = MappingProxyType({})


class LineSink:
    """Writes lines; `notice` makes the line that tells how many were lost."""

    def __init__(self, stream: TextIO, notice: Callable[[int], str]) -> None:
        self._stream = stream
        self._notice = notice
        self._write = _waitless(self, stream)
        self._encoding = stream.encoding or "utf-8"
        self._lock = threading.RLock()
        self._busy = False
        self._rest = b""
        self._lost = 0

    def msg(self, line: str, fields: Fields = NO_FIELDS) -> None:
        """Write one line in one piece: lines of other threads do not mix with it."""
        with self._lock:
            if self._busy:  # a finaliser logs in the middle of another line
                self._lost += 1
                return
            self._busy = True
            try:
                self._put((line,))
            except (OSError, ValueError):  # full, closed or broken
                self._lost += 1
            finally:
                self._busy = False

    def tell_lost(self) -> None:
        """Say how many lines were lost, if any; for when the next line goes another way."""
        with self._lock:
            if self._busy or not self._lost:
                return
            self._busy = True
            try:
                self._put(())
            except (OSError, ValueError):
                pass  # it is told another time
            finally:
                self._busy = False

    def _put(self, lines: tuple[str, ...]) -> None:
        """Write the rest of an earlier line, how many were lost, then these.

        Raise OSError or ValueError if these are lost.
        """
        if self._rest:
            written = self._write(self._rest)
            self._rest = self._rest[written:]
            if self._rest:
                raise BlockingIOError
        lost = self._lost
        if lost:
            lines = (self._notice(lost), *lines)
        text = "".join(f"{line}\n" for line in lines)
        data = text.encode(self._encoding, "backslashreplace")
        written = self._write(data)
        self._rest = data[written:]
        self._lost -= lost

    debug = info = warning = error = critical = msg


def _waitless(owner: object, stream: TextIO) -> Callable[[bytes], int]:
    """Return a write that never waits: it returns how many bytes went, or raises OSError.

    BlockingIOError: it is full. O_NONBLOCK belongs to the open file, which other processes share,
    and is left as it is: a socket gets a flag with each send, a pipe or terminal is opened a second
    time. What is opened lives as long as `owner`. A file never waits long.
    """
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            return _socket_write(owner, descriptor)
    except (OSError, ValueError):  # no descriptor: a stream in memory
        return partial(_write_to_stream, stream)
    if not stat.S_ISFIFO(mode) and not os.isatty(descriptor):
        stream.flush()
        # not by the stream, which would keep what a full disk refuses
        return partial(os.write, descriptor)
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        own = os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:  # another account's pipe or terminal
        return partial(_write_when_ready, descriptor)
    weakref.finalize(owner, os.close, own)
    return partial(os.write, own)


def _socket_write(owner: object, descriptor: int) -> Callable[[bytes], int]:
    peer = socket.socket(fileno=os.dup(descriptor))
    weakref.finalize(owner, peer.close)

    def send(data: bytes) -> int:
        return peer.send(data, socket.MSG_DONTWAIT)

    return send


def _write_to_stream(stream: TextIO, data: bytes) -> int:
    text = data.decode(stream.encoding or "utf-8", "backslashreplace")
    stream.write(text)
    stream.flush()
    return len(data)


def _write_when_ready(descriptor: int, data: bytes) -> int:
    """Write as much as surely fits: a pipe that is ready takes PIPE_BUF bytes."""
    sent = 0
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    while sent < len(data) and ready.poll(0):
        part = data[sent : sent + select.PIPE_BUF]
        sent += os.write(descriptor, part)
    if not sent:
        raise BlockingIOError
    return sent
