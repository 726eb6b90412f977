"""Log lines with fields, to journald by its own protocol: `journalctl -u hubd DOOR=front`.

Laws:
1. It is spoken only where standard error is journald's (`leads_to_journald`); systemd's programs
   go by the same rule.
2. One line is one datagram, and sending never waits.
3. What is no datagram for journald goes the way of the stream, without fields: a line that is too
   long, and every line while its socket is full or cannot be reached. The stream says how many of
   these were lost (`sink`, law 1).
4. A value with a control character goes with its length before it, so that it makes no field.

The protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

from __future__ import annotations

import os
import socket
import struct
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from hubd.adapters.journal.sink import NO_FIELDS, Fields, LineSink

JOURNALD: Final = Path("/run/systemd/journal/socket")
DATAGRAM_BYTES_MAX = 48 * 1024
"""journald cuts the lines of a stream at the same length (LineMax=)."""
IDENTIFIER = "hubd"
"""What systemd calls the lines of this service's stream."""

_DATAGRAMS = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK


def leads_to_journald(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether a stream is the one that systemd connected to journald.

    JOURNAL_STREAM has its device and inode (systemd.exec(5)). A stream that was led elsewhere since
    then has others.
    """
    try:
        about = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return False
    return environment.get("JOURNAL_STREAM", "") == f"{about.st_dev}:{about.st_ino}"


class NativeSink:
    """Sends lines to journald; `stream` takes those that cannot be sent."""

    def __init__(self, stream: LineSink, journald: Path = JOURNALD) -> None:
        self._stream = stream
        self._journald = str(journald)
        self._socket = socket.socket(socket.AF_UNIX, _DATAGRAMS)
        weakref.finalize(self, self._socket.close)

    def msg(self, line: str, fields: Fields = NO_FIELDS) -> None:
        """Send one line; the kernel takes it whole, also beside those of other threads."""
        if self._sent(datagram(line, fields)):
            self._stream.tell_lost()
        else:
            self._stream.msg(line)

    def _sent(self, data: bytes) -> bool:
        if len(data) > DATAGRAM_BYTES_MAX:
            return False
        try:
            self._socket.sendto(data, self._journald)
        except OSError:  # full, or not there
            return False
        return True

    debug = info = warning = error = critical = msg


def datagram(line: str, fields: Fields) -> bytes:
    """Return a line as journald reads it."""
    entry = {"MESSAGE": line, "SYSLOG_IDENTIFIER": IDENTIFIER, **fields}
    return b"".join(_field(name, value) for name, value in entry.items())


def _field(name: str, value: str) -> bytes:
    key = name.encode("ascii")
    data = value.encode("utf-8", "backslashreplace")
    if any(byte < ord(" ") for byte in data):
        return key + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return key + b"=" + data + b"\n"
