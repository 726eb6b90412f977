"""Who is at the other end of a unix socket, as the kernel says: it cannot be forged.

See SO_PEERCRED in unix(7). SO_PEERGROUPS tells the groups beside the first.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = 59
"""Of asm-generic/socket.h; Python has no name for it."""
_GROUPS_BYTES = 1024
"""The most that Python asks for: 256 groups. A user in more has none of them."""


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """The process that connected, as it was at that moment."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = field(default=frozenset(), repr=False)
    """All of them, as they were when the process connected."""

    def shown(self) -> dict[str, int]:
        """Return who it is, for a line of the journal."""
        return {"pid": self.pid, "uid": self.uid, "gid": self.gid}


def peer_of(connection: socket.socket) -> PeerProcess:
    """Return the peer of a connected unix socket. Raise OSError when the kernel does not say."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(credentials)
    groups = frozenset({gid, *_groups_of(connection)})
    return PeerProcess(pid=pid, uid=uid, gid=gid, groups=groups)


def _groups_of(connection: socket.socket) -> tuple[int, ...]:
    """Return the groups beside the first; none where the kernel does not tell."""
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        return ()
    return struct.unpack(f"{len(told) // 4}I", told)
