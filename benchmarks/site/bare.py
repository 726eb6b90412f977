"""`python -m benchmarks.site.bare CERTIFICATE KEY`: a server that shakes hands and says two words.

It is the peer of `hubsite` where many phones come at once: what TLS alone costs both sides. It
prints its port, and ends with its standard input.

Law: one thread, one connection after the other, nothing read but the end of a request's head.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
WAITING = 1024


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await writer.drain()
    writer.close()


async def _serve(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(
        _answer, "127.0.0.1", 0, ssl=context, backlog=WAITING, ssl_handshake_timeout=60
    )
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def serving_bare(folder: Path) -> Iterator[tuple[int, int]]:
    """Serve by the certificate of this folder; yield the process and its port."""
    words = (str(folder / "tls.pem"), str(folder / "tls.key"))
    argv = [sys.executable, "-m", "benchmarks.site.bare", *words]
    with Popen(argv, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
