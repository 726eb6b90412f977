"""The file of a local socket: taken at the start, given up at the stop.

Laws:
1. A socket file that somebody answers is never taken over; one that nobody answers is replaced.
2. At the stop only the owner's own file is removed.
3. A listener that is handed over keeps its file, and everybody who waits in it.
"""

from __future__ import annotations

import errno
import socket
import stat
from contextlib import suppress
from pathlib import Path

from hubcore.errors import ConfigError
from hublocal.owner import Owner

_KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class SocketFile:
    """One listening unix socket; `listener` is None while it is not taken."""

    def __init__(self, path: Path, mode: int, owner: Owner) -> None:
        self._path = path
        self._owner = owner
        self._mode = mode
        self._own: tuple[int, int] | None = None
        self.listener: socket.socket | None = None

    def bind(self, backlog: int) -> socket.socket:
        """Take the file and listen.

        Raise ConfigError when another program answers there or the place cannot be used.
        """
        listener = socket.socket(socket.AF_UNIX, _KIND)
        try:
            _remove_stale(self._path, self._owner)
            listener.bind(str(self._path))
            self._path.chmod(self._mode)  # before listen, so that nobody is let in by another mode
            listener.listen(backlog)
            status = self._path.stat()
        except OSError as error:
            if listener.getsockname():  # it was bound: the file is ours
                self._path.unlink(missing_ok=True)
            listener.close()
            why = error.strerror or error
            remedy = (
                f"see to it that {self._path.parent} is a directory this user may write "
                f"(RuntimeDirectory={self._owner.program})"
            )
            sentence = f"{self._path}: the local socket cannot be made: {why}; {remedy}"
            raise ConfigError(sentence) from error
        except ConfigError:
            listener.close()
            raise
        self._own = (status.st_dev, status.st_ino)
        self.listener = listener
        return listener

    def take_up(self, descriptor: int) -> socket.socket:
        """Listen on what another process has bound to this file.

        Raise ConfigError when it is bound to another, or no listener. It is taken over only then.
        """
        try:
            listener = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ConfigError(f"{self._path}: what was handed over is no socket") from error
        try:
            status = self._path.stat()
            is_bound = listener.getsockname() == str(self._path)
            listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            is_bound = False
            listens = 0
        if not (is_bound and listens):
            listener.detach()
            raise ConfigError(f"{self._path}: what was handed over does not listen there")
        listener.setblocking(False)
        self._own = (status.st_dev, status.st_ino)
        self.listener = listener
        return listener

    def hand_on(self) -> int | None:
        """Return the listener's descriptor, the caller's from now on; its file stays."""
        if self.listener is None:
            return None
        descriptor = self.listener.detach()
        self.listener = None
        return descriptor

    def close(self) -> None:
        """Give up the socket and remove its file, unless the file is another's by now."""
        if self.listener is None:
            return
        self.listener.close()
        self.listener = None
        with suppress(OSError):
            status = self._path.stat()
            if (status.st_dev, status.st_ino) == self._own:
                self._path.unlink()


def _remove_stale(path: Path, owner: Owner) -> None:
    """Remove a socket file that nobody answers.

    Raise ConfigError for a live one and for any other file.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(
                f"{path}: expected nothing or a socket, found another file; move it away"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, _KIND) as probe:
        # never waits: a full backlog is EAGAIN, and somebody's
        outcome = probe.connect_ex(str(path))
    if outcome == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
    elif outcome != errno.ENOENT:
        raise ConfigError(
            f"{path}: another {owner.program} is running on this socket; stop it, or name another "
            f"in {owner.setting}"
        )
