"""Messages of syslog as bytes (RFC 5424), in the frames of TLS (RFC 5425, section 4.3).

Laws:
1. A message has at most MESSAGE_BYTES, which each receiver takes (RFC 5425, section 4.3.1). A
   longer one is cut at a character's end.
2. No character of control goes out: what a stranger typed begins no line of his own.
3. Log lines carry a number that rises by one (`sequenceId`, RFC 5424, section 7.3.1), so that
   what is missing shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

MESSAGE_BYTES = 2048
SEQUENCE_MAX = 2_147_483_647
_VERSION = 1
_APP = "hubsite"
_NIL = "-"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_OF_NAMES = re.compile(r"[^\x21-\x7e]")
_HOST_LENGTH = 255


class Facility(IntEnum):
    """Where a message comes from (RFC 5424, table 1)."""

    DAEMON = 3
    AUDIT = 13


class Severity(IntEnum):
    """How bad it is (RFC 5424, table 2)."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `at` in Unix seconds, `sequence` 0 for one that has no number."""

    facility: Facility
    severity: Severity
    kind: str
    at: float
    text: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: a host's name, and the process."""

    host: str
    process: int


def frame(sender: Sender, message: Message) -> bytes:
    """Return a message in its frame: its length, a space, its bytes."""
    priority = message.facility * 8 + message.severity
    at = datetime.fromtimestamp(message.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    host = _NOT_OF_NAMES.sub("", sender.host)[:_HOST_LENGTH] or _NIL
    data = f'[meta sequenceId="{message.sequence}"]' if message.sequence else _NIL
    head = f"<{priority}>{_VERSION} {at}Z {host} {_APP} {sender.process} {message.kind} {data} "
    text = "\ufeff" + _CONTROL.sub(_shown, message.text)
    body = _cut(head.encode("ascii") + text.encode("utf-8", "replace"))
    return b"%d %b" % (len(body), body)


def _shown(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _cut(data: bytes) -> bytes:
    """Keep law 1."""
    if len(data) <= MESSAGE_BYTES:
        return data
    return data[:MESSAGE_BYTES].decode("utf-8", "ignore").encode("utf-8")
