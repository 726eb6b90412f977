"""A phone in Kotlin before a real hub: its lines (`src/Door.kt`), joined to the virtual air.

Laws:
1. Bytes go through unchanged, both ways: nothing here knows a message of the protocol.
2. What the hub refuses is refused in the phone, and a link that ends here ends there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubcore.errors import LinkError
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.stage import Stage

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("HUBD_KOTLIN", ROOT / "build/kotlin"))
CLASS_PATH = f"{BUILT / 'classes'}:{BUILT / 'kotlin-stdlib.jar'}"
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-cp", CLASS_PATH)
VISIT_SECONDS = 60.0
LINE_BYTES = 65_536


class KotlinPhone:
    """A running phone; `key` is its COSE_Key. `writes` counts the frames of its last visit."""

    def __init__(self, process: asyncio.subprocess.Process, key: bytes) -> None:
        self.key = key
        self.writes = 0
        self._process = process

    async def enrolled(self, site: str, issuer: bytes, grant: bytes) -> None:
        """Hand it the site, the issuer's COSE_Key and its grant."""
        await self._say(f"enrolled {site} {issuer.hex()} {grant.hex()}")

    async def open(
        self,
        stage: Stage,
        mtu: int = 247,
        notifies: bool = True,
        cuts_at_write: int = 0,
    ) -> list[str]:
        """Make a visit at access point 1; return what the phone tells of it.

        The link ends after write number `cuts_at_write`.
        """
        self.writes = 0
        told: list[str] = []
        async with (
            asyncio.timeout(VISIT_SECONDS),
            on_air(stage.transport) as device,
            connect(device, mtu, notifies) as link,
        ):
            await self._say(f"open 1 {link.mtu} {'notified' if notifies else 'pulled'}")
            hearing = asyncio.create_task(self._hear(link))
            while (line := await self._line()) != "over":
                if line.startswith(("info", "txr", "write")):
                    is_cut = cuts_at_write and self.writes >= cuts_at_write
                    await self._say("refused" if is_cut else await self._operate(link, line))
                else:
                    told.append(line)
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing
        return told

    async def _operate(self, link: BumbleLink, line: str) -> str:
        try:
            if line == "info":
                return f"value {(await link.read_info()).hex()}"
            if line == "txr":
                return f"value {(await link.pull()).hex()}"
            await link.write(bytes.fromhex(line.removeprefix("write ")))
        except LinkError:
            return "refused"
        self.writes += 1
        return "done"

    async def _hear(self, link: BumbleLink) -> None:
        while True:
            frame = await link.notifications.get()
            await self._say(f"notified {frame.hex()}")

    async def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the phone has ended"
        return line.decode().strip()


@asynccontextmanager
async def phone(folder: Path) -> AsyncIterator[KotlinPhone]:
    """A phone whose key, and what it learned, lie in a folder; at the end its process ends."""
    process = await asyncio.create_subprocess_exec(
        *JAVA,
        "hub.door.DoorKt",
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        first = (await process.stdout.readline()).decode().split()
        assert first[0] == "key"
        yield KotlinPhone(process, bytes.fromhex(first[1]))
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), VISIT_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
