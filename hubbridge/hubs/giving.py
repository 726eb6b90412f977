"""Gives one hub the policy that the bridge holds.

Laws:
1. A hub that has an older policy than the bridge is offered this one, once in a talk.
2. It gets the pieces that it wants of it, no faster than it reads them.
3. A policy of more than SMALL_BYTES is offered when the hub says something, never to all hubs at
   once.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubbridge.hubs.said import HubLine
from hubbridge.hubs.state import HubState
from hubbridge.policy.cache import PolicyCache
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces
from hubcore.backend.uplink.words import MAX_PIECES

SMALL_BYTES = 128 * 1024


class PolicyGiving:
    """For one connection of a hub."""

    def __init__(self, hub: str, line: HubLine, state: HubState, policy: PolicyCache) -> None:
        self._hub = hub
        self._line = line
        self._state = state
        self._policy = policy
        self._offered = 0
        """The version that was offered last."""

    async def offer(self) -> None:
        """Offer a newer policy (law 1). Raise LinkError."""
        if self._is_due():
            self._say()
            await self._line.has_read()

    def offer_if_small(self) -> None:
        """Offer a newer policy without waiting (law 3)."""
        if self._is_due() and len(self._policy.held.root) <= SMALL_BYTES:
            self._say()

    async def bring(self, names: Sequence[bytes]) -> None:
        """Bring those pieces that are here (law 2). Raise LinkError."""
        for at in range(0, len(names), MAX_PIECES):
            found = await self._policy.pieces(self._hub, names[at : at + MAX_PIECES])
            if found:
                self._line.say(Pieces(tuple(found)))
                await self._line.has_read()

    def _is_due(self) -> bool:
        return self._policy.held.version > max(self._state.policy_version, self._offered)

    def _say(self) -> None:
        self._offered = self._policy.held.version
        self._line.say(NewPolicy(self._policy.held.root))
