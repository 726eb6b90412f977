"""One connection of a browser: handshake, request, answer, end. None of its calls waits.

Laws:
1. A request comes whole within ARRIVE_SECONDS: of the connection's first moment, or of the last
   answer's end. The handshake is in that time.
2. An answer is taken within SEND_SECONDS, and an end is seen within LEAVE_SECONDS.
3. What a thread sends is kept here, and sent by who waits: no thread waits for a peer.
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections import deque
from enum import Enum, auto
from typing import Any

from gunicorn.http import get_parser
from gunicorn.workers.gthread import TConn

from hubsite.serving.intake import Intake

ARRIVE_SECONDS = 15.0
SEND_SECONDS = 30.0
LEAVE_SECONDS = 2.0
PIECE_BYTES = 16_384


class Stage(Enum):
    """Where a connection is."""

    SHAKING = auto()
    ASKING = auto()
    ANSWERED = auto()
    SENDING = auto()
    LEAVING = auto()


class Wants(Enum):
    """What a connection waits for."""

    BYTES = auto()
    ROOM = auto()
    ANSWER = auto()
    END = auto()


class Outbox:
    """Stands where a thread expects the socket: keeps what it sends (law 3)."""

    def __init__(self) -> None:
        self.pieces: deque[memoryview] = deque()

    def sendall(self, data: bytes) -> None:
        """Keep it."""
        if data:
            self.pieces.append(memoryview(data))

    def setblocking(self, _is_blocking: bool) -> None:
        """Nothing here blocks."""

    def gettimeout(self) -> float:
        """Return 0: so whoever writes a refusal writes it as it is."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """Raise OSError: whoever ends a connection goes on to `close`."""
        raise OSError(errno.ENOTCONN, "an outbox has no other side")

    def close(self) -> None:
        """Nothing is open; who waits ends the connection."""


class Connection(TConn):
    """A connection as the web server's thread wants it. Raise OSError for one that is no TLS."""

    def __init__(
        self,
        cfg: Any,
        context: ssl.SSLContext,
        accepted: socket.socket,
        ends: tuple[Any, Any],
        number: int,
    ) -> None:
        """`ends` are the peer's address and this server's; `number` is its own alone."""
        super().__init__(cfg, accepted, *ends)
        self.number = number
        self.initialized = True
        self.data_ready = True
        self.wire = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        self.stage = Stage.SHAKING
        self.intake = Intake()
        self.until = time.monotonic() + ARRIVE_SECONDS
        self._serves_again = False

    def go_on(self) -> Wants:
        """Do what can be done now; return what is waited for. Raise OSError for a lost peer."""
        try:
            while True:
                wants = _STEPS[self.stage](self)
                if wants is not None:
                    return wants
        except ssl.SSLWantReadError:
            return Wants.BYTES
        except ssl.SSLWantWriteError:
            return Wants.ROOM
        except BlockingIOError:
            return Wants.BYTES

    def answered(self, may_serve_again: bool) -> None:
        """A thread has answered: from now on its answer is sent."""
        self._serves_again = may_serve_again and self.intake.is_exact
        self._enter(Stage.SENDING, SEND_SECONDS)

    @property
    def has_begun(self) -> bool:
        """Tell whether a part of a request is here, or an answer is on its way."""
        return self.stage is Stage.SENDING or bool(self.intake.data)

    def _enter(self, stage: Stage, seconds: float) -> None:
        self.stage = stage
        self.until = time.monotonic() + seconds

    def _shake(self) -> None:
        self.wire.do_handshake()
        self.stage = Stage.ASKING  # in the same time (law 1)

    def _read(self) -> Wants | None:
        data = self.wire.recv(PIECE_BYTES)
        if not data:
            return Wants.END
        if not self.intake.take(data):
            return None
        self.sock = Outbox()
        self.parser = get_parser(self.cfg, [bytes(self.intake.data)], self.client)
        self.stage = Stage.ANSWERED
        return Wants.ANSWER

    def _send(self) -> None:
        pieces = self.sock.pieces
        if pieces:
            sent = self.wire.send(pieces[0])
            pieces[0] = pieces[0][sent:]
            if not pieces[0]:
                pieces.popleft()
        elif self._serves_again:
            self.intake = Intake()
            self._enter(Stage.ASKING, ARRIVE_SECONDS)
        else:
            self.wire.shutdown(socket.SHUT_WR)
            self._enter(Stage.LEAVING, LEAVE_SECONDS)

    def _leave(self) -> Wants:
        """Read away what comes, so that the answer is not lost with it."""
        return Wants.BYTES if self.wire.recv(PIECE_BYTES) else Wants.END


_STEPS = {
    Stage.SHAKING: Connection._shake,
    Stage.ASKING: Connection._read,
    Stage.SENDING: Connection._send,
    Stage.LEAVING: Connection._leave,
}
