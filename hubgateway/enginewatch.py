"""hubengine: runs nats-server, and starts it again where only that helps after a full disk.

How it works: once JetStream could not write, it takes nothing more into that stream until it is
started again, also when there is room. Its monitor tells so. hubengine asks it, and when there
is room it ends the server and starts it. What the server had not acknowledged, gateways have not
acknowledged either: hubs have it still.

Laws:
1. A server without a write error is never ended.
2. While there is no room it is not started again: that would not help. People are told.
3. A server that ends by itself ends hubengine with its status, for systemd to judge.
4. A server that acknowledges before its disk has the record is ended for good: EX_CONFIG. What it
   would lose in a power cut, hubs have forgotten.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from hubcore.version import __version__

LOOK_SECONDS = 2.0
TELL_LOOKS = 30
ANSWER_SECONDS = 5.0
END_SECONDS = 30.0
ROOM_MIB = 64
MIB = 1 << 20
PAGE_BYTES_MAX = 65_536
WRITE_ERROR = "write error"
HEALTH = "/healthz"
SETTINGS = "/jsz?config=1"


class EngineWatch:
    """The server `command`, its monitor, and the room on the disk of its store."""

    def __init__(
        self,
        command: Sequence[str],
        page: Callable[[str], str],
        room: Callable[[], int],
        wanted: int,
        tell: Callable[[str], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`page` returns one of the monitor's pages, "" when there is none; `room` free bytes."""
        self._command = list(command)
        self._page = page
        self._room = room
        self._wanted = wanted
        self._tell = tell
        self._look_seconds = look_seconds
        self._looks = 0
        self._is_proven = False
        self._refused = False

    async def run(self, stopped: asyncio.Event) -> int:
        """Run the server until `stopped`, or until it ends by itself; return its status."""
        while True:
            server = await asyncio.create_subprocess_exec(*self._command)
            try:
                if not await self._must_start_again(server, stopped):
                    break
            finally:
                status = await _end(server)
        return os.EX_CONFIG if self._refused else status

    async def _must_start_again(
        self, server: asyncio.subprocess.Process, stopped: asyncio.Event
    ) -> bool:
        """Wait; False when the server has ended, or is to end for good."""
        async with asyncio.TaskGroup() as group:
            ends = (group.create_task(server.wait()), group.create_task(stopped.wait()))
            try:
                return await self._look(ends)
            finally:
                for end in ends:
                    end.cancel()

    async def _look(self, ends: Iterable[asyncio.Task[object]]) -> bool:
        """Look at the server until it is to be started again; False at one of the ends."""
        while True:
            done, _ = await asyncio.wait(
                ends, timeout=self._look_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if done or (not self._is_proven and await self._is_unsafe()):
                return False
            health = await asyncio.to_thread(self._page, HEALTH)
            if WRITE_ERROR in health and self._has_room():
                return True

    async def _is_unsafe(self) -> bool:
        """Tell whether the server acknowledges too early. False, too, while it does not say."""
        try:
            settings = json.loads(await asyncio.to_thread(self._page, SETTINGS))["config"]
        except (ValueError, KeyError, TypeError):
            return False
        self._is_proven = True
        self._refused = settings.get("sync_always") is not True
        if self._refused:
            self._tell(
                "this engine acknowledges before its disk has the record: write sync_interval: "
                "always under jetstream in its configuration; it is ended"
            )
        return self._refused

    def _has_room(self) -> bool:
        """Tell whether a start helps, and people what is to be done when it does not."""
        free = self._room()
        if free >= self._wanted:
            self._looks = 0
            self._tell(
                f"the engine could not write, and there is room now ({free // MIB} MiB free): "
                "it is started again"
            )
            return True
        if self._looks % TELL_LOOKS == 0:
            self._tell(
                f"THE ENGINE'S DISK IS FULL ({free // MIB} MiB free): nothing is acknowledged, "
                f"hubs keep their records. Make room for {self._wanted // MIB} MiB; the engine "
                "then goes on by itself"
            )
        self._looks += 1
        return False


async def _end(server: asyncio.subprocess.Process) -> int:
    """End the server, if it runs; return its status."""
    with contextlib.suppress(ProcessLookupError):
        if server.returncode is None:
            server.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(END_SECONDS):
            return await server.wait()
    except TimeoutError:
        server.kill()
        return await server.wait()


def page_of(monitor: str, name: str) -> str:
    """Return a page of the monitor, also one that says that all is not well."""
    try:
        with urllib.request.urlopen(monitor + name, timeout=ANSWER_SECONDS) as page:  # noqa: S310
            return str(page.read(PAGE_BYTES_MAX), "utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read(PAGE_BYTES_MAX), "utf-8", "replace")
    except OSError:
        return ""


def _tell(text: str) -> None:
    print(f"hubengine: {text}", file=sys.stderr, flush=True)  # noqa: T201


async def _run(options: argparse.Namespace) -> int:
    store: Path = options.store
    watch = EngineWatch(
        command=options.command,
        page=partial(page_of, options.monitor),
        room=lambda: shutil.disk_usage(store if store.exists() else store.parent).free,
        wanted=options.room * MIB,
        tell=_tell,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return await watch.run(stopped)


def main() -> None:
    """Read argv and run."""
    parser = argparse.ArgumentParser(
        "hubengine", description="Runs nats-server, and starts it again after a full disk."
    )
    parser.add_argument("--version", action="version", version=f"hubengine {__version__}")
    parser.add_argument("--monitor", default="http://127.0.0.1:8222", help="its monitor (http:)")
    parser.add_argument("--store", type=Path, default=Path("/var/lib/nats"), help="its store_dir")
    parser.add_argument(
        "--room", type=int, default=ROOM_MIB, help="MiB that must be free for another start"
    )
    parser.add_argument("command", nargs="+", help="-- nats-server -c FILE")
    options = parser.parse_args()
    if not options.monitor.startswith("http://"):
        parser.error("--monitor: expected http://HOST:PORT")
    status = asyncio.run(_run(options))
    sys.exit(status if status >= 0 else os.EX_UNAVAILABLE)


if __name__ == "__main__":
    main()
