"""Who is at the other end of a unix socket, as the kernel says: it cannot be forged.

See SO_PEERCRED in unix(7).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """The process that connected, as it was at that moment."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> PeerProcess:
    """Return the peer of a connected unix socket. Raise OSError when the kernel does not say."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(credentials)
    return PeerProcess(pid=pid, uid=uid, gid=gid)
