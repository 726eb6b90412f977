"""What the engine has for bridges: mandates, whom the site has ended, policies and their pieces.

Laws:
1. A bridge hears all of it after its Hello, but for a list of ends and a policy that it has, and
   each change as it comes.
2. What lies in the engine and is none of it is left out, and people are told.
3. Nothing is believed here by the engine's word: a mandate counts by the issuer's signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hubcore.backend.uplink.from_backend import Pieces
from hubcore.backend.uplink.words import MAX_PIECES
from hubcore.bridge.backend.codec import read_ends
from hubcore.bridge.backend.from_backend import EndsNow, FromBackend
from hubcore.bridge.backend.from_bridge import BridgeHello
from hubcore.bridge.ends import Ends
from hubcore.bridge.from_bridge import CarriedMandate
from hubcore.bridge.mandate import Mandates
from hubcore.codec.cose import VerifyKey
from hubcore.errors import FrameError, TrustError
from hubgateway.bridges.receipts import mandates_of
from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import names, policy

ENDS_KEY = "list"


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
        self.ends = Ends()
        self.on_mandates: Callable[[Mandates], None] = lambda _: None
        self._documents = Mirror(engine, names.MANDATES_BUCKET, self._on_mandate)
        self._ends = Mirror(engine, names.ENDS_BUCKET, self._on_ends, ENDS_KEY)
        self._roots = Mirror(engine, names.POLICY_BUCKET, self._on_policy, "root.*")

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """To be started and run."""
        return (self._documents, self._ends, self._roots)

    def for_bridge(self, hello: BridgeHello) -> Iterable[FromBackend]:
        """Yield what a bridge hears after this Hello (law 1)."""
        yield from self._carried(self._documents.values.values())
        if self.ends.version > hello.ends_version:
            yield EndsNow.of(self.ends)
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

    def _on_ends(self, _key: str, value: bytes | None) -> None:
        try:
            ends = read_ends(value)
        except TrustError as error:
            self._tell("ends", f"{names.ENDS_BUCKET}: {error}; the list before stays in force")
            return
        self.ends = ends
        if ends.version:
            self._say_all(EndsNow.of(ends))

    def _on_policy(self, _key: str, _value: bytes | None) -> None:
        offer = policy.newest(self._roots.values)
        if offer is not None:
            self._say_all(offer.message)
