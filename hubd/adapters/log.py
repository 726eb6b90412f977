"""Logs for people: one JSON object a line on stderr for journald, plain text when a person sits at stderr.

Laws: no secret reaches a log. Bytes are never shown, only their number; a value under a key that names a secret is
redacted; an object is shown by its type alone; text is cut at a length. Every line is one line, whatever was put into
it. Logs of libraries (`logging`) take the same way, warnings and above. Import this module before anything else imports
structlog: structlog loads `rich` when it can, which costs the daemon 35 ms and 3.7 MB that it never uses.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO

import msgspec


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
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

TEXT_CHARS_MAX = 2000
ITEMS_MAX = 50
DEPTH_MAX = 4

SECRET_WORDS = frozenset(
    {"key", "keys", "secret", "secrets", "nonce", "token", "tokens", "password", "pin", "challenge", "ticket", "psk"}
)
"""A key of a log line that has one of these among its words (split at `_`) is redacted."""
REDACTED = "<redacted>"

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def set_up(level: str = "info", stream: TextIO = sys.stderr, human: bool | None = None) -> None:
    """Configure structlog and `logging` for the process; `human` None: ask the stream whether it is a terminal."""
    plain = stream.isatty() if human is None else human
    sink = _Sink(stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            _render_plain if plain else _render_json,
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
            text = str(value).encode(errors="backslashreplace").decode()  # file names may hold lone surrogates
            if len(text) <= TEXT_CHARS_MAX:
                return text
            return "..." + text[-TEXT_CHARS_MAX:] if key == "exception" else text[:TEXT_CHARS_MAX] + "..."
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Mapping() if depth:
            return {str(k): _shown(str(k), v, depth - 1) for k, v in list(value.items())[:ITEMS_MAX]}
        case list() | tuple() | set() | frozenset() if depth:
            return [_shown(key, item, depth - 1) for item in list(value)[:ITEMS_MAX]]
        case _:
            return f"<{type(value).__name__}>"


def _render_json(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    ordered = {"event": event.pop("event", ""), "level": event.pop("level", ""), "time": event.pop("timestamp", "")}
    return msgspec.json.encode(ordered | dict(event)).decode()


def _render_plain(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    name, level, time = (event.pop(part, "") for part in ("event", "level", "timestamp"))
    trace = event.pop("exception", None)
    pairs = " ".join(f"{key}={_printable(value)}" for key, value in event.items())
    lines = [f"{str(time)[11:23]} {level:<7} {_printable(name)} {pairs}".rstrip()]
    lines += [f"    {_printable(line)}" for line in str(trace).splitlines()] if trace else []
    return "\n".join(lines)


def _printable(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)


class _Sink:
    """Writes lines. A stream that is closed, full or broken loses them: a log is no evidence and stops no door."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one rendered line, in one piece, so that lines of other threads do not mix with it."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = msg


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
