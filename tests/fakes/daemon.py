"""A fake of the other end of the local socket: it answers each call as it was told to."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Answer = Callable[[str], bytes]
"""Takes the name of a call and returns the bytes that are sent; then the connection is closed."""


def documents(known: dict[str, Any]) -> Answer:
    """Answer calls with documents; one that is not known is refused, as an older hubd does.

    A tail tells each of its documents, and closes.
    """

    def answer(call: str) -> bytes:
        if call not in known:
            said: dict[str, Any] = {"error": {"code": "unknown-call", "message": f"no {call}"}}
        elif call == "tail":
            return b"".join(map(_line, [{"id": 1, "api": 1, "result": "tailing"}, *known[call]]))
        else:
            said = {"result": known[call]}
        return _line({"id": 1, "api": 1, **said})

    return answer


def _line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


class Daemon:
    """One listener for as long as the context lasts; `answer` may be changed meanwhile."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = path
        self.answer = answer
        self.asked: list[str] = []
        """The names of the calls that came."""
        self.arguments: list[dict[str, Any]] = []
        """What came with each of them."""
        self.connections = 0

    def __enter__(self) -> Daemon:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                self._speak(connection)

    def _speak(self, connection: socket.socket) -> None:
        """Answer until the other end closes, or nothing more can be understood."""
        for request in _requests(connection):
            call = str(request["call"])
            self.asked.append(call)
            self.arguments.append(request.get("args", {}))
            said = self.answer(call)
            connection.sendall(said)
            if call == "tail" or not said.endswith(b"\n"):
                return


def _requests(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield each request; the bytes that come along are dropped."""
    received = b""
    while True:
        line, end, rest = received.partition(b"\n")
        if end:
            request = json.loads(line)
            body = int(request.get("body", 0))
            while len(rest) < body:
                rest += connection.recv(1 << 16)
            received = rest[body:]
            yield request
            continue
        more = connection.recv(1 << 16)
        if not more:
            return
        received += more
