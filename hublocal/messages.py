"""The lines of the local API: what a client asks, and what it is answered."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec

from hubcore.localapi import API

LINE_BYTES_MAX = 16 * 1024
"""Of a request. Three times as much is kept of what a client sent and nobody has read yet."""
ECHO_CHARS_MAX = 200
"""Of what a client sent, in an answer or a log."""

CALL_ID_MAX = 1 << 53
"""The largest integer that every JSON reader keeps exactly."""

Plain = str | int | float | bool | None


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One request; `args` is a flat object.

    `body`: so many bytes follow the line. Only a call that takes them may have some.
    """

    id: Annotated[int, msgspec.Meta(ge=0, le=CALL_ID_MAX)]
    call: str
    args: dict[str, Plain] = {}
    body: Annotated[int, msgspec.Meta(ge=0, le=CALL_ID_MAX)] = 0
    api: int = API


def result_line(call_id: int, result: object) -> bytes:
    """Return the answer that holds a result, with its newline."""
    return _line({"id": call_id, "api": API, "result": result})


def error_line(call_id: int | None, code: str, message: str) -> bytes:
    """Return the answer that holds an error; `call_id` None: it answers no call."""
    error = {"code": code, "message": message}
    return _line({"id": call_id, "api": API, "error": error})


def event_line(call_id: int, event: bytes) -> bytes:
    """Return a tail's line for one event, which is JSON already."""
    return b'{"id":%d,"event":' % call_id + event + b"}\n"


def begins_line(call_id: int, begins: float) -> bytes:
    """Return a tail's line that tells from when on events are remembered, in Unix seconds."""
    return _line({"id": call_id, "begins": begins})


def lost_line(call_id: int, count: int) -> bytes:
    """Return a tail's line that tells how many events were lost."""
    return _line({"id": call_id, "lost": count})


def beat_line(call_id: int, number: int) -> bytes:
    """Return a tail's line that the client must answer."""
    return _line({"id": call_id, "beat": number})


def _line(message: dict[str, object]) -> bytes:
    try:
        encoded = msgspec.json.encode(message)
    except UnicodeEncodeError:  # somebody's file has a name that is no UTF-8
        encoded = json.dumps(message).encode("ascii")
    return encoded + b"\n"
