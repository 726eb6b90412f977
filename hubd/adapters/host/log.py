"""Logs for people: a JSON object a line for journald, plain text when a person sits at stderr.

Laws:
1. No secret reaches a log (`redaction`).
2. Every line is one line, whatever was put into it.
3. Lines of one kind are paced. Those left out are counted and reported (`linepace`).
4. Writing never waits (`adapters.journal.sink`).
5. Logs of libraries (`logging`) take the same way, warnings and above.
6. Where stderr is journald's, it gets the same lines with fields (`adapters.journal.native`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from hubcore.redaction import redact
from hubcore.timing.moment import show_seconds
from hubd.adapters.host.linepace import LEFT_OUT, LEFT_OUT_SECONDS, LinePace
from hubd.adapters.host.structured import structlog
from hubd.adapters.journal.fields import fields_of
from hubd.adapters.journal.native import JOURNALD, NativeSink, leads_to_journald
from hubd.adapters.journal.sink import Fields, LineSink

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_Render = Callable[["WrappedLogger | None", str, "EventDict"], str]
_Arguments = tuple[tuple[str], dict[str, Fields]]
"""Of the sink's methods."""

_pace: LinePace | None = None


def set_up(
    level: str = "info",
    stream: TextIO = sys.stderr,
    human: bool | None = None,
    pace: LinePace | None = None,
    environment: Mapping[str, str] = os.environ,
    journald: Path = JOURNALD,
) -> None:
    """Configure structlog and `logging` for the process.

    `human` None: plain text when the stream is a terminal. `pace` None: no line is left out.
    """
    global _pace  # structlog's configuration is the process's, and so is this part of it
    _pace = pace
    is_plain = stream.isatty() if human is None else human
    render = _render_plain if is_plain else _render_json
    sink = _sink(stream, render, environment, journald)
    structlog.configure(
        processors=[
            *([] if pace is None else [pace]),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _stamp,
            structlog.processors.format_exc_info,
            _redact,
            _WithFields(render),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(level=logging.WARNING)]
    root.setLevel(logging.WARNING)


def _sink(
    stream: TextIO, render: _Render, environment: Mapping[str, str], journald: Path
) -> LineSink | NativeSink:
    """Return journald's own socket where the stream leads to journald, else the stream."""
    lines = LineSink(stream, lambda lost: _lost_line(render, lost))
    if leads_to_journald(stream, environment):
        return NativeSink(lines, journald)
    return lines


class _WithFields:
    """Makes the line of an event, and the fields beside it."""

    def __init__(self, render: _Render) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger | None, method: str, event: EventDict) -> _Arguments:
        fields = fields_of(event)
        return (self._render(logger, method, event),), {"fields": fields}


def get_logger(**context: Any) -> FilteringBoundLogger:
    """Return a logger whose lines carry `context`."""
    logger: FilteringBoundLogger = structlog.get_logger(**context)
    return logger


async def tell_left_out(seconds: float = LEFT_OUT_SECONDS) -> None:
    """Tell every so many seconds, and at the end, how many lines were left out.

    Run until cancelled.
    """
    try:
        while True:
            await asyncio.sleep(seconds)
            _tell_left_out()
    finally:
        _tell_left_out()


def _tell_left_out() -> None:
    if _pace is None:
        return
    for facts in _pace.report():
        structlog.get_logger().warning(LEFT_OUT, **facts)


def _redact(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
    return redact(event)


def _stamp(_logger: WrappedLogger | None, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = show_seconds(time.time())
    return event


def _render_json(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    ordered = {
        "event": event.pop("event", ""),
        "level": event.pop("level", ""),
        "time": event.pop("timestamp", ""),
    }
    ordered.update(event)
    return msgspec.json.encode(ordered).decode()


def _render_plain(_logger: WrappedLogger | None, _method: str, event: EventDict) -> str:
    name = event.pop("event", "")
    level = event.pop("level", "")
    moment = event.pop("timestamp", "")
    trace = event.pop("exception", None)
    pairs = [f"{key}={_printable(value)}" for key, value in event.items()]
    head = f"{moment} {level:<7} {_printable(name)} {' '.join(pairs)}"
    lines = [head.rstrip()]
    if trace:
        for line in str(trace).splitlines():
            lines.append(f"    {_printable(line)}")
    return "\n".join(lines)


def _printable(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)


def _lost_line(render: _Render, lost: int) -> str:
    event = {"event": "lines lost", "level": "warning", "lost": lost}
    stamped = _stamp(None, "warning", event)
    return render(None, "warning", stamped)


class _Bridge(logging.Handler):
    """Sends what libraries log the way of all logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record; of one that cannot be formatted, its template."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        name = record.levelname.lower()
        level = name if name in LEVELS else "error"
        log = getattr(structlog.get_logger(), level)
        log(
            "library",
            library=record.name,
            message=text,
            exc_info=record.exc_info or None,
        )
