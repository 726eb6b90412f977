"""A hub of one door as processes, a made-up bluetoothd, and a phone: the world of a hand-over."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbus_fast import MessageType, Variant
from dbus_fast.aio import MessageBus

from hubcore.access.grant import Access
from hubcore.errors import LinkError
from hubcore.policy import document as policies
from hubcore.policy.policy import ALL_RIGHTS, Operator, Policy
from hubcore.update.gap import GapStep, spans
from hubd.adapters.bluez.gatt_server import INFO_PATH, RX_PATH, TXR_PATH
from hubsim import site as sites
from hubsim.door.lines import Bank, Level
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.wallet import Wallet
from hubsim.site import FIRST_OPERATOR, OPEN_AND_QUERY, DeskDoor
from hubsim.stage import ask, free_port
from tests.unit.test_bluez_radio import PHONE, FakeBluez, a_bus

PATIENCE_SECONDS = 60.0
STRIKE_SECONDS = 1.0
DOOR = DeskDoor("front", "Front door", 1, strike_seconds=STRIKE_SECONDS, strikes=("front",))
ROOT = Path(__file__).parents[2]
PROGRAM = """#!/bin/sh
export HUB_FAULT="{fault}"
exec "{python}" -m tests.handing.hub_process "{bank}" "{folder}" "$@"
"""


class PhoneOnBus:
    """A phone's link to the hub, by way of bluetoothd: `hubsim.phone.radio.PhoneLink`."""

    mtu = 247

    def __init__(self, bluez: FakeBluez) -> None:
        self._bluez = bluez
        self.notifications = bluez.notified
        self.spans: list[float] = []
        """How long each request took."""

    async def read_info(self) -> bytes:
        return bytes(await self._ask(INFO_PATH, "ReadValue", "a{sv}"))

    async def pull(self) -> bytes:
        return bytes(await self._ask(TXR_PATH, "ReadValue", "a{sv}"))

    async def write(self, frame: bytes) -> None:
        await self._ask(RX_PATH, "WriteValue", "aya{sv}", frame)

    async def _ask(self, path: str, member: str, signature: str, *body: Any) -> Any:
        options = {
            "device": Variant("o", PHONE),
            "mtu": Variant("q", self.mtu),
            "link": Variant("s", "LE"),
        }
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await self._bluez.ask(path, member, signature, *body, options)
        self.spans.append(loop.time() - began)
        if answer.message_type is MessageType.ERROR:
            raise LinkError(f"phone: refused: {answer.body}")
        return answer.body[0] if answer.body else None


class World:
    """Everything; `hub` is the process that was started first."""

    def __init__(
        self, folder: Path, bluez: FakeBluez, address: str, has_backend: bool = False
    ) -> None:
        self._endpoint = f"tcp://127.0.0.1:{free_port()}" if has_backend else ""
        self._backend: asyncio.subprocess.Process | None = None
        self.bluez = bluez
        self.folder = folder
        self._address = address
        self._site = sites.init(folder / "site", points=[1], for_show=True)
        self.config = self._config()
        self.bank = Bank.create(folder / "bank", ["front"])
        self.programs = folder / "programs"
        self.programs.mkdir(mode=0o755)
        self.hub: asyncio.subprocess.Process
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.setblocking(False)
        self._notified.bind(str(folder / "notify"))
        self.told: list[str] = []
        self.hears = True
        """Whether the service manager takes what it is told."""

    def _config(self) -> Path:
        door = replace(DOOR, continuous=bool(self._endpoint))
        path = sites.write_config(self._site, self._endpoint or "tcp://127.0.0.1:9", [door])
        text = path.read_text().replace("dps = ", "# dps = ")
        if not self._endpoint:
            text = text[: text.index("[backend]")] + text[text.index("[api]") :]
        path.write_text(text)
        return path

    async def start_backend(self) -> None:
        """Start the backend, and let a policy come into force that names an operator."""
        self._backend = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hubsim.main", "backend"),
            *("--at", str(self._site.path), "--listen", self._endpoint),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._backend.stdout is not None
        await self._backend.stdout.readline()
        operators = {FIRST_OPERATOR: Operator(ALL_RIGHTS)}
        version = int((await self.ask("status"))["policy_version"]) + 1
        new = Policy(self._site.name, version, int(time.time()), operators=operators)
        file = self.folder / "policy"
        file.write_bytes(policies.issue(new, self._site.issuer))
        await self.backend("policy", path=str(file))

        async def is_in_force() -> bool:
            return bool((await self.ask("status"))["policy_version"] == version)

        await self.until(is_in_force)

    async def backend(self, do: str, **order: object) -> Any:
        """Give the backend an order."""
        answer = await ask(self._site.backend / "backend.sock", {"do": do, **order})
        assert answer["ok"], answer
        return answer

    def program(self, fault: str = "") -> Path:
        """Return a program of the next version, with a fault."""
        path = self.programs / f"hubd-{fault.replace(' ', '-') or 'well'}"
        text = PROGRAM.format(
            fault=fault, python=sys.executable, bank=self.bank.path, folder=self.programs
        )
        if not path.exists():  # one that is being read is not to change
            path.write_text(text)
            path.chmod(0o755)
        return path

    async def start(self, **environment: str) -> None:
        """Start the hub; return when it is on air and ready."""
        with (self.folder / "hub.log").open("ab") as log:
            self.hub = await asyncio.create_subprocess_exec(
                str(self.program()),
                "--config",
                self.config.name,
                cwd=self.config.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-sim'}",
                    "DBUS_SYSTEM_BUS_ADDRESS": self._address,
                    "NOTIFY_SOCKET": str(self.folder / "notify"),
                    **environment,
                },
                stderr=log,
                stdout=log,
            )
        await self.until(self.is_ready)

    async def is_ready(self) -> bool:
        try:
            status = await self.ask("status")
        except (OSError, ValueError):
            assert self.hub.returncode is None, self.log()
            return False
        radio = status["radio"]
        return bool(status["ready"] and radio["on_air"] and radio["epoch_key"])

    async def ask(self, call: str, **arguments: Any) -> Any:
        """Ask the hub that drives. Raise OSError when nobody answers now."""
        request = {"id": 1, "call": call, "args": arguments}
        answer = await ask(self.config.parent / "hubd.sock", request)
        assert "result" in answer, answer
        return answer["result"]

    async def standing(self) -> str:
        """Return how the process that drives stands to a change of hands, "" for no answer."""
        try:
            return str((await self.ask("takeover-status"))["standing"])
        except (OSError, ValueError):
            return ""

    def children(self) -> list[int]:
        """Return the processes that the first hub has started and that are hubs themselves."""
        found = []
        task = Path(f"/proc/{self.hub.pid}/task/{self.hub.pid}/children")
        for number in task.read_text().split():
            command = Path(f"/proc/{number}/cmdline")
            if command.exists() and b"--take-over" in command.read_bytes():
                found.append(int(number))
        return found

    def strike(self) -> Level:
        return self.bank.level(0)

    def phone(self) -> Wallet:
        """Return a phone that may open."""
        name = os.urandom(4).hex()
        self._site.grant(name, [Access(1, OPEN_AND_QUERY, ())], None)
        return wallets.load(self._site.phone(name))

    async def unlock(self, link: PhoneOnBus, wallet: Wallet) -> Report:
        async with asyncio.timeout(PATIENCE_SECONDS):
            report = await Session(link, wallet).run(1)
        assert report.verdict is not None, (report.why, self.log())
        assert report.verdict.allowed, (report.verdict, self.log())
        return report

    async def serve_notifications(self) -> None:
        """Play the service manager: note what it is told, and close what it is given."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._notified, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                try:
                    data, descriptors, _, _ = socket.recv_fds(self._notified, 4096, 4)
                except BlockingIOError:
                    continue
                readable.set()
                if self.hears:
                    self.told.append(data.decode())
                    for descriptor in descriptors:
                        os.close(descriptor)
        finally:
            loop.remove_reader(self._notified)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition holds, which may be awaitable."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    value = condition()
                    if asyncio.iscoroutine(value):
                        value = await value
                    if value:
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(self.log()) from None

    def steps(self) -> dict[GapStep, float]:
        """Return how long each step of the last change of hands took."""
        shown = [
            re.findall(rf'"event": ?"{event}".*"steps": ?"([^"]+)"', self.log())[-1]
            for event in ("handed_over", "taken_over")
        ]
        return spans(" ".join(shown))

    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")[-6000:]

    def records(self) -> list[str]:
        """Return the kinds of the hub's records, the oldest first."""
        import sqlite3
        from contextlib import closing

        from hubcore.evidence.records import Record

        path = self.config.parent / "state" / "audit.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT body FROM records ORDER BY number").fetchall()
        return [str(Record.decode(body).kind) for (body,) in rows]

    def _all_that_took_over(self) -> list[int]:
        """Return the processes of this hub that were started to take over, whoever drives."""
        ours = str(self.bank.path).encode()
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
                if ours in command and b"--take-over" in command:
                    found.append(int(folder.name))
        return found

    async def close(self) -> None:
        for number in self._all_that_took_over():
            with suppress(ProcessLookupError):
                os.kill(number, 9)
        if self.hub.returncode is None:
            self.hub.kill()
        await self.hub.wait()
        if self._backend is not None:
            self._backend.kill()
            await self._backend.wait()
        self._notified.close()
        self.bank.close()


@asynccontextmanager
async def a_world(folder: Path, has_backend: bool = False) -> AsyncIterator[World]:
    """Run a hub with a bluetoothd that has one phone connected.

    `has_backend`: it has a backend too, and its door may be held open.
    """
    async with a_bus(folder) as address, asyncio.TaskGroup() as tasks:
        bus = await MessageBus(bus_address=address).connect()
        bluez = FakeBluez(bus)
        bluez.adapter()
        await bus.request_name("org.bluez")
        world = World(folder, bluez, address, has_backend)
        noting = tasks.create_task(world.serve_notifications())
        try:
            await world.start()
            if has_backend:
                await world.start_backend()
            bluez.phone()
            yield world
        finally:
            await world.close()
            bus.disconnect()
            noting.cancel()
