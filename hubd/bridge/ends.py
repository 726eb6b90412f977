"""Which bridges the site has ended, as the hub knows it.

Laws:
1. What is kept was proven, and is proven again at each start. The newest list holds, whoever brings
   it, and an older one undoes nothing.
2. A list counts at once. Where the disk does not take it, it counts until the next start.
3. A list of hubs is none here.
"""

from __future__ import annotations

from hubcore.bridge.ends import Ends, Whom, prove_ends
from hubcore.codec.cose import VerifyKey
from hubcore.errors import PeerError, ProofError, StoreError, TrustError
from hubcore.ports.stores import DocumentFile


class EndsHere:
    """The list that this hub knows."""

    def __init__(self, site: str, issuer: VerifyKey, file: DocumentFile) -> None:
        self._site = site
        self._issuer = issuer
        self._file = file
        self._known = Ends(whom=Whom.BRIDGES)
        self.trouble = ""
        """Why what was kept is not known, or what is known is not kept; "" when all is well."""
        self._restore()

    def include(self, bridge: str, key_digest: bytes) -> bool:
        """Tell whether a bridge that shows this key is ended."""
        return self._known.include(bridge, key_digest)

    async def take(self, document: bytes) -> bool:
        """Take a list that somebody brings; tell whether it is a new one.

        Raise ProofError for none, RollbackError for an older one.
        """
        ends = self._proven(document)
        if ends == self._known:
            return False
        self._known = ends
        try:
            await self._file.write([document])
        except StoreError as error:
            self.trouble = str(error)
        else:
            self.trouble = ""
        return True

    def _proven(self, document: bytes) -> Ends:
        ends = prove_ends(document, self._site, self._issuer)
        if ends.whom is not Whom.BRIDGES:
            raise ProofError("list of ends: it is of hubs")
        return self._known.newer(ends)

    def _restore(self) -> None:
        try:
            found = self._file.found()
        except StoreError as error:
            self.trouble = str(error)
            return
        for document in found:
            try:
                self._known = self._proven(document)
            except (PeerError, TrustError) as error:
                self.trouble = str(error)
