"""Answers hubs that search for this bridge by multicast DNS, in the network where it listens.

Laws:
1. It is off unless the configuration says `announce = true`.
2. It answers alone whoever asks, at most ANSWERS.burst at once and ANSWERS.per_second after it,
   and never says a word unasked.
3. What is no question for this bridge is passed over, whatever it is.
4. After each packet the rest of the bridge has its turn, however many come.
5. A network that goes away is tried again each AGAIN_SECONDS, and ends nothing of the bridge.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Protocol

from hubcore.bridge.search.dns import PACKET_BYTES, read
from hubcore.bridge.search.service import GROUP, PORT, answer_to
from hubcore.errors import FrameError
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate

ANSWERS = Rate(burst=20, per_second=10)
AGAIN_SECONDS = 30.0


class Troubled(Protocol):
    """Who is told of trouble."""

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""


class Announcer:
    """Serve at `address` (IPv4), for the port that hubs come to."""

    def __init__(
        self,
        *,
        bridge: str,
        address: str,
        port: int,
        told: Troubled,
        clock: Clock,
        group: tuple[str, int] = (GROUP, PORT),
    ) -> None:
        self._bridge = bridge
        self._address = address
        self._port = port
        self._told = told
        self._clock = clock
        self._group = group
        self._pace = Bucket(ANSWERS)
        self.listening = asyncio.Event()
        """Set once questions are heard."""

    async def run(self) -> None:
        """Answer until cancelled (law 5)."""
        while True:
            try:
                with contextlib.closing(self._joined()) as hearing:
                    self.listening.set()
                    await self._answer(hearing)
            except OSError as error:
                self._told.trouble(f"hubs cannot search for this bridge: {error.strerror or error}")
            self.listening.clear()
            await asyncio.sleep(AGAIN_SECONDS)

    def _joined(self) -> socket.socket:
        """Return a socket in the group, which other programs of this machine may join, too."""
        group, port = self._group
        hearing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            hearing.setblocking(False)
            hearing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            hearing.bind((group, port))
            own = socket.inet_aton(self._address)
            member = socket.inet_aton(group) + own
            hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except OSError:
            hearing.close()
            raise
        return hearing

    async def _answer(self, hearing: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        own = socket.inet_aton(self._address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as saying:
            saying.setblocking(False)
            saying.bind((self._address, 0))
            while True:
                await asyncio.sleep(0)  # a packet that is there is given without a wait
                data, sender = await loop.sock_recvfrom(hearing, PACKET_BYTES + 1)
                try:
                    answer = answer_to(read(data), self._bridge, self._port, own)
                except FrameError:
                    continue
                if answer is None or not self._pace.take(self._clock.monotonic()):
                    continue
                with contextlib.suppress(OSError):  # whoever asked has no way back
                    await loop.sock_sendto(saying, answer, sender)
