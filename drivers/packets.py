"""Packets between hubd and a process of its own, over a pair of sockets that keeps their borders.

Law: nobody waits here. Who does not read loses what was sent.
"""

from __future__ import annotations

import socket
from contextlib import suppress


def send(peer: socket.socket, packet: bytes) -> None:
    """Send a packet, or lose it."""
    with suppress(OSError):
        peer.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive(peer: socket.socket, bytes_max: int) -> bytes | None:
    """Return one packet, b'' at the end, None when there is none.

    One that is longer than `bytes_max` comes with one byte more than that, so that it is noticed.
    """
    try:
        return peer.recv(bytes_max + 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
