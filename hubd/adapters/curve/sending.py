"""Sending on a socket of `zmq.asyncio` without its futures: they cost more than the sending.

Law: a message that comes while another goes is read all the same. libzmq tells of messages by the
edges of a descriptor, and a call that sends may take an edge that was for the reading side. So the
events are looked at after each message, as `zmq.asyncio` does itself.
"""

from __future__ import annotations

import zmq
import zmq.asyncio


class Sending:
    """The sending side of a socket that somebody else reads and closes."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket
        self._bare: zmq.Socket[bytes] = zmq.Socket.shadow(socket)

    def now(self, message: bytes) -> bool:
        """Hand over one message; False, and nothing queued, when the queue is full."""
        try:
            self._bare.send(message, zmq.DONTWAIT)
        except zmq.ZMQError:
            return False
        finally:
            self._socket.get(zmq.EVENTS)
        return True
