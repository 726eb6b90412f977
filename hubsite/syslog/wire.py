"""One TLS connection to the syslog server.

Laws:
1. The server proves its name, under an authority that we believe. TLS 1.2 or newer.
   Where the file has pins, its key is one of them.
2. Nothing here waits longer than WAIT_SECONDS.
3. What the server says is read away: it has nothing to say (RFC 5425, section 4.3). Its end is
   noticed before the next message.
4. Syslog has no receipts, but TCP has: what the other machine's system has not acknowledged is not
   through. Nothing acknowledged for SILENT_SECONDS is the end of the connection.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import time
from contextlib import suppress

from hubcore.errors import ConfigError, LinkError
from hubsite.config import Site, Syslog, secret_file
from hubsite.pins.comparing import pin

WAIT_SECONDS = 10.0
SILENT_SECONDS = 30.0
_LOOK_SECONDS = 0.01
_COUNT = struct.Struct("@i")
_PIECE_BYTES = 4096


def context_of(site: Site, section: Syslog) -> ssl.SSLContext:
    """Return how the server is believed (law 1). Raise ConfigError."""
    try:
        authority = site.place(section.authority) if section.authority else None
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if section.certificate:
            secret_file(section.key, site.file, "syslog.key")
            context.load_cert_chain(site.place(section.certificate), site.place(section.key))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{site.file}: syslog: authority, certificate and key are files in PEM: {error}"
        ) from error
    pin(context, "syslog", lambda _host: section.pins)
    return context


class SyslogWire:
    """A connection that was made. Each call raises LinkError for a server that is lost."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        try:
            plain = socket.create_connection((host, port), WAIT_SECONDS)
        except (OSError, ValueError) as error:  # a name that can be none is a ValueError
            raise LinkError(f"{host}:{port}: {error}") from error
        try:
            silent_ms = round(SILENT_SECONDS * 1000)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)
            self._wire = context.wrap_socket(plain, server_hostname=host)
        except (OSError, ValueError) as error:
            plain.close()
            raise LinkError(f"{host}:{port}: {error}") from error

    def send(self, frame: bytes) -> None:
        """Send a message in its frame."""
        try:
            self._hear()
            self._wire.sendall(frame)
        except OSError as error:
            raise LinkError(f"the connection was lost: {error}") from error

    def is_through(self, seconds: float = 0.0) -> bool:
        """Tell whether the other machine has acknowledged all (law 4); wait so long for it."""
        until = time.monotonic() + seconds
        while self._unacknowledged():
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _unacknowledged(self) -> int:
        """Return how many bytes wait in this machine, or on their way (SIOCOUTQ)."""
        try:
            raw = fcntl.ioctl(self._wire, termios.TIOCOUTQ, bytes(_COUNT.size))
            self._hear()
        except OSError as error:
            raise LinkError(f"the connection was lost: {error}") from error
        count: int = _COUNT.unpack(raw)[0]
        return count

    def _hear(self) -> None:
        """Keep law 3, without waiting."""
        self._wire.settimeout(0)
        try:
            if not self._wire.recv(_PIECE_BYTES):
                raise ConnectionResetError("the server has ended it")
        except ssl.SSLWantReadError:
            return
        finally:
            self._wire.settimeout(WAIT_SECONDS)

    def close(self) -> None:
        """End it: our end is said (RFC 5425, section 4.4), and nobody waits for the server's."""
        self._wire.settimeout(0)
        with suppress(OSError):
            self._wire.unwrap()
        self._wire.close()
