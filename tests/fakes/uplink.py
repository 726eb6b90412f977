"""An uplink in memory, and somebody who listens to an uplink."""

from __future__ import annotations

import asyncio

from hubcore.ports.uplink import UplinkListener


class FakeUplink:
    """`ports.uplink.Uplink` without a network. A test plays the backend: it calls the listener, or `hear`.

    `said` has what the hub sent. `full`: it takes nothing, as when the link is down.
    `refuse` says of the next messages, one by one, which are not taken: [False, True] refuses the second.
    """

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.full = False
        self.refuse: list[bool] = []
        self._listener: UplinkListener | None = None
        self._served = asyncio.Event()

    async def serve(self, listener: UplinkListener) -> None:
        self._listener = listener
        self._served.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._listener = None

    def send(self, message: bytes) -> bool:
        refused = self.full or (self.refuse.pop(0) if self.refuse else False)
        if not refused:
            self.said.put_nowait(message)
        return not refused

    async def listener(self) -> UplinkListener:
        """Wait until somebody listens, and return who."""
        await self._served.wait()
        assert self._listener is not None
        return self._listener

    async def next(self, within_seconds: float = 2.0) -> bytes:
        """Wait for what the hub says next."""
        async with asyncio.timeout(within_seconds):
            return await self.said.get()


class FakeUplinkListener:
    """`ports.uplink.UplinkListener` that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.whys: list[str] = []
        self.ups = 0

    def connected(self) -> None:
        self.ups += 1

    def disconnected(self, why: str) -> None:
        self.whys.append(why)

    def received(self, message: bytes) -> None:
        self.messages.append(message)

    @property
    def why(self) -> str:
        """Why the link went down the last time, "" when it did not."""
        return self.whys[-1] if self.whys else ""
