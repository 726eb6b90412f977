"""The other end of the uplink's figures, in a process of its own: `python -m benchmarks.far_end`.

`echo` answers each CURVE message with itself: the bare round trip. `backend` is the reference
backend. Each prints its endpoint once it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import zmq
from zmq.utils import z85

from hubsim.backend.server import Backend

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


def main() -> None:
    """Run what is asked for."""
    what, secret, *rest = sys.argv[1:]
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
