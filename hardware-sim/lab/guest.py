"""The guest as a test sees it: boot, run, put, plug a radio in and out, stop.

Laws:
1. The guest writes nothing on the machine but its console's log.
2. Its processes end with `stop`, whatever becomes of a test.
3. Each request to it has a time limit.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.ending import ENDS_WITH_US
from lab.errors import LabError

LAB = Path(__file__).resolve().parent
SOURCE = LAB.parent.parent
PYTHON = "/opt/lab/python/bin/python3"
"""The machine's own, as the guest has it."""
BOOT_SECONDS = 90.0
RUN_SECONDS = 30.0
CONSOLE_LINES = 40
"""How much of the console an error shows: the whole of a kernel's panic."""
MEMORY = "1G"
AGENT_LINE = "/dev/ttyS0"
RADIO_LINE = "/dev/ttyS1"
SECOND_RADIO_LINE = "/dev/ttyS3"
MUX_LINE = "/dev/ttyS2"
DEVICE_LINE = "/dev/ttyS4"
"""For what a hub has on a serial line, such as a reader or a stick."""
JOINED_LINES = (RADIO_LINE, SECOND_RADIO_LINE, DEVICE_LINE)
END_SECONDS = 10.0
ANSWER_SECONDS = 5.0
"""Beyond the time limit of what is asked."""
_starts = itertools.count(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))
"""Guests take the machine's processors in turn, also those of several workers.

Each keeps to one. Its kernel and what runs in it are processes that trace each other and never run
at once; waking another processor for each system call would double the time of everything.
"""
PART_BYTES = 1024
"""What is written at once: user-mode Linux never reads a line again that was full (4 KiB)."""
ANSWER_BYTES_MAX = 1 << 24


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command."""

    status: int
    out: str
    err: str


class _Answers(asyncio.Protocol):
    """The line to the agent: answers go to whom they belong."""

    def __init__(self, console: Callable[[], str]) -> None:
        self._console = console
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.changed: Callable[[dict[str, Any]], None] = lambda _: None
        self.ended = asyncio.Event()
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\n" in self._buffer:
            line, _, rest = bytes(self._buffer).partition(b"\n")
            self._buffer = bytearray(rest)
            answer = json.loads(line)
            if "id" not in answer:
                self.changed(answer)
                continue
            future = self.waiting.pop(answer["id"], None)
            if future is not None and not future.done():
                future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(self.why_ended())

    def why_ended(self) -> LabError:
        """Return the error for a request to a guest that has ended."""
        return LabError(f"the guest has ended; its console's last lines:\n{self._console()}")


class _Joined(asyncio.Protocol):
    """One end of two joined byte streams; what comes without another end is lost, as on air."""

    def __init__(self) -> None:
        self.other: asyncio.WriteTransport | None = None

    def data_received(self, data: bytes) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.write(data)


@dataclass(slots=True)
class _Slot:
    """A serial line of the guest for a controller, or for another device.

    `air` is what is behind it, if anything.
    """

    line: asyncio.WriteTransport
    radio: _Joined
    air: asyncio.WriteTransport | None = None


class Guest:
    """One running guest; `mux` serves its disk and its connections to the backend."""

    def __init__(
        self,
        folder: Path,
        bluez: Path | None = None,
        mux: asyncio.Protocol | None = None,
        hub: Path | None = None,
    ) -> None:
        """Prepare a guest; `boot` starts it.

        `bluez` is a folder with another bluetoothd and btmon, as bluez.sh makes it. `hub` is what
        `make install DESTDIR=` made; without it the hub is the source tree with this Python's
        packages.
        """
        self._folder = folder
        self._bluez = bluez
        self._hub = hub
        self._mux = mux or asyncio.Protocol()
        self._numbers = itertools.count(1)
        self._answers = _Answers(self._last_lines)
        self._slots: dict[str, _Slot] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._agent: asyncio.WriteTransport | None = None

    @property
    def console(self) -> str:
        """What the console has shown so far."""
        return (self._folder / "console.log").read_text(errors="replace")

    def _last_lines(self) -> str:
        return "\n".join(self.console.splitlines()[-CONSOLE_LINES:]) or "(it has shown nothing)"

    async def boot(self, kernel: Path) -> None:
        """Boot until the agent speaks. Raise LabError."""
        if self._hub is None:
            await asyncio.to_thread(compile_source)
        loop = asyncio.get_running_loop()
        ours: dict[str, socket.socket] = {}
        theirs: dict[str, socket.socket] = {}
        for line in (AGENT_LINE, MUX_LINE, *JOINED_LINES):
            ours[line], theirs[line] = socket.socketpair()
        booted: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._answers.waiting[0] = booted
        self._agent, _ = await loop.create_connection(lambda: self._answers, sock=ours[AGENT_LINE])
        for line in JOINED_LINES:
            transport, radio = await loop.create_connection(_Joined, sock=ours[line])
            self._slots[line] = _Slot(transport, radio)
        await loop.create_connection(lambda: self._mux, sock=ours[MUX_LINE])
        self._process = await self._start(kernel, theirs)
        for end in theirs.values():
            end.close()
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                await booted
        except TimeoutError:
            why = f"the guest has not booted in {BOOT_SECONDS:.0f} s; its console's last lines"
            raise LabError(f"{why}:\n{self._last_lines()}") from None

    async def _start(
        self, kernel: Path, lines: dict[str, socket.socket]
    ) -> asyncio.subprocess.Process:
        argv = [*ENDS_WITH_US, *_next_processor(), str(kernel), f"mem={MEMORY}"]
        argv += ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw"]
        argv += [f"init={LAB}/init.sh", f"LAB={LAB}", f"SRC={SOURCE}"]
        argv += [f"PY={sys.base_prefix}", f"SITE={sysconfig.get_path('purelib')}"]
        argv += [f"uml_dir={self._folder}", "umid=guest"]
        if self._bluez:
            argv.append(f"BLUEZ={self._bluez}")
        if self._hub:
            argv.append(f"HUB={self._hub}")
        argv += ["con=null", "con0=null,fd:1", "ssl=null", "quiet"]
        descriptors = []
        for line, end in lines.items():
            descriptor = end.fileno()
            descriptors.append(descriptor)
            argv.append(f"ssl{line[-1]}=fd:{descriptor},fd:{descriptor}")
        with (self._folder / "console.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """End the guest at once, as a power cut does; what it said before is still heard."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
                await self._answers.ended.wait()
        transports = [self._agent]
        for slot in self._slots.values():
            transports += [slot.line, slot.air]
        for transport in transports:
            if transport is not None:
                transport.close()

    async def run(
        self, *argv: str, seconds: float = RUN_SECONDS, stdin: str = "", check: bool = True
    ) -> Done:
        """Run a command to its end. Raise LabError when it fails, unless `check` is False."""
        answer = await self._ask("run", seconds, argv=list(argv), seconds=seconds, stdin=stdin)
        done = Done(answer["status"], answer["out"], answer["err"])
        if check and done.status:
            raise LabError(
                f"{argv}: exit status {done.status}: {done.out[-2000:]} {done.err[-2000:]}"
            )
        return done

    async def main_pid(self, unit: str) -> int:
        """Return the id of a unit's main process, 0 when none runs."""
        shown = await self.run("systemctl", "show", "-P", "MainPID", unit)
        return int(shown.out)

    async def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file whole."""
        for at in range(0, max(1, len(data)), PART_BYTES):
            part = base64.b64encode(data[at : at + PART_BYTES]).decode()
            await self._ask(
                "put",
                RUN_SECONDS,
                path=path,
                mode=mode,
                data=part,
                begin=at == 0,
            )

    async def plug_in(self, host: str, port: int, line: str = RADIO_LINE) -> None:
        """Give the guest a controller: the one kept at that line, else a new one of the air."""
        slot = self._slots[line]
        if slot.air is None:
            far = _Joined()
            far.other = slot.line
            slot.air, _ = await asyncio.get_running_loop().create_connection(
                lambda: far, host, port
            )
            slot.radio.other = slot.air
        await self._ask("plug_in", RUN_SECONDS, line=line)

    async def pull_out(self, line: str = RADIO_LINE, keep: bool = False) -> None:
        """Take the controller away; with `keep` the same one can be plugged in again."""
        slot = self._slots[line]
        await self._ask("pull_out", RUN_SECONDS, line=line)
        if not keep and slot.air is not None:
            slot.radio.other = None
            slot.air.close()
            slot.air = None

    @asynccontextmanager
    async def wired(self, device: Path) -> AsyncIterator[str]:
        """Wire a serial device of this machine to a line of the guest; yield the line's path.

        The line is there with and without it, of the group that serial lines have.
        """
        slot = self._slots[DEVICE_LINE]
        far = _Joined()
        far.other = slot.line
        loop = asyncio.get_running_loop()
        heard = await _opened(loop.connect_read_pipe, lambda: far, device)
        told = await _opened(loop.connect_write_pipe, asyncio.BaseProtocol, device)
        slot.radio.other = told
        await self.run("sh", "-c", f"chgrp dialout {DEVICE_LINE} && chmod 660 {DEVICE_LINE}")
        try:
            yield DEVICE_LINE
        finally:
            slot.radio.other = None
            heard.close()
            told.close()

    async def attach_disk(self, device: str, size_bytes: int, port: int) -> None:
        """Make a block device of the mux's disk; a port of the guest leads to the mux's server."""
        await self._ask(
            "attach_disk",
            RUN_SECONDS,
            line=MUX_LINE,
            device=device,
            size_bytes=size_bytes,
            port=port,
        )

    async def traced(self, more: int) -> list[tuple[float, str, bytes]]:
        """Return the radio's data packets since the last time.

        Each has the second in the guest, "up" or "down" to the hub, and H4. Record so many `more`
        from now on.
        """
        answer = await self._ask("traced", RUN_SECONDS, line=RADIO_LINE, more=more)
        return [(at, way, bytes.fromhex(packet)) for at, way, packet in answer["packets"]]

    async def watch(self, paths: dict[str, str], changed: Callable[[dict[str, Any]], None]) -> None:
        """Call `changed` from now on for each change of what the files hold.

        A change has `name`, `held`, `before` and `at`.
        """
        self._answers.changed = changed
        await self._ask("watch", RUN_SECONDS, paths=paths)

    async def _ask(self, do: str, limit_seconds: float, /, **arguments: Any) -> dict[str, Any]:
        assert self._agent is not None
        if self._answers.ended.is_set():
            raise self._answers.why_ended()
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers.waiting[number] = future
        request = json.dumps({"id": number, "do": do, "with": arguments})
        self._agent.write(request.encode() + b"\n")
        try:
            async with asyncio.timeout(limit_seconds + ANSWER_SECONDS):
                answer = await future
        except TimeoutError:
            raise LabError(
                f"the guest does not answer to {do} {arguments.get('argv', '')}"
            ) from None
        if "fault" in answer:
            raise LabError(f"{do}: {answer['fault']}")
        return answer


async def _opened(join: Callable[..., Any], protocol: Callable[[], Any], device: Path) -> Any:
    """Open a serial device for one direction; return its transport."""
    descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(descriptor)
    transport, _ = await join(protocol, os.fdopen(descriptor, "r+b", buffering=0))
    return transport


@functools.cache
def compile_source() -> None:
    """Compile the source tree as an installation is compiled. Raise LabError.

    A guest may not write into the tree. Without this each start in it compiles all of hubd, which
    takes longer than all else of a start.
    """
    packages = [found.parent for found in SOURCE.glob("*/__init__.py")]
    packages += [found.parent for found in SOURCE.glob("hardware-sim/*/__init__.py")]
    done = subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *map(str, packages)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"the source tree does not compile: {done.stdout}{done.stderr}")


def kernel_path() -> Path | None:
    """Return the kernel's path, None when it has not been built."""
    return _printed_path("kernel.sh", "--path")


def bluez_path(version: str) -> Path | None:
    """Return the folder with that BlueZ ("newest" is one too), None when it has not been built."""
    return _printed_path("bluez.sh", "--path", version)


def lacking() -> str:
    """Say what is missing on this machine for a guest, "" when nothing is."""
    return _run_script("check.sh").stdout.strip()


def _next_processor() -> list[str]:
    """Return what pins a command to the next processor."""
    processors = sorted(os.sched_getaffinity(0))
    processor = processors[next(_starts) % len(processors)]
    return ["taskset", "-c", str(processor)]


def _printed_path(script: str, *arguments: str) -> Path | None:
    done = _run_script(script, *arguments)
    if done.returncode:
        return None
    return Path(done.stdout.strip())


def _run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [str(LAB / script), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)
