"""What the engine has for hubs: policies, their certificates, and the issuer's word of bridges.

Laws:
1. A policy is offered at each Hello that tells an older one, and to connected hubs when it changes.
2. A piece that the engine has not is left out.
3. A hub gets its newest certificates before each Welcome, and when there is a new one.
4. A hub whose newest certificate has ended gets that alone: it may only renew.
5. What a hub asks for and the engine has not, somebody is told of.
6. A hub gets each mandate, and the list of ended bridges, after its Hello and as they change, so
   that no bridge keeps them back. The hub proves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubcore.backend.uplink import codec, from_backend
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate, SiteDocument
from hubcore.backend.uplink.from_hub import CertificateRequest
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.bridge.ends import Whom
from hubcore.bridge.mandate import BRIDGES_MAX
from hubcore.errors import FrameError, LinkError
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.engine.trouble import complain
from hubgateway.rules import certificates, names, policy
from hubgateway.rules.lanes import Session

MANDATES_MAX = BRIDGES_MAX + 2
"""So many hold: one for orders, one for receipts, and one a bridge."""
Send = Callable[[bytes, from_backend.BackendMessage], bool]
"""Hand a message over to a connection, named by its route."""


def _mandate(document: bytes) -> CarriedMandate | None:
    try:
        return CarriedMandate(document)
    except FrameError:
        return None


def _ends(document: bytes) -> CarriedEnds | None:
    try:
        return CarriedEnds(document)
    except FrameError:
        return None


class Documents:
    """`sessions` are those of the gateway, by hub."""

    def __init__(self, engine: Engine, send: Send, sessions: Mapping[str, Session]) -> None:
        self._engine = engine
        self._send = send
        self._sessions = sessions
        self._roots = Mirror(engine, names.POLICY_BUCKET, self._on_policy_changed, "root.*")
        self._certificates = Mirror(engine, names.CERTIFICATES_BUCKET, self._on_new_certificate)
        self._tls = Mirror(engine, names.TLS_BUCKET, self._on_new_tls_certificate)
        self._mandates = Mirror(engine, names.MANDATES_BUCKET, self._on_mandate)
        self._ends = Mirror(engine, names.ENDS_BUCKET, self._on_ends, Whom.BRIDGES.word)

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """To be started and run."""
        return (self._roots, self._certificates, self._tls, self._mandates, self._ends)

    def offer(self, session: Session) -> None:
        """Offer a hub the newest policy, unless it has that."""
        offer = policy.newest(self._roots.values)
        if offer is not None and policy.is_due(offer, session.hello):
            self._send(session.route, offer.message)

    def carry(self, session: Session) -> None:
        """Bring a hub what the issuer has signed of bridges (law 6)."""
        documents = list(self._mandates.values.values())[:MANDATES_MAX]
        messages = [*map(_mandate, documents), *map(_ends, self._ends.values.values())]
        for message in messages:
            if message is not None:
                self._send(session.route, message)

    def _on_mandate(self, key: str, value: bytes | None) -> None:
        self._say_all(f"{names.MANDATES_BUCKET}: {key}", value, _mandate)

    def _on_ends(self, key: str, value: bytes | None) -> None:
        self._say_all(f"{names.ENDS_BUCKET}: {key}", value, _ends)

    def _say_all(
        self, where: str, value: bytes | None, made: Callable[[bytes], SiteDocument | None]
    ) -> None:
        if value is None:
            return
        message = made(value)
        if message is None:
            complain(f"{where}: what the engine has there is too long, or empty")
            return
        for session in self._sessions.values():
            self._send(session.route, message)

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

    def _on_policy_changed(self, _key: str, value: bytes | None) -> None:
        if value is None:  # an older one was taken out
            return
        for session in self._sessions.values():
            self.offer(session)

    def may_speak(self, hub: str, route: bytes, now: float) -> bool:
        """Give a hub its newest certificates; False when the one for phones has ended at `now`.

        `now` in Unix seconds. Raise LinkError while it is not known which are the newest.
        """
        if not (self._certificates.fresh and self._tls.fresh):
            raise LinkError("the bucket of certificates was not read since the engine is back")
        tls = certificates.tls_message_of(self._tls.values.get(hub))
        if tls is not None:
            self._send(route, tls)
        document = self._certificates.values.get(hub)
        message = certificates.message_of(document)
        if document is None or message is None:
            return True
        self._send(route, message)
        return not certificates.has_ended(document, now)

    async def renew(self, hub: str, session: Session, asked: CertificateRequest) -> None:
        """Answer with another certificate than the hub has, or let somebody know that it wants one.

        Raise StoreError.
        """
        document = self._certificates.values.get(hub)
        message = certificates.message_of(document)
        if document is not None and message and certificates.is_other(document, asked.digest):
            self._send(session.route, message)
        else:
            await self._engine.tell(names.subject(names.RENEWALS, hub), codec.encode(asked))

    def _on_new_certificate(self, hub: str, document: bytes | None) -> None:
        session = self._sessions.get(hub)
        message = certificates.message_of(document)
        if document is not None and message is None:
            complain(f"hub {hub}: what the engine has as its certificate is too long, or empty")
        if session is not None and message is not None:
            self._send(session.route, message)

    def _on_new_tls_certificate(self, hub: str, document: bytes | None) -> None:
        session = self._sessions.get(hub)
        message = certificates.tls_message_of(document)
        if document is not None and message is None:
            complain(f"hub {hub}: what the engine has as its TLS certificate is too long, or empty")
        if session is not None and message is not None:
            self._send(session.route, message)
