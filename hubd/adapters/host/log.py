"""Logs for people: one JSON object a line on stderr for journald, plain text when a person sits at
stderr.

Laws: no secret reaches a log. Bytes are never shown, only their number; a value under a key that
names a secret is redacted; an object is shown by its type alone; text is cut at a length. Every
line is one line, whatever was put into it. Lines of one kind are paced (LINES), and those left out
are counted and told. Writing never waits: a reader who stands still loses lines and is told how
many. Logs of libraries (`logging`) take the same way, warnings and above. Import this module before
anything else imports structlog: structlog loads `rich` when it can, which costs the daemon 35 ms
and 3.7 MB that it never uses.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import stat
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import PurePath
from typing import Any, TextIO

import msgspec

from hubcore.timing.moment import show_seconds
from hubcore.timing.pace import Bucket, Rate


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Make `import module` fail inside, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _without("rich"):
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

TEXT_CHARS_MAX = 2000
ITEMS_MAX = 50
DEPTH_MAX = 4

SECRET_WORDS = frozenset(
    {
        "key",
        "keys",
        "secret",
        "secrets",
        "nonce",
        "token",
        "tokens",
        "password",
        "pin",
        "challenge",
        "ticket",
        "psk",
    }
)
"""A key of a log line that has one of these among its words (split at `_`) is redacted."""
REDACTED = "<redacted>"

LINES = Rate(burst=60, per_second=1.0)
"""Lines of one kind: what is above is counted, and the count told each LEFT_OUT_SECONDS."""
KIND_KEYS = ("event", "allowed", "error", "part", "library")
KIND_CHARS = 64
KINDS_MAX = 256
"""Kinds told apart; what comes beyond shares one pace."""
LEFT_OUT = "lines_left_out"
LEFT_OUT_SECONDS = 60.0

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LinePace:
    """Lets so many lines of one kind through, counts the rest: whatever a peer does over and over
    again.

    A kind is an event with what tells its lines apart by the program's own words (KIND_KEYS).
    `report` gives the counts.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._left_out: dict[tuple[str, ...], tuple[int, float, float]] = {}

    def __call__(self, _logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
        """Pass a line on, or raise DropEvent."""
        if event.get("event") == LEFT_OUT:
            return event
        kind = tuple(str(event[key])[:KIND_CHARS] for key in KIND_KEYS if key in event)
        with self._lock:
            if kind not in self._buckets and len(self._buckets) >= KINDS_MAX:
                kind = ("other",)
            if self._buckets.setdefault(kind, Bucket(LINES)).take(self._monotonic()):
                return event
            now = self._wall()
            count, first, _ = self._left_out.get(kind, (0, now, now))
            self._left_out[kind] = count + 1, first, now
        raise structlog.DropEvent

    def report(self) -> list[dict[str, Any]]:
        """Return what was left out since the last report: kind, how many, first and last in Unix
        seconds.
        """
        with self._lock:
            left_out = self._left_out
            self._left_out = {}
        return [
            {"of": " ".join(kind), "count": count, "first": round(first, 3), "last": round(last, 3)}
            for kind, (count, first, last) in left_out.items()
        ]


_pace: LinePace | None = None


async def tell_left_out(seconds: float = LEFT_OUT_SECONDS) -> None:
    """Tell every so many seconds, and at the end, how many lines were left out; run until
    cancelled.
    """
    try:
        while True:
            await asyncio.sleep(seconds)
            _tell_left_out()
    finally:
        _tell_left_out()


def _tell_left_out() -> None:
    for facts in _pace.report() if _pace else ():
        structlog.get_logger().warning(LEFT_OUT, **facts)


def set_up(
    level: str = "info",
    stream: TextIO = sys.stderr,
    human: bool | None = None,
    pace: LinePace | None = None,
) -> None:
    """Configure structlog and `logging` for the process; `human` None: ask the stream whether it is
    a terminal.

    `pace` None: no line is left out.
    """
    global _pace  # structlog's configuration is the process's, and so is this part of it
    _pace = pace
    plain = stream.isatty() if human is None else human
    render = _render_plain if plain else _render_json
    sink = _Sink(stream, render)
    structlog.configure(
        processors=[
            *([pace] if pace else []),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _stamp,
            structlog.processors.format_exc_info,
            redact,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(level=logging.WARNING)]
    root.setLevel(logging.WARNING)


def get_logger(**context: Any) -> FilteringBoundLogger:
    """Return a logger whose lines carry `context`."""
    logger: FilteringBoundLogger = structlog.get_logger(**context)
    return logger


def redact(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be shown, and what cannot be shown in one short line."""
    return {key: _shown(key, value, DEPTH_MAX) for key, value in event.items()}


def _shown(key: str, value: Any, depth: int) -> Any:
    if SECRET_WORDS & set(str(key).lower().split("_")):
        return REDACTED
    match value:
        case Enum():
            return _shown(key, value.value, depth)
        case None | bool() | float():
            return value
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else "<a big int>"
        case str() | PurePath() | BaseException():
            # file names may hold lone surrogates
            text = str(value).encode(errors="backslashreplace").decode()
            if len(text) <= TEXT_CHARS_MAX:
                return text
            if key == "exception":
                return "..." + text[-TEXT_CHARS_MAX:]
            return text[:TEXT_CHARS_MAX] + "..."
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Mapping() if depth:
            return {
                str(k): _shown(str(k), v, depth - 1) for k, v in list(value.items())[:ITEMS_MAX]
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_shown(key, item, depth - 1) for item in list(value)[:ITEMS_MAX]]
        case _:
            return f"<{type(value).__name__}>"


def _stamp(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = show_seconds(time.time())
    return event


def _render_json(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    ordered = {
        "event": event.pop("event", ""),
        "level": event.pop("level", ""),
        "time": event.pop("timestamp", ""),
    }
    return msgspec.json.encode(ordered | dict(event)).decode()


def _render_plain(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    name, level, moment = (event.pop(part, "") for part in ("event", "level", "timestamp"))
    trace = event.pop("exception", None)
    pairs = " ".join(f"{key}={_printable(value)}" for key, value in event.items())
    lines = [f"{moment} {level:<7} {_printable(name)} {pairs}".rstrip()]
    lines += [f"    {_printable(line)}" for line in str(trace).splitlines()] if trace else []
    return "\n".join(lines)


def _printable(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)


class _Sink:
    """Writes lines. What the other end does not take at once is lost: a log is no evidence and
    stops no door.

    A line is written whole or not at all. If only a part fitted, the rest goes first later, and new
    lines are lost until then; so no more than one line is kept. How many were lost is told with the
    next line that fits.
    """

    def __init__(self, stream: TextIO, render: Processor) -> None:
        self._stream = stream
        self._render = render
        self._write = _waitless(self, stream)
        self._encoding = stream.encoding or "utf-8"
        self._lock = threading.RLock()
        self._busy = False
        self._rest = b""
        self._lost = 0

    def msg(self, line: str) -> None:
        """Write one rendered line, in one piece, so that lines of other threads do not mix
        with it.
        """
        with self._lock:
            if self._busy:  # a finaliser logs in the middle of another line
                self._lost += 1
                return
            self._busy = True
            try:
                self._put(line)
            except (OSError, ValueError):  # full, closed or broken
                self._lost += 1
            finally:
                self._busy = False

    def _put(self, line: str) -> None:
        """Write the rest of an earlier line, then this one.

        Raise OSError or ValueError if this one is lost.
        """
        if self._rest:
            self._rest = self._rest[self._write(self._rest) :]
            if self._rest:
                raise BlockingIOError
        lost = self._lost
        text = f"{self._notice(lost)}\n{line}\n" if lost else f"{line}\n"
        data = text.encode(self._encoding, "backslashreplace")
        self._rest = data[self._write(data) :]
        self._lost -= lost

    def _notice(self, lost: int) -> str:
        event = _stamp(None, "warning", {"event": "lines lost", "level": "warning", "lost": lost})
        return str(self._render(None, "warning", event))

    debug = info = warning = error = critical = msg


def _waitless(owner: object, stream: TextIO) -> Callable[[bytes], int]:
    """Return a write that never waits: it returns how many bytes went, or raises OSError
    (BlockingIOError: full).

    O_NONBLOCK belongs to the open file, which other processes share, and is left as it is: a socket
    is told with each send, a pipe or terminal is opened a second time. What is opened lives as long
    as `owner`. A file never waits long.
    """
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            peer = socket.socket(fileno=os.dup(descriptor))
            weakref.finalize(owner, peer.close)
            return lambda data: peer.send(data, socket.MSG_DONTWAIT)
    except (OSError, ValueError):  # no descriptor: a stream in memory
        return partial(_to_stream, stream)
    if not stat.S_ISFIFO(mode) and not os.isatty(descriptor):
        stream.flush()
        # not by the stream, which would keep what a full disk refuses
        return partial(os.write, descriptor)
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        own = os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:  # another account's pipe or terminal
        return partial(_when_ready, descriptor)
    weakref.finalize(owner, os.close, own)
    return partial(os.write, own)


def _to_stream(stream: TextIO, data: bytes) -> int:
    stream.write(data.decode(stream.encoding or "utf-8", "backslashreplace"))
    stream.flush()
    return len(data)


def _when_ready(descriptor: int, data: bytes) -> int:
    """Write as much as surely fits: a pipe that is ready takes PIPE_BUF bytes."""
    sent = 0
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    while sent < len(data) and ready.poll(0):
        sent += os.write(descriptor, data[sent : sent + select.PIPE_BUF])
    if not sent:
        raise BlockingIOError
    return sent


class _Bridge(logging.Handler):
    """Sends what libraries log the way of all logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record; a record that cannot be formatted is told by its template."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        level = record.levelname.lower() if record.levelname.lower() in LEVELS else "error"
        log = getattr(structlog.get_logger(), level)
        log("library", library=record.name, message=text, exc_info=record.exc_info or None)
