"""The desk of this room: a hub and a backend as processes, what lies between them, and an account.

A case breaks something, mends it, and asks for the account: of the records that the hub has made,
none may be lost and none may be there twice; of the orders, none may be done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubsim import site as sites
from hubsim.site import Site
from hubsim.stage import ask

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 30.0
"""For so long a condition may take."""
POLL_SECONDS = 0.02
HUB = "hub-1"
OPERATOR = "operator-7"


def free_endpoint(host: str = "127.0.0.1") -> str:
    """Return an endpoint where nothing listens now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"tcp://{host}:{probe.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the records of a hub and of the orders for it."""

    sent: int
    """Records that the hub has made."""
    durable: int
    """Different ones that the backend holds."""
    lost: int
    twice: int
    """Records that the backend holds once more than once."""
    orders: int
    """Different orders that were recorded as done."""
    strikes: int
    """How often the door was released, in this life of the hub."""

    def is_clean(self) -> bool:
        """Tell whether nothing is lost and nothing is there twice."""
        return self.sent == self.durable and not self.lost and not self.twice


class Process:
    """A process of Python that is ended by whoever made it."""

    def __init__(self, *arguments: str, log: Path, prefix: Sequence[str] = ()) -> None:
        """`prefix` is what stands before Python on the command line."""
        self._argv = [*prefix, sys.executable, *arguments]
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it; return the first line that it prints."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                limit=16 << 20,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        async with asyncio.timeout(SECONDS):
            line = await self._out().readline()
        assert line, self.log.read_text()[-3000:]
        return line.decode().strip()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    async def ask(self, **order: object) -> Any:
        """Give it a line; return the answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(SECONDS):
            line = await self._out().readline()
        assert line, self.log.read_text()[-3000:]
        return json.loads(line)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as hard as it goes; nothing if it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process = None

    def log_lines(self) -> int:
        """Return how many lines it has logged."""
        return len(self.log.read_text().splitlines())

    def _out(self) -> asyncio.StreamReader:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout


class Desk:
    """A hub and a backend that know each other; each test may put something in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site: Site = sites.init(folder / "site", points=[1])
        self.state = folder / "hub"
        self.state.mkdir()
        self.hub: Process
        self.server: Process

    @property
    def backend_secret(self) -> str:
        return (self.site.backend / "curve.secret").read_text().strip()

    async def start_backend(self, endpoint: str, prefix: Sequence[str] = ()) -> None:
        """Start the reference backend."""
        arguments = ("--at", str(self.site.path), "--listen", endpoint)
        self.server = Process(
            "-m",
            "hubsim.main",
            "backend",
            *arguments,
            log=self.folder / "backend.log",
            prefix=prefix,
        )
        await self.server.start()

    async def start_hub(self, endpoint: str, prefix: Sequence[str] = ()) -> None:
        """Start the hub."""
        self.hub = Process(
            "-m",
            "tests.scenario.uplink_faults.hub_process",
            str(self.state),
            endpoint,
            (self.site.hub / "curve.secret").read_text().strip(),
            (self.site.hub / "backend.pub").read_text().strip(),
            log=self.folder / "hub.log",
            prefix=prefix,
        )
        assert await self.hub.start() == "up"

    async def state_of_hub(self) -> dict[str, Any]:
        """Return what the hub says of itself."""
        state: dict[str, Any] = await self.hub.ask(do="state")
        return state

    async def order(self, do: str, **what: object) -> dict[str, Any]:
        """Ask the backend's control socket."""
        answer: dict[str, Any] = await ask(
            self.site.backend / "backend.sock", {"do": do, **what}, SECONDS
        )
        return answer

    async def release(self, valid_seconds: float = 5.0) -> dict[str, Any]:
        """Have the backend release the door."""
        return await self.order(
            "release",
            hub=HUB,
            access_point=1,
            by=OPERATOR,
            valid_seconds=valid_seconds,
        )

    async def released_at_last(self) -> None:
        """Have the door released as soon as the backend gives orders again.

        While a connection that was replaced is still open there, it gives none; its heartbeats end
        a dead one.
        """
        answer: dict[str, Any] = {}
        try:
            async with asyncio.timeout(SECONDS):
                while (answer := await self.release()).get("outcome") != "released":
                    assert "outcome" not in answer, answer
                    assert "boot ids" not in answer["error"], "it is one honest hub"
                    await asyncio.sleep(10 * POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"no release: {answer}") from None

    async def records(self) -> list[dict[str, Any]]:
        """Return what the backend holds."""
        held: list[dict[str, Any]] = []
        while True:
            newest = held[-1]["number"] if held else 0
            page = await self.order("records", hub=HUB, after=newest)
            held += page["records"]
            if not page["more"]:
                return held

    async def account(self) -> Account:
        """Return the account."""
        state = await self.state_of_hub()
        held = await self.records()
        numbers = [record["number"] for record in held]
        done = [
            record["detail"]["op"]
            for record in held
            if record["kind"] == "remote" and record["detail"].get("allowed")
        ]
        assert len(done) == len(set(done)), "one order, one record"
        return Account(
            sent=state["last"],
            durable=len(set(numbers)),
            lost=len(set(range(1, state["last"] + 1)) - set(numbers)),
            twice=len(numbers) - len(set(numbers)),
            orders=len(done),
            strikes=state["strikes"],
        )

    async def drained(self) -> None:
        """Wait until no record waits."""
        await self.until(lambda state: state["waiting"] == 0, "all records are acknowledged")

    async def settled(self) -> dict[str, Any]:
        """Wait until the clock is confirmed, which is a record, and no record waits."""
        await self.until(lambda state: state["confirmed"], "the clock is confirmed")
        return await self.until(lambda state: state["waiting"] == 0, "all records are acknowledged")

    async def speaking(self) -> None:
        """Wait until the hub and the backend speak."""
        await self.until(lambda state: state["uplink"]["phase"] == "speaking", "they speak")

    async def gone(self) -> None:
        """Wait until the hub has noticed that the backend is gone."""
        await self.until(lambda state: not state["uplink"]["connected"], "the hub notices")

    async def until(self, holds: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """Wait until a condition of the hub's state holds."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(SECONDS):
                while not holds(state := await self.state_of_hub()):  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"it did not happen that {what}: {state}") from None
        return state

    async def stop(self) -> None:
        """End what runs."""
        for name in ("hub", "server"):
            process = getattr(self, name, None)
            if process is not None:
                await process.kill()


@contextlib.asynccontextmanager
async def desk_at(folder: Path) -> AsyncIterator[Desk]:
    """A desk whose processes end with it."""
    desk = Desk(folder)
    try:
        yield desk
    finally:
        await desk.stop()
