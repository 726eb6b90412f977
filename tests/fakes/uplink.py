"""An uplink in memory, and somebody who listens to an uplink."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import takewhile

from hubcore.ports.uplink import UplinkListener, UplinkPlace


class FakeUplink:
    """`ports.uplink.Uplink`, and `ports.bridge.BridgeLine`, without a network. A test plays the
    other end with `connect`, `say` and `cut`.

    `said` has what the hub sent. `full`: the queue takes nothing. `refuse` says of the next
    messages, one by one, which are not taken: [False, True] refuses the second.
    """

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.full = False
        self.refuse: list[bool] = []
        self.own_key = bytes(32)
        self.left: list[tuple[str, bool]] = []
        self._listener: UplinkListener | None = None
        self._served = asyncio.Event()
        self._up = False

    async def serve(self, listener: UplinkListener) -> None:
        self._listener = listener
        self._served.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._listener = None

    def send(self, message: bytes) -> bool:
        refused = self.full or not self._up or (self.refuse.pop(0) if self.refuse else False)
        if not refused:
            self.said.put_nowait(message)
        return not refused

    def send_all(self, messages: Sequence[bytes]) -> int:
        return sum(1 for _ in takewhile(self.send, messages))

    def place(self) -> UplinkPlace:
        return UplinkPlace("tcp://fake:1", 1, bytes(32), self.own_key)

    def leave(self, why: str, *, again: bool = False) -> None:
        if self._up:
            self.left.append((why, again))
            self.cut(why)

    async def served(self) -> None:
        """Wait until somebody listens."""
        await self._served.wait()

    def connect(self) -> None:
        """Let the link come up."""
        self._up = True
        self._heard().connected()

    def cut(self, why: str) -> None:
        """Let the link go down."""
        self._up = False
        self._heard().disconnected(why)

    def say(self, message: bytes) -> None:
        """Say something to the hub."""
        self._heard().received(message)

    def _heard(self) -> UplinkListener:
        assert self._listener is not None, "nobody serves this link"
        return self._listener

    async def next(self, within_seconds: float = 2.0) -> bytes:
        """Wait for what the hub says next."""
        async with asyncio.timeout(within_seconds):
            return await self.said.get()


class FakeUplinkListener:
    """`ports.uplink.UplinkListener`, and that of a bridge, that keeps what it is told.

    Whose name or key is in `ended` was ended by the site.
    """

    def __init__(self) -> None:
        self.ended: set[str | bytes] = set()
        self.messages: list[bytes] = []
        self.whys: list[str] = []
        self.ups = 0

    def is_ended(self, bridge: str, key_digest: bytes) -> bool:
        return not self.ended.isdisjoint({bridge, key_digest})

    def connected(self, bridge: str = "") -> None:
        self.ups += 1

    def disconnected(self, why: str) -> None:
        self.whys.append(why)

    def received(self, message: bytes) -> None:
        self.messages.append(message)

    @property
    def why(self) -> str:
        """Why the link went down the last time, "" when it did not."""
        return self.whys[-1] if self.whys else ""
