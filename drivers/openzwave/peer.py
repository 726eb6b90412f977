"""What the OpenZWave process asks of the machine: its socket to hubd, and the stick's path."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from drivers.openzwave.reports import Report
from drivers.openzwave.wire import PACKET_MAX, Unfitness
from hubcore.errors import HardwareError


class UnfitError(HardwareError):
    """The process cannot go on; `what` says on which side it is."""

    def __init__(self, what: Unfitness, message: str) -> None:
        super().__init__(message)
        self.what = what


def stick_there(port: str) -> tuple[int, int, int]:
    """Return which file a path leads to. Raise UnfitError when it leads nowhere."""
    try:
        found = os.stat(port)
    except OSError as error:
        raise UnfitError(Unfitness.STICK, f"there is no stick at {port}: {error}") from error
    return (found.st_dev, found.st_ino, found.st_rdev)


def send(peer: socket.socket, report: Report) -> None:
    """Send a report, or lose it; never wait."""
    with suppress(OSError):
        peer.send(report.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive(peer: socket.socket) -> bytes | None:
    """Return one packet, b'' at the end, None when there is none."""
    try:
        return peer.recv(PACKET_MAX + 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
