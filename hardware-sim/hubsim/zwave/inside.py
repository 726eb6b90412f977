"""What runs inside the network namespace of a simulated Z-Wave network.

It starts the mock and the service on the namespace's own loopback, and passes connections to a
Unix socket on to the service. Nothing of it is seen on any network: the mock announces itself by
mDNS, and the service has no authentication.

Run as `python inside.py MODULES FOLDER`: FOLDER gets `zwave-js.sock`, `mock.sock` and logs; a line
on stdin, `service stop`, `service start`, `mock stop` or `mock start`, does what it says.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
MOCK_PORT = 5555
SERVICE_PORT = 3000
READY_SECONDS = 60.0


class Network:
    """The two Node programs."""

    def __init__(self, modules: Path, folder: Path) -> None:
        self._modules = modules
        self._folder = folder
        self._running: dict[str, Process] = {}

    async def start(self, name: str) -> None:
        """Start `mock` or `service`, unless it runs."""
        if name in self._running:
            return
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                "node",
                *self._command(name),
                cwd=self._folder,
                env={"MOCK_CTL": str(self._folder / "mock.sock"), "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def stop(self, name: str) -> None:
        """Kill it, as a power cut would."""
        process = self._running.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def _command(self, name: str) -> list[str]:
        if name == "mock":
            program = self._modules / "zwave-js/bin/mock-server.cjs"
            config = str(HERE / "mock.cjs")
            return [str(program), "-i", "127.0.0.1", "-p", str(MOCK_PORT), "-c", config]
        program = self._modules / "@zwave-js/server/dist-esm/bin/server.js"
        options = json.loads((HERE / "server.json").read_text())
        options["storage"] = {"cacheDir": str(self._folder / "cache")}
        (self._folder / "server.json").write_text(json.dumps(options))
        where = f"tcp://127.0.0.1:{MOCK_PORT}"
        config = str(self._folder / "server.json")
        listens = ["--host", "127.0.0.1", "--port", str(SERVICE_PORT), "--disable-dns-sd"]
        return [str(program), where, "--config", config, *listens]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join one connection to the Unix socket with the service."""
    try:
        there = await asyncio.open_connection("127.0.0.1", SERVICE_PORT)
    except OSError:
        writer.close()
        return
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pass_on(reader, there[1]))
        tasks.create_task(_pass_on(there[0], writer))


async def _until_open(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def main() -> None:
    """Run the network until stdin ends."""
    modules = Path(sys.argv[1])
    folder = Path(sys.argv[2])
    network = Network(modules, folder)
    await network.start("mock")
    await _until_open(MOCK_PORT)
    await network.start("service")
    await _until_open(SERVICE_PORT)
    server = await asyncio.start_unix_server(_serve, folder / "zwave-js.sock")
    print("ready", flush=True)
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while words := (await stdin.readline()).decode().split():
        match words:
            case [("mock" | "service") as name, "start"]:
                await network.start(name)
                await _until_open(MOCK_PORT if name == "mock" else SERVICE_PORT)
            case [("mock" | "service") as name, "stop"]:
                await network.stop(name)
        print("done", flush=True)
    server.close()
    for name in ("service", "mock"):
        await network.stop(name)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(main())
