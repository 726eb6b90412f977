"""What the engine has for hubs to fetch: policies and their pieces.

Laws:
1. A policy is offered at each Hello that tells an older one, and to connected hubs when it changes.
2. A piece that the engine has not is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubcore.backend.uplink import from_backend
from hubcore.backend.uplink.words import MAX_PIECES
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import names, policy
from hubgateway.rules.lanes import Session

Send = Callable[[bytes, from_backend.BackendMessage], bool]
"""Hand a message over to a connection, named by its route."""


class Documents:
    """`sessions` are those of the gateway, by hub."""

    def __init__(self, engine: Engine, send: Send, sessions: Mapping[str, Session]) -> None:
        self._engine = engine
        self._send = send
        self._sessions = sessions
        self._roots = Mirror(engine, names.POLICY_BUCKET, self._on_policy_changed, "root.*")

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """To be started and run."""
        return (self._roots,)

    def offer(self, session: Session) -> None:
        """Offer a hub the newest policy, unless it has that."""
        offer = policy.newest(self._roots.values)
        if offer is not None and policy.is_due(offer, session.hello):
            self._send(session.route, offer.message)

    async def send_pieces(self, session: Session, wanted: tuple[bytes, ...]) -> None:
        """Send the pieces that a hub asks for. Raise StoreError, LinkError."""
        found = []
        for name in wanted:
            piece = await self._engine.buckets.get(names.POLICY_BUCKET, names.piece_key(name))
            if piece:
                found.append(piece)
        for start in range(0, len(found), MAX_PIECES):
            pieces = from_backend.Pieces(tuple(found[start : start + MAX_PIECES]))
            self._send(session.route, pieces)

    def _on_policy_changed(self, _key: str, _value: bytes | None) -> None:
        for session in self._sessions.values():
            self.offer(session)
