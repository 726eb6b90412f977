"""The issuer's word for who may speak for this site, as the hub knows it.

Laws:
1. What is kept was proven, and is proven again at each start. The highest version in a place holds.
2. A mandate counts at once. Where the disk does not take it, it counts until the next start.
3. A mandate for orders is known here, too, and is kept once more with the orders that it proves
   (`hubd.orders.site`).
"""

from __future__ import annotations

from hubcore.bridge.mandate import Mandate, Mandates, Use, prove_mandate
from hubcore.codec.cose import VerifyKey
from hubcore.errors import PeerError, StoreError, TrustError
from hubcore.ports.stores import DocumentFile


class MandatesHere:
    """The mandates that this hub knows."""

    def __init__(self, site: str, issuer: VerifyKey, file: DocumentFile) -> None:
        self._site = site
        self._issuer = issuer
        self._file = file
        self._known = Mandates()
        self._documents: dict[tuple[Use, str], bytes] = {}
        self.trouble = ""
        """Why what was kept is not known, or what is known is not kept; "" when all is well."""
        self._restore()

    def find(self, use: Use, holder: str = "") -> Mandate | None:
        """Return the one of this use that holds."""
        return self._known.find(use, holder)

    async def take(self, document: bytes) -> Mandate:
        """Take one that somebody brings, and return it.

        Raise ProofError for none, RollbackError for an older one.
        """
        mandate = prove_mandate(document, self._site, self._issuer)
        known = self._known.with_one(mandate)
        if known == self._known:
            return mandate
        self._known = known
        self._documents[mandate.place] = document
        try:
            await self._file.write(list(self._documents.values()))
        except StoreError as error:
            self.trouble = str(error)
        else:
            self.trouble = ""
        return mandate

    def _restore(self) -> None:
        try:
            found = self._file.found()
        except StoreError as error:
            self.trouble = str(error)
            return
        for document in found:
            try:
                mandate = prove_mandate(document, self._site, self._issuer)
                self._known = self._known.with_one(mandate)
            except (PeerError, TrustError) as error:
                self.trouble = str(error)
                continue
            self._documents[mandate.place] = document
