"""What hubs say of policies, until the engine has it, and what was said while nobody knew them.

Laws:
1. A hub says once what it made of a policy. The newest such word of each hub is owed to the engine
   until that has kept it, one a hub. People are told of what the engine refuses.
2. A Hello names the version in force, too: if it is another one than was told last, it is owed.
3. What is said while the directory of keys is away counts only if the key does once it is read, and
   before what comes then. One such word of a key is kept, the newest; and beside it what the hub
   finds wrong with itself, the newest as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import zmq

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import PolicyResult
from hubcore.backend.uplink.health import HealthState
from hubcore.errors import FrameError, StoreError
from hubgateway.engine.owed import AGAIN_SECONDS, Owed
from hubgateway.rules import zap

Keep = Callable[[str, PolicyResult], Awaitable[None]]
"""Keeps what a hub said. Raises StoreError for what the engine refuses, LinkError without it."""
Frames = list[zmq.Frame]
"""A message of a hub as it came: its route, and what it says."""
Complain = Callable[[str, str], None]
"""Tells people what is wrong with a hub."""


class PolicyAnswers:
    """Of each hub that was here with a key; `run` tells the engine."""

    def __init__(
        self, keep: Keep, complain: Complain, again_seconds: float = AGAIN_SECONDS
    ) -> None:
        self._keep = keep
        self._complain = complain
        self._told: dict[str, int] = {}
        self._owed = Owed(self._kept, self._refused, again_seconds)

    def answered(self, hub: str, said: PolicyResult) -> None:
        """A hub has judged a policy (law 1)."""
        self._owed.add(hub, said)

    def greeted(self, hub: str, version: int) -> None:
        """A hub has said Hello with this version in force, 0 for none (law 2)."""
        owed = self._owed.of(hub)
        last = self._told.get(hub, 0) if owed is None else owed.version
        if version != last:
            self.answered(hub, PolicyResult(version, ""))

    async def run(self) -> None:
        """Tell the engine what is owed, until cancelled."""
        await self._owed.run()

    async def _kept(self, hub: str, said: PolicyResult) -> None:
        await self._keep(hub, said)
        self._told[hub] = said.version

    def _refused(self, hub: str, error: StoreError) -> None:
        self._complain(hub, f"what it made of a policy is not kept: {error}")


class UnprovenAnswers:
    """The newest word of each key that came while nobody could say which keys count (law 3)."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, type], Frames] = {}

    def before(self, frames: Frames, is_fresh: bool) -> list[Frames]:
        """A message has come: return what is to be looked at first. `is_fresh`: keys are known."""
        if is_fresh:
            return self.take()
        try:
            said = codec.decode_from_hub(frames[-1].bytes)
        except FrameError:
            return []
        if isinstance(said, PolicyResult | HealthState):
            key = str(frames[-1].get(zap.KEY_PROPERTY))
            self._frames[key, type(said)] = frames
        return []

    def take(self) -> list[Frames]:
        """Return all, and keep none: each is looked at as if it came now."""
        found = list(self._frames.values())
        self._frames.clear()
        return found
