"""Which bridges the site has ended, as a bridge keeps and carries it to hubs.

Laws:
1. What is kept was proven, and is proven again when it is read from the disk.
2. The newest list holds. It is on the disk before a hub is told.
"""

from __future__ import annotations

from hubbridge.hubs.papers.mandates import DocumentStore
from hubcore.bridge.ends import Ends, Whom, prove_ends
from hubcore.codec.cose import VerifyKey
from hubcore.errors import ProofError, TrustError

KIND = "ends"
_PLACE = b"bridges"


class EndedBridges:
    """The list that holds at this bridge, with its document."""

    def __init__(self, site: str, issuer: VerifyKey, store: DocumentStore) -> None:
        self._site = site
        self._issuer = issuer
        self._store = store
        self._known = Ends(whom=Whom.BRIDGES)
        self.document: bytes | None = None
        """For a hub; None before the first list."""

    async def load(self) -> None:
        """Read what was kept (law 1). Raise StoreError."""
        for document in (await self._store.documents(KIND)).values():
            try:
                ends = prove_ends(document, self._site, self._issuer)
            except ProofError:
                continue
            if ends.whom is Whom.BRIDGES:
                self._known = ends
                self.document = document

    async def take(self, offered: Ends, document: bytes) -> bool:
        """Take a list that was proven; tell whether it is a new one.

        Raise RollbackError for an older one, TrustError for one of others, StoreError.
        """
        if offered.whom is not Whom.BRIDGES:
            raise TrustError("a list of ended hubs is none of bridges")
        if self._known.newer(offered) == self._known:
            return False
        await self._store.put_documents(KIND, {_PLACE: document})
        self._known = offered
        self.document = document
        return True
