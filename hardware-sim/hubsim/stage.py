"""A whole installation on one desk: radio, backend and hub as processes of their own.

Laws:
1. `Stage` ends the processes that it starts.
2. Nothing listens beyond loopback.
3. Every wait is for a condition and has an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hubsim import site as sites
from hubsim.backend.control import MAX_ANSWER_BYTES
from hubsim.desk import BANK
from hubsim.door.lines import Bank, Level
from hubsim.enrolling import enrol_first_hub
from hubsim.site import DeskDoor, Site

START_SECONDS = 120.0
STOP_SECONDS = 8.0
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.01
TAIL_CHARACTERS = 2000


class StageError(Exception):
    """A process did not do what the stage needs; the message holds what it printed last."""


class Stage:
    """An async context manager: inside it, everything runs. `site` is made new at `path`."""

    def __init__(
        self,
        path: Path,
        doors: Sequence[DeskDoor] = (DeskDoor(),),
        person: bool = True,
        extra_config: str = "",
        enrols: bool = False,
    ) -> None:
        """`extra_config` stands at the end of the hub's configuration.

        `enrols`: the hub gets its keys by `hubctl enroll` and a token, as a real one does.
        """
        self.path = path
        self.doors = tuple(doors)
        self._person = person
        self._extra_config = extra_config
        self._enrols = enrols
        self.fingerprint = ""
        """Of the hub that was enrolled."""
        self.transport = ""
        self.endpoint = ""
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._bank: Bank | None = None
        self.site: Site = sites.init(
            path,
            points=[door.access_point for door in doors],
            for_show=True,
            enrols=enrols,
        )

    async def __aenter__(self) -> Self:
        try:
            line = await self.start("radio", "radio", "--listen", "127.0.0.1:0")
            self.transport = line.removeprefix("radio on ")
            self.endpoint = f"tcp://127.0.0.1:{free_port()}"
            self.config = sites.write_config(self.site, self.endpoint, self.doors)
            with self.config.open("a") as config:
                config.write(self._extra_config)
            await self.start_backend()
            if self._enrols:
                self.fingerprint = await enrol_first_hub(self)
            await self.start_hub()
        except BaseException:
            await self.stop_all()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop_all()

    async def start(self, name: str, *arguments: str) -> str:
        """Start a hubsim command; return the first line it prints."""
        return await self.start_program(name, "hubsim.main", *arguments)

    async def start_program(
        self, name: str, module: str, *arguments: str, folder: Path | None = None
    ) -> str:
        """Start a program of this house in a folder; return the first line it prints."""
        with (self.path / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._processes[name] = process
        if name == "hub":
            return ""
        line = await _first_line(process)
        if not line:
            raise StageError(f"{name} did not start: {self.tail(name)}")
        return line

    async def start_backend(self) -> None:
        """Start the reference backend."""
        arguments = ["--at", str(self.path), "--listen", self.endpoint]
        if self._enrols:
            arguments += ["--enrol", "tcp://127.0.0.1:*"]
        await self.start("backend", "backend", *arguments)

    async def start_readers(self) -> None:
        """Start the simulated readers of the hub (`hubsim.site.readers`)."""
        await self.start("readers", "reader", "--at", str(self.path))

    async def start_hub(self) -> None:
        """Start the hub; wait until it is on air, holds its strikes, and was welcomed or halted."""
        person = "--person" if self._person else "--nobody"
        at = ("--at", str(self.path))
        await self.start("hub", "hub", *at, "--radio", self.transport, person)
        await self.until(self._up, "the hub is up")
        self._bank = Bank(self.site.hub / "state" / BANK)

    async def _up(self) -> bool:
        if self._processes["hub"].returncode is not None:
            raise StageError(f"the hub ended: {self.tail('hub')}")
        try:
            status = await self.hub("status")
        except OSError:
            return False
        radio = status["radio"]
        if "backend" in self._processes and not _is_answered(status["backend"]):
            return False
        return bool(status["ready"] and radio["on_air"] and radio["epoch_key"])

    def ended(self) -> Iterator[str]:
        """Yield the name of each part that was started and runs no more."""
        for name, process in self._processes.items():
            if process.returncode is not None:
                yield name

    def process_id(self, name: str) -> int:
        """Return the process id of a part."""
        return self._processes[name].pid

    async def kill(self, name: str) -> None:
        """Kill a part as hard as it goes."""
        process = self._processes.pop(name)
        process.kill()
        await process.wait()

    async def stop(self, name: str) -> int:
        """Ask a part to end; return its exit status."""
        process = self._processes.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise StageError(f"{name} did not stop: {self.tail(name)}") from None

    async def stop_all(self) -> None:
        """End all that was started, also amid a start that failed."""
        for name in ("hub", "readers", "bridge", "backend", "radio"):
            if name not in self._processes:
                continue
            with contextlib.suppress(StageError, ProcessLookupError):
                await self.stop(name)

    def strike(self, mover: str | None = None) -> Level:
        """Return the level of a strike's line, of the first strike if none is named."""
        assert self._bank is not None
        index = 0 if mover is None else self._bank.number_of(mover)
        return self._bank.level(index)

    async def hub(self, call: str) -> Any:
        """Ask the hub's local socket. Raise OSError when nobody answers."""
        request: dict[str, object] = {"id": 1, "call": call}
        answer = await ask(self.site.hub / "hubd.sock", request)
        return answer["result"]

    async def backend(self, do: str, **order: object) -> dict[str, Any]:
        """Give the backend an order."""
        socket_path = self.site.backend / "backend.sock"
        answer: dict[str, Any] = await ask(socket_path, {"do": do, **order})
        if not answer["ok"]:
            raise StageError(f"backend: {answer['error']}")
        return answer

    async def at_reader(self, do: str, **what: object) -> Any:
        """Do something at the simulated readers. Raise StageError when it cannot be done."""
        answer = await ask(self.site.hub / "readers.sock", {"do": do, **what})
        if not answer["ok"]:
            raise StageError(f"readers: {answer['error']}")
        return answer["result"]

    async def records(self) -> list[dict[str, Any]]:
        """Return the records of the hub that the backend holds."""
        records: list[dict[str, Any]] = []
        while True:
            newest = records[-1]["number"] if records else 0
            page = await self.backend("records", hub="hub-1", after=newest)
            records += page["records"]
            if not page["more"]:
                return records

    async def until(
        self,
        condition: Callable[[], Any],
        what: str,
        seconds: float = START_SECONDS,
    ) -> float:
        """Wait until the condition (it may be async) is true; return the seconds it took.

        Raise StageError.
        """
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return time.monotonic() - began
            await asyncio.sleep(POLL_SECONDS)
        raise StageError(
            f"within {seconds:g} s it did not happen that {what}; the hub said last: "
            f"{self.tail('hub')}"
        )

    def tail(self, name: str) -> str:
        """Return the end of a part's log."""
        file = self.path / f"{name}.log"
        if not file.exists():
            return "nothing"
        return file.read_text(errors="replace")[-TAIL_CHARACTERS:]


def _is_answered(backend: dict[str, Any]) -> bool:
    return backend["last_welcome"] is not None or backend["halt"] is not None


async def ask(path: Path, request: dict[str, object], seconds: float = ANSWER_SECONDS) -> Any:
    """Ask a local socket one thing, a JSON line for a JSON line.

    Raise OSError when nobody answers.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_unix_connection(_short(path), limit=MAX_ANSWER_BYTES)
        try:
            line = json.dumps(request)
            writer.write(line.encode() + b"\n")
            answer = await reader.readline()
            return json.loads(answer)
        finally:
            writer.close()


def _short(path: Path) -> str:
    """Return the shorter of the absolute and the relative path: a unix socket's has 107 bytes."""
    absolute = str(path.absolute())
    relative = os.path.relpath(path)
    return min(absolute, relative, key=len)


async def _first_line(process: asyncio.subprocess.Process) -> str:
    """Return the first line that a process prints, "" when none comes in time."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        return ""
    return line.decode().strip()


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
