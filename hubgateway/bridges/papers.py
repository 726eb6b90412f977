"""What the engine has for bridges: mandates, whom the site has ended, policies and their pieces.

Laws:
1. A bridge hears all of it after its Hello, but for a list of ends and a policy that it has, and
   each change as it comes.
2. What lies in the engine and is none of it is left out, and people are told.
3. Nothing is believed here by the engine's word: mandates and lists of ends count by the issuer's
   signature, and a list with a lower version by none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import Pieces
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.bridge.backend.from_backend import EndsNow, FromBackend
from hubcore.bridge.backend.from_bridge import BridgeHello
from hubcore.bridge.ends import Ends, Whom, prove_ends
from hubcore.bridge.mandate import Mandates
from hubcore.codec.cose import VerifyKey
from hubcore.errors import FrameError, ProofError, TrustError
from hubgateway.bridges.evidence.receipts import mandates_of
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import names, policy


class BridgePapers:
    """`say_all` says something to each bridge that is connected."""

    def __init__(
        self,
        engine: Engine,
        site: str,
        issuer: VerifyKey,
        say_all: Callable[[FromBackend], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._engine = engine
        self._site = site
        self._issuer = issuer
        self._say_all = say_all
        self._tell = tell
        self.mandates = Mandates()
        self._ends = {whom: Ends(whom=whom) for whom in Whom}
        self._ends_documents: dict[Whom, bytes] = {}
        self.on_mandates: Callable[[Mandates], None] = lambda _: None
        self._documents = Mirror(engine, names.MANDATES_BUCKET, self._on_mandate)
        self._lists = Mirror(engine, names.ENDS_BUCKET, self._on_ends)
        self._roots = Mirror(engine, names.POLICY_BUCKET, self._on_policy, "root.*")

    def ends(self, whom: Whom = Whom.HUBS) -> Ends:
        """Whom the site has ended."""
        return self._ends[whom]

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """To be started and run."""
        return (self._documents, self._lists, self._roots)

    def for_bridge(self, hello: BridgeHello) -> Iterable[FromBackend]:
        """Yield what a bridge hears after this Hello (law 1)."""
        yield from self._carried(self._documents.values.values())
        for whom, document in self._ends_documents.items():
            if whom is not Whom.HUBS or self._ends[whom].version > hello.ends_version:
                yield EndsNow(document)
        offer = policy.newest(self._roots.values)
        if offer is not None and policy.is_due(offer, hello):
            yield offer.message

    async def pieces(self, wanted: tuple[bytes, ...]) -> list[Pieces]:
        """Return the pieces of a policy that are asked for. Raise StoreError, LinkError."""
        found = []
        for name in wanted:
            piece = await self._engine.buckets.get(names.POLICY_BUCKET, names.piece_key(name))
            if piece:
                found.append(piece)
        return [
            Pieces(tuple(found[start : start + MAX_PIECES]))
            for start in range(0, len(found), MAX_PIECES)
        ]

    def _carried(self, documents: Iterable[bytes]) -> Iterable[CarriedMandate]:
        for document in documents:
            try:
                yield CarriedMandate(document)
            except FrameError as error:
                self._tell("mandates", f"{names.MANDATES_BUCKET}: one is left out: {error}")

    def _on_mandate(self, _key: str, value: bytes | None) -> None:
        documents = self._documents.values.values()
        self.mandates = mandates_of(documents, self._site, self._issuer)
        self.on_mandates(self.mandates)
        for message in self._carried([value] if value is not None else []):
            self._say_all(message)

    def _on_ends(self, key: str, value: bytes | None) -> None:
        """Take a list that counts. One that is gone from the engine stays in force here."""
        if value is None:
            return
        try:
            ends = prove_ends(value, self._site, self._issuer)
            if ends.whom.word != key:
                raise TrustError("it is a list of others")
            if self._ends[ends.whom].newer(ends) == self._ends[ends.whom]:
                return
        except (ProofError, TrustError) as error:
            self._tell("ends", f"{names.ENDS_BUCKET}: {key}: {error}; it is left out")
            return
        self._ends[ends.whom] = ends
        self._ends_documents[ends.whom] = value
        self._say_all(EndsNow(value))

    def _on_policy(self, _key: str, value: bytes | None) -> None:
        if value is None:  # an older one was taken out
            return
        offer = policy.newest(self._roots.values)
        if offer is not None:
            self._say_all(offer.message)
