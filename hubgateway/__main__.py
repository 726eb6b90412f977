"""hubgateway: argv, configuration, serve; nothing else.

Exit status (sysexits.h): 0 stopped, 78 the configuration is refused, 69 the engine is away.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import zmq

from hubcore.errors import ConfigError, LinkError, StoreError
from hubcore.version import __version__
from hubgateway.bridges.place import BridgesPlace, bridges_place
from hubgateway.bridges.serve import serve_bridges
from hubgateway.config import Config, load, secret_key
from hubgateway.engine.engine import Engine
from hubgateway.engine.trouble import complain
from hubgateway.enrolment.place import Place, place
from hubgateway.enrolment.serve import serve_new_hubs
from hubgateway.gateway import Gateway
from hubgateway.notify import notify_ready

EX_CONFIG = 78
EX_UNAVAILABLE = 69


def main() -> None:
    """Serve as the file says."""
    parser = argparse.ArgumentParser("hubgateway", description="Hubs in front of NATS JetStream.")
    parser.add_argument("--config", type=Path, default=Path("/etc/hubgateway/hubgateway.toml"))
    parser.add_argument("--version", action="version", version=f"hubgateway {__version__}")
    parser.add_argument("--check-config", action="store_true", help="say whether all is right")
    options = parser.parse_args()
    try:
        config = load(options.config)
        secret = secret_key(config.curve_secret, options.config)
        new_hubs = _new_hubs(config, options.config, secret)
        bridges = _bridges(config, options.config)
        if options.check_config:
            public = zmq.curve_public(secret).decode("ascii")
            print(f"hubgateway: {options.config} is right; public key {public}")  # noqa: T201
            if new_hubs is not None:
                print(f"hubgateway: enrolment key {new_hubs.public}")  # noqa: T201
            if bridges is not None:
                print(f"hubgateway: bridges know it as {bridges.identity.name.uri}")  # noqa: T201
            return
        asyncio.run(_serve(config, secret, new_hubs, bridges))
    except ConfigError as error:
        complain(str(error).removeprefix("hubgateway: "))
        sys.exit(EX_CONFIG)
    except (LinkError, StoreError) as error:
        complain(str(error))
        sys.exit(EX_UNAVAILABLE)


def _first(errors: BaseException) -> BaseException:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors


def _new_hubs(config: Config, file: Path, secret: bytes) -> Place | None:
    return None if config.enrolment is None else place(config.enrolment, file, secret)


def _bridges(config: Config, file: Path) -> BridgesPlace | None:
    return None if config.bridges is None else bridges_place(config.bridges, file)


async def _serve(
    config: Config, secret: bytes, new_hubs: Place | None, bridges: BridgesPlace | None
) -> None:
    engine = Engine(config.servers, config.credentials, config.replicas, config.authority)
    gateway = Gateway(config.listen, secret, engine)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    refused: list[BaseException] = []
    try:
        await engine.connect()
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve_all(gateway, engine, new_hubs, bridges))
            group.create_task(_end(stopped, serving))
    except* (ConfigError, LinkError, StoreError) as errors:
        refused.append(_first(errors))
    finally:
        await engine.close()
    if refused:
        raise refused[0]


async def _serve_all(
    gateway: Gateway, engine: Engine, new_hubs: Place | None, bridges: BridgesPlace | None
) -> None:
    """Serve hubs, and new ones and bridges where the configuration says so, until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(engine.watch())
        if new_hubs is not None:
            port = await serve_new_hubs(new_hubs, engine, group)
            print(f"hubgateway: new hubs at port {port}", flush=True)  # noqa: T201
        if bridges is not None:
            port = await serve_bridges(bridges, engine, group)
            print(f"hubgateway: bridges at port {port}", flush=True)  # noqa: T201
        group.create_task(gateway.serve(_ready))


async def _end(stopped: asyncio.Event, serving: asyncio.Task[None]) -> None:
    await stopped.wait()
    serving.cancel()


def _ready(endpoint: str) -> None:
    print(f"hubgateway: hubs at {endpoint}", flush=True)  # noqa: T201
    notify_ready()


if __name__ == "__main__":
    main()
