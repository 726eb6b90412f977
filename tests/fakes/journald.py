"""journald's own socket: reads what comes as its native protocol has it.

It can be full (nobody reads), and it can be gone.
"""

from __future__ import annotations

import select
import socket
import struct
from pathlib import Path

WAIT_SECONDS = 20.0


class FakeJournald:
    """A datagram socket, and the entries that came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def entries(self) -> list[dict[str, str]]:
        """Take what is there."""
        found = []
        while select.select([self._socket], [], [], 0)[0]:
            found.append(read_entry(self._socket.recv(1 << 20)))
        return found

    def close(self) -> None:
        """Be gone, as journald is not even during its restart."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


def read_entry(data: bytes) -> dict[str, str]:
    """Read one datagram. Raise ValueError for what journald would not take."""
    fields: dict[str, str] = {}
    while data:
        head, newline, data = data.partition(b"\n")
        if not newline:
            raise ValueError("the last field has no end")
        name, equals, value = head.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value = data[8 : 8 + length]
            if data[8 + length : 9 + length] != b"\n":
                raise ValueError("a binary field has no end")
            data = data[9 + length :]
        key = name.decode("ascii")
        if not (key.isupper() and key.replace("_", "").isalnum()) or key in fields:
            raise ValueError(f"{key} is no name of a field, or is there twice")
        fields[key] = value.decode()
    return fields
