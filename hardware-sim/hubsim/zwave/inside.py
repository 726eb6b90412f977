"""What runs inside the network namespace of a simulated Z-Wave network.

It starts the mock on the namespace's own loopback, and the service of a hub in front of it. Nothing
of it is seen on any network: the mock announces itself by mDNS.

Run as `python inside.py MODULES SERVICE FOLDER WAY`: FOLDER gets `zwave-js.sock`, `mock.sock` and
logs; a line on stdin, `service stop`, `service start`, `mock stop` or `mock start`, does what it
says. WAY is `tcp`, or `usb`: then the stick is a serial line behind the link FOLDER/stick, and
`stick stop` and `stick start` pull it and put it in.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from hubsim.zwave.modules import node_of
from hubsim.zwave.usb import UsbStick

HERE = Path(__file__).parent
MOCK_PORT = 5555
STICK = "stick"
READY_SECONDS = 120.0
RESTART_SECONDS = 1.0
KEYS = {
    "S0_Legacy": "0102030405060708090a0b0c0d0e0f10",
    "S2_Unauthenticated": "11111111111111111111111111111111",
    "S2_Authenticated": "22222222222222222222222222222222",
    "S2_AccessControl": "33333333333333333333333333333333",
}
"""The keys of a network that exists in this process alone."""


class Network:
    """The two Node programs."""

    def __init__(
        self,
        modules: Path,
        service: Path,
        folder: Path,
        stick: UsbStick | None,
        restarts: asyncio.TaskGroup,
    ) -> None:
        """`stick`: None where the service reaches the mock by TCP."""
        self._modules = modules
        self._service = service
        self._folder = folder
        self.stick = stick
        self._restarts: asyncio.TaskGroup = restarts
        self._running: dict[str, Process] = {}

    async def start(self, name: str) -> None:
        """Start `mock` or `service`, unless it runs."""
        if name in self._running:
            return
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = process = await asyncio.create_subprocess_exec(
                node_of(self._modules),
                *self._command(name),
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._restarts.create_task(self._restart(name, process))
        if name == "mock":
            await _until_port()
        else:
            await _until_socket(self.socket)

    async def _restart(self, name: str, process: Process) -> None:
        """Start what ends by itself again: the service as systemd does, the mock for its stick.

        zwave-js's mock ends when its host ends in the middle of a message; a stick would not.
        """
        await process.wait()
        await asyncio.sleep(RESTART_SECONDS)
        if self._running.get(name) is process:
            del self._running[name]
            with suppress(TimeoutError):
                await self.start(name)

    async def stop(self, name: str) -> None:
        """Kill it, as a power cut would."""
        process = self._running.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()

    @property
    def socket(self) -> Path:
        """Where the service listens."""
        return self._folder / "zwave-js.sock"

    def _command(self, name: str) -> list[str]:
        if name == "service":
            return [str(self._service)]
        program = self._modules / "zwave-js/bin/mock-server.cjs"
        config = str(HERE / "mock.cjs")
        return [str(program), "-i", "127.0.0.1", "-p", str(MOCK_PORT), "-c", config]

    def _stick_name(self) -> str:
        if self.stick is None:
            return f"tcp://127.0.0.1:{MOCK_PORT}"
        return str(self._folder / STICK)

    def _environment(self) -> dict[str, str]:
        keys = self._folder / "keys.json"
        keys.write_text(json.dumps(KEYS))
        return {
            "PATH": os.environ["PATH"],
            "MOCK_CTL": str(self._folder / "mock.sock"),
            "HUBD_ZWAVE_STICK": self._stick_name(),
            "HUBD_ZWAVE_SOCKET": str(self.socket),
            "HUBD_ZWAVE_CACHE": str(self._folder / "cache"),
            "HUBD_ZWAVE_KEYS": str(keys),
            "HUBD_ZWAVE_MODULES": str(self._modules),
            "HUBD_ZWAVE_SOFT_RESET": "no",
        }


async def _until_port() -> None:
    await _until_open(lambda: asyncio.open_connection("127.0.0.1", MOCK_PORT))


async def _until_socket(socket: Path) -> None:
    await _until_open(lambda: asyncio.open_unix_connection(socket))


async def _until_open(
    connect: Callable[[], Awaitable[tuple[object, asyncio.StreamWriter]]],
) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                _, writer = await connect()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def main() -> None:
    """Run the network until stdin ends."""
    modules = Path(sys.argv[1])
    service = Path(sys.argv[2])
    folder = Path(sys.argv[3])
    async with asyncio.TaskGroup() as tasks:
        stick = UsbStick(folder / STICK, MOCK_PORT, tasks) if sys.argv[4] == "usb" else None
        network = Network(modules, service, folder, stick, tasks)
        await network.start("mock")
        if stick is not None:
            stick.plug()
        await network.start("service")
        print("ready", flush=True)
        await _obey(network)
        for name in ("service", "mock"):
            await network.stop(name)
        if stick is not None:
            await stick.pull()


async def _obey(network: Network) -> None:
    """Do what the lines on stdin say, until it ends."""
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while words := (await stdin.readline()).decode().split():
        match words:
            case [("mock" | "service") as name, "start"]:
                await network.start(name)
            case [("mock" | "service") as name, "stop"]:
                await network.stop(name)
            case ["stick", "start"] if network.stick is not None:
                network.stick.plug()
            case ["stick", "stop"] if network.stick is not None:
                await network.stick.pull()
        print("done", flush=True)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(main())
