"""The other end of the uplink's figures, in a process of its own: `python -m benchmarks.far_end`.

`echo` answers each CURVE message with itself: the bare round trip. `backend` is the reference
backend. `tls` answers each frame with itself, over TLS as the bridge in a folder. Each prints where
it is once it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path

import zmq
from zmq.utils import z85

from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.words import FROM_HUB_BYTES
from hubsim.backend.server import Backend

READ_BYTES = 65_536
ANY = "tcp://127.0.0.1:*"


def echo(secret: str) -> None:
    """Answer until killed."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        key = secret.encode()
        router.curve_server = True
        router.curve_secretkey = key
        router.curve_publickey = zmq.curve_public(key)
        router.bind(ANY)
        print(router.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
        while True:
            router.send_multipart(router.recv_multipart())


async def backend(secret: str, hub_public: str, directory: Path) -> None:
    """Serve one hub until killed."""
    served = Backend(ANY, secret, {hub_public: "hub-1"}, directory)
    async with asyncio.TaskGroup() as group:
        group.create_task(served.serve())
        await served.serving.wait()
        print(served.endpoint, flush=True)


async def tls(folder: Path) -> None:
    """Answer whoever proves to be of the site, until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "authority.pem")
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(FROM_HUB_BYTES)
        while data := await reader.read(READ_BYTES):
            frames.feed(data)
            while (message := frames.next()) is not None:
                writer.write(frame(message))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        print(f"frames at port {listening.sockets[0].getsockname()[1]}", flush=True)
        await listening.serve_forever()


def main() -> None:
    """Run what is asked for."""
    what, secret, *rest = sys.argv[1:]
    if what == "tls":
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(tls(Path(secret)))
        return
    if what == "echo":
        with contextlib.suppress(KeyboardInterrupt):
            echo(secret)
        return
    hub_public, directory = rest
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(backend(secret, hub_public, Path(directory)))


def public_of(secret: str) -> bytes:
    """Return the 32 bytes of the public key of a secret one in Z85."""
    return z85.decode(zmq.curve_public(secret.encode()))


if __name__ == "__main__":
    main()
