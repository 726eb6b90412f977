"""hubgateway: argv, configuration, serve; nothing else.

Exit status (sysexits.h): 0 stopped, 78 the configuration is refused, 69 the engine is away.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import zmq

from hubcore.errors import ConfigError, LinkError
from hubgateway.config import Config, load, secret_key
from hubgateway.engine.engine import Engine
from hubgateway.engine.trouble import complain
from hubgateway.gateway import Gateway

EX_CONFIG = 78
EX_UNAVAILABLE = 69


def main() -> None:
    """Serve as the file says."""
    parser = argparse.ArgumentParser("hubgateway", description="Hubs in front of NATS JetStream.")
    parser.add_argument("--config", type=Path, default=Path("/etc/hubgateway/hubgateway.toml"))
    parser.add_argument("--check-config", action="store_true", help="say whether all is right")
    options = parser.parse_args()
    try:
        config = load(options.config)
        secret = secret_key(config, options.config)
        if options.check_config:
            public = zmq.curve_public(secret).decode("ascii")
            print(f"hubgateway: {options.config} is right; public key {public}")  # noqa: T201
            return
        asyncio.run(_serve(config, secret))
    except ConfigError as error:
        complain(str(error).removeprefix("hubgateway: "))
        sys.exit(EX_CONFIG)
    except LinkError as error:
        complain(str(error))
        sys.exit(EX_UNAVAILABLE)


async def _serve(config: Config, secret: bytes) -> None:
    engine = Engine(config.servers, config.credentials, config.replicas)
    gateway = Gateway(config.listen, secret, engine)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    refused: list[BaseException] = []
    try:
        await engine.connect()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(gateway.serve(_ready))
            group.create_task(_end(stopped, serving))
    except* (ConfigError, LinkError) as errors:
        refused.extend(errors.exceptions)
    finally:
        await engine.close()
    if refused:
        raise refused[0]


async def _end(stopped: asyncio.Event, serving: asyncio.Task[None]) -> None:
    await stopped.wait()
    serving.cancel()


def _ready(endpoint: str) -> None:
    print(f"hubgateway: hubs at {endpoint}", flush=True)  # noqa: T201
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address.replace("@", "\0", 1))


if __name__ == "__main__":
    main()
