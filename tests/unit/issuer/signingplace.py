"""A signer that runs in a test: its folder, its key, its socket, and who may ask."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.codec.cose import SigningKey
from hubcore.issuing.limits import Limits
from hubgateway.issuer.signing.client import SigningClient, by_socket
from hubgateway.issuer.signing.ports import UnixPort
from hubgateway.issuer.signing.signer import Signer
from hubgateway.issuer.signing.talk import HubDesk, Talks, TalkTimes
from tests.unit.issuer.issuingdesk import ISSUER, LIMITS, NOW, SITE, TRIAL

T = TypeVar("T")
WAIT_SECONDS = 20.0
CARD_KEY = b"c" * CARD_KEY_BYTES


@dataclass
class Heard:
    """What people were told."""

    lines: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, source: str, text: str) -> None:
        self.lines.append(text)
        self.came.set()

    async def of(self, part: str) -> None:
        """Wait until they were told of something."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(part in line for line in self.lines):
                self.came.clear()
                await self.came.wait()


def make_signer(
    folder: Path,
    key: SigningKey = ISSUER,
    limits: Limits = LIMITS,
    wall: Callable[[], float] = lambda: float(NOW),
    card_key: bytes = CARD_KEY,
) -> Signer:
    """Open a signer whose clock stands still."""
    return Signer(key, TRIAL, limits, folder, wall, time.monotonic, card_key)


@dataclass
class Place:
    """A signer behind a socket."""

    signer: Signer
    path: Path
    talks: Talks
    heard: Heard

    def client(self, seconds: float = WAIT_SECONDS) -> SigningClient:
        return SigningClient(by_socket(self.path), SITE, ISSUER.verify_key, seconds)

    async def ask(self, work: Callable[[SigningClient], T]) -> T:
        """Do something with a client, in a thread of its own as a server does."""
        return await asyncio.to_thread(work, self.client())


@asynccontextmanager
async def served(
    folder: Path,
    signer: Signer | None = None,
    uid: int | None = None,
    times: TalkTimes | None = None,
    connections_max: int = 16,
    desk: HubDesk | None = None,
) -> AsyncIterator[Place]:
    """Serve a signer on a unix socket; this process may ask unless another `uid` is named."""
    made = signer or make_signer(folder)
    heard = Heard()
    path = folder / "s"
    callers = {os.getuid() if uid is None else uid: "hubsite"}
    ready = asyncio.Event()
    with closing(made), ThreadPoolExecutor(1) as thread:
        talks = Talks(made, thread, heard, time.monotonic, times, connections_max, desk)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(UnixPort(path, callers, talks, heard).serve(ready))
            async with asyncio.timeout(WAIT_SECONDS):
                await ready.wait()
            yield Place(made, path, talks, heard)
            serving.cancel()
