"""The client of the daemon's local socket: one request a line, one answer a line, and never a hang.

Laws: every wait has an end; every answer has a ceiling; what goes wrong is one `NoAnswer` with a sentence that says
what to do. The daemon's words are not trusted to be shown as they are: `hubd.cli.show` cleans them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

DEFAULT_SOCKET = Path("/run/hubd/hubd.sock")
ANSWER_SECONDS = 40.0
ANSWER_BYTES_MAX = 8 * 1024 * 1024

_SEE = "See: systemctl status hubd; journalctl -u hubd"


class NoAnswer(Exception):
    """The daemon gave no answer: `code` for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class HubClient:
    """One connection; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise _unreachable(path, error) from error
        self._lines = self._socket.makefile("rb")
        self._next_id = 1

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, name: str, **args: Any) -> Any:
        """Return the result of one call. Raise NoAnswer."""
        call_id, self._next_id = self._next_id, self._next_id + 1
        try:
            self._socket.sendall(msgspec.json.encode({"id": call_id, "call": name, "args": args}) + b"\n")
        except OSError as error:
            # A daemon that refuses a client says why before it closes: read that rather than guess.
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                raise NoAnswer("down", f"hubd does not take a request: {error}. {_SEE}") from error
        answer = self._read()
        if "result" not in answer:
            raise NoAnswer("protocol", f"hubd answered what this hubctl does not know; are both of one version? {_SEE}")
        return answer["result"]

    def tail(self) -> Iterator[dict[str, Any]]:
        """Yield `{"event": {...}}` and `{"lost": n}` until the daemon closes. Raise NoAnswer at once or at that end."""
        self.call("tail")
        self._socket.settimeout(None)  # a quiet hub is no dead one; a dead one closes the socket
        while True:
            answer = self._read()
            yield {part: answer[part] for part in ("event", "lost") if part in answer}

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(ANSWER_BYTES_MAX)
        except TimeoutError as error:
            raise NoAnswer("timeout", f"hubd did not answer within {ANSWER_SECONDS:g} s. {_SEE}") from error
        except OSError as error:
            raise NoAnswer("down", f"the connection to hubd broke: {error.strerror}. {_SEE}") from error
        if not line.endswith(b"\n"):
            raise NoAnswer("down", f"hubd closed the connection; it may have stopped. {_SEE}")
        try:
            answer = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NoAnswer("protocol", f"what answers on {self._path} is no hubd: {error}") from error
        match answer.get("error"):
            case None:
                return answer
            case {"code": str(code), "message": str(message)}:
                raise NoAnswer(code, message)
            case _:
                raise NoAnswer("protocol", f"what answers on {self._path} is no hubd")


def _unreachable(path: Path, error: OSError) -> NoAnswer:
    match error.errno:
        case errno.ENOENT:
            why = "there is no such socket: hubd does not run, or uses another (hubctl --socket PATH)"
        case errno.ECONNREFUSED:
            why = "nobody listens there: hubd does not run"
        case errno.EACCES | errno.EPERM:
            message = f"this user may not talk to hubd on {path}; join the group of that file, or use sudo"
            return NoAnswer("not-allowed", message)
        case _:
            why = error.strerror or str(error)
    return NoAnswer("down", f"hubd does not answer on {path}: {why}. {_SEE}")
