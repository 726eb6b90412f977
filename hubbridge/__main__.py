"""hubbridge: argv, configuration, serve; nothing else.

Exit status (sysexits.h): 0 stopped, 78 the configuration is refused, 69 the disk or the address is
away.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from hubbridge.app import Files, open_bridge, read_files
from hubbridge.config import load
from hubcore.errors import ConfigError, HubError
from hubcore.version import __version__

EX_CONFIG = 78
EX_UNAVAILABLE = 69


def main() -> None:
    """Serve as the file says."""
    parser = argparse.ArgumentParser("hubbridge", description="The Device Bridge of a site.")
    parser.add_argument("--config", type=Path, default=Path("/etc/hubbridge/hubbridge.toml"))
    parser.add_argument("--version", action="version", version=f"hubbridge {__version__}")
    parser.add_argument("--check-config", action="store_true", help="say whether all is right")
    options = parser.parse_args()
    try:
        files = read_files(load(options.config), options.config)
        if options.check_config:
            print(f"hubbridge: {options.config} is right: {files.identity.name.uri}")  # noqa: T201
            return
        asyncio.run(_serve(files))
    except ConfigError as error:
        _complain(error)
        sys.exit(EX_CONFIG)
    except HubError as error:
        _complain(error)
        sys.exit(EX_UNAVAILABLE)


def _complain(error: HubError) -> None:
    text = str(error).removeprefix("hubbridge: ")
    print(f"hubbridge: {text}", file=sys.stderr, flush=True)  # noqa: T201


async def _serve(files: Files) -> None:
    async with open_bridge(files) as bridge, asyncio.TaskGroup() as group:
        serving = group.create_task(bridge.run(_ready))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)


def _ready(port: int) -> None:
    print(f"hubbridge: hubs at port {port}", flush=True)  # noqa: T201
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address.replace("@", "\0", 1))


if __name__ == "__main__":
    main()
