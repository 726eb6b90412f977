"""One hub through many power cuts: it boots, works and loses power.

The next boot judges what its disk holds.

Laws:
1. The disk stops answering before the guest is killed, so that nothing becomes durable in between.
2. What the guest had said before it ended is heard to the end.
3. The hub starts again from what the cut left, never from a mended copy.
"""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bumble.core import BaseBumbleError

from hubcore.errors import LinkError
from hubcore.evidence.records import Head
from hubcore.policy import document as policies
from hubsim import site as sites
from hubsim.backend.admission.keyring import HubFiles
from hubsim.backend.server import Backend
from hubsim.phone.attempt import Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.disk import Disk, DiskLine, Loss, make_image
from lab.ending import end
from lab.errors import LabError
from lab.evidence import Found, Seen, StrikeSeen, judge
from lab.guest import SOURCE, Guest
from lab.hub import LINES, LabHub
from lab.serialmux import SerialMux
from lab.visitors import visitor

POINTS = (1, 2)
DISK_MEBIBYTES = 64
DEVICE = "/dev/nbd0"
STATE = "/var/lib/hubd"
BACKEND_PORT = 4505
ATTEMPTS_A_VISIT = 3
PAUSE_SECONDS = 1.0
STRIKE_SECONDS = 0.2
"""Short, so that a strike has mostly ended before the next one at the same door."""
WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.05
COPY_SECONDS = 120.0
"""Some megabytes come over a serial line, byte by byte, on a machine that may be busy."""


class PoweredHub:
    """A hub that has power: its guest, its disk's line, and what is seen of it."""

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        backend: Backend,
        chance: random.Random,
    ) -> None:
        self.line = DiskLine(disk)
        self.seen = Seen()
        backend_port = int(backend.endpoint.rsplit(":", 1)[1])
        self._mux = SerialMux(self.line, backend_port)
        self.guest = Guest(folder, mux=self._mux)
        self.happened = asyncio.Condition()
        self._backend = backend
        self._chance = chance
        self._tasks: list[asyncio.Task[None]] = []
        self._troubles: Counter[str] = Counter()

    async def until(self, holds: Callable[[], bool], what: str, diskless: bool = False) -> None:
        """Wait until something holds, or until the disk does not answer any more.

        `holds` is asked when anything was seen. With `diskless` go on waiting without the disk.
        """

        def over() -> bool:
            return holds() or (self.line.off.is_set() and not diskless)

        off = asyncio.create_task(self._note_off())
        try:
            async with asyncio.timeout(WAIT_SECONDS), self.happened:
                await self.happened.wait_for(over)
        except TimeoutError:
            journal = await self.guest.run(
                "journalctl", "-b", "-n", "60", "-o", "cat", "--no-pager"
            )
            raise LabError(
                f"in {WAIT_SECONDS:.0f} s not seen: {what}; {self._troubles}\n{journal.out}"
            ) from None
        finally:
            off.cancel()

    async def _note_off(self) -> None:
        await self.line.off.wait()
        await self._note(lambda: None)

    async def _note(self, what: Callable[[], None]) -> None:
        async with self.happened:
            what()
            self.happened.notify_all()

    def line_changed(self, change: dict[str, Any]) -> None:
        """Take what the guest reports of a strike's line."""
        if change["held"] != "1":
            return
        point = POINTS[int(change["name"])]
        self.seen.strikes.append(StrikeSeen(point, change["before"], change["at"]))
        self._tasks.append(asyncio.create_task(self._note(lambda: None)))

    def call(self, transport: str, phones: dict[int, Wallet]) -> None:
        """Let phones open their doors, again and again."""
        for point, mine in phones.items():
            self._tasks.append(asyncio.create_task(self._phone(transport, point, mine)))
        self._tasks.append(asyncio.create_task(self._watch_backend()))

    async def _phone(self, transport: str, point: int, mine: Wallet) -> None:
        while True:
            try:
                async with on_air(transport) as device, connect(device) as link:
                    for _ in range(ATTEMPTS_A_VISIT):
                        await self._attempt(Session(link, mine), point)
                        await asyncio.sleep(self._chance.uniform(0, PAUSE_SECONDS))
            except (LinkError, BaseBumbleError) as error:  # no hub in sight, or it went: come again
                self._troubles[repr(error)] += 1

    async def _attempt(self, session: Session, point: int) -> None:
        try:
            await session.run(point)
        finally:
            verdict = session.report.verdict
            if verdict is not None and verdict.allowed:
                self.seen.allowed.append(session.report.op)
        await self._note(lambda: None)

    async def _watch_backend(self) -> None:
        """Look at the backend for new records and answers again and again."""
        known = -1
        while True:
            result = self._backend.policies.results.get("hub-1")
            if result is not None:
                self.seen.policy = max(self.seen.policy, result.version)
            held = len(self._backend.records("hub-1"))
            if held != known:
                known = held
                await self._note(lambda: None)
            await asyncio.sleep(LOOK_SECONDS)

    async def off(self) -> None:
        """Take the power away and hear the guest out."""
        self.line.off.set()
        try:
            await self.guest.stop()
        finally:
            await end(self._tasks)
            await self._mux.aclose()


class HubUnderCuts:
    """One hub on one disk, its backend and its phones, over many cuts."""

    def __init__(
        self,
        kernel: Path,
        folder: Path,
        air: tuple[str, int],
        chance: random.Random,
    ) -> None:
        self._kernel = kernel
        self._folder = folder
        self._air = air
        self.chance = chance
        self.site = sites.init(folder / "site", points=POINTS)
        make_image(folder / "disk.img", DISK_MEBIBYTES)
        self.disk = Disk(folder / "disk.img")
        secret = (self.site.backend / "curve.secret").read_text().strip()
        version = partial(policies.version_of, issuer=self.site.verifier, site=self.site.name)
        self.backend = Backend(
            endpoint="tcp://127.0.0.1:*",
            secret=secret,
            hubs=HubFiles(self.site.backend / "hubs"),
            directory=self.site.backend,
            version_of=version,
        )
        self.head = Head()
        self.seen = Seen()
        self.loss = Loss(0, 0)
        self.cuts = 0

    @property
    def transport(self) -> str:
        return f"tcp-client:{self._air[0]}:{self._air[1]}"

    @asynccontextmanager
    async def backend_served(self) -> AsyncIterator[None]:
        """Serve the hub's backend inside the block."""
        serving = asyncio.create_task(self.backend.serve())
        try:
            await self.backend.serving.wait()
            self.publish()
            yield
        finally:
            await end([serving])
            self.disk.close()

    def publish(self) -> int:
        """Sign a new policy, which says nothing of importance, and push it; return its version."""
        new = self.site.revoke(secrets.token_hex(8))
        self.backend.policies.push_document((self.site.path / "policy.cbor").read_bytes())
        return new.version

    @asynccontextmanager
    async def power(self) -> AsyncIterator[PoweredHub]:
        """Boot with the disk as the last cut left it; at the end the power is cut."""
        self.cuts += 1
        folder = self._folder / f"boot-{self.cuts}"
        folder.mkdir()
        powered = PoweredHub(
            folder=folder,
            disk=self.disk,
            backend=self.backend,
            chance=self.chance,
        )
        try:
            await powered.guest.boot(self._kernel)
            await powered.guest.plug_in(*self._air)
            await powered.guest.attach_disk(DEVICE, self.disk.size_bytes, BACKEND_PORT)
            mount = f"mkdir -p {STATE} && mount -t ext4 -o errors=remount-ro {DEVICE} {STATE}"
            await powered.guest.run("sh", "-c", mount)
            yield powered
        finally:
            await powered.off()
            self.seen = powered.seen
            self.loss = self.disk.cut(self.chance)

    async def find(self, powered: PoweredHub) -> Path:
        """Copy what the guest finds on its disk before the hub starts; return the folder."""
        files = self._folder / f"found-{self.cuts}"
        files.mkdir()
        pack = f"tar -C {STATE} -cz . | base64 -w0"
        packed = await powered.guest.run("sh", "-c", pack, seconds=COPY_SECONDS)
        unpack = ("tar", "-C", str(files), "-xz")
        archive = base64.b64decode(packed.out)
        await asyncio.to_thread(subprocess.run, unpack, input=archive, check=True)
        return files

    async def judge(self, files: Path) -> Found:
        """Judge what the last cut left by what was seen before it."""
        held = self.backend.records("hub-1")
        found = await asyncio.to_thread(judge, files, self.seen, self.head, held)
        self.head = found.head
        return found

    async def break_hub(
        self,
        powered: PoweredHub,
        module: str,
        sound: str,
        broken: str,
    ) -> None:
        """Change one of the hub's modules in the guest, to show that the judge would notice."""
        source = (SOURCE / module).read_text()
        assert source.count(sound) == 1, f"{module} no longer says {sound}"
        text = source.replace(sound, broken)
        await powered.guest.put("/run/broken.py", text.encode())
        await powered.guest.run("mount", "--bind", "/run/broken.py", f"/opt/hubd/src/{module}")

    def hub(self, powered: PoweredHub) -> LabHub:
        """The hub in the guest."""
        hub = LabHub(
            guest=powered.guest,
            site=self.site,
            points=POINTS,
            backend=f"tcp://127.0.0.1:{BACKEND_PORT}",
        )
        hub.strike_seconds = STRIKE_SECONDS
        return hub

    async def work(self, powered: PoweredHub) -> None:
        """Send a new phone to each door and watch the strikes."""
        lines = {str(index): f"{LINES}/sim_gpio{index}/value" for index in range(len(POINTS))}
        await powered.guest.watch(lines, powered.line_changed)
        phones = {point: visitor(self.site, point) for point in POINTS}
        powered.call(self.transport, phones)
