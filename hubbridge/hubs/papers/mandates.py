"""The issuer's word for the keys of a site, as a bridge keeps and carries it.

Laws:
1. What is kept was proven, and is proven again when it is read from the disk. What is none any more
   is left out.
2. The highest version in a place holds (`hubcore.bridge.mandate`, law 3).
3. A mandate is on the disk before a hub is told.
"""

from __future__ import annotations

from typing import Protocol

from hubcore.bridge.mandate import Mandate, Mandates, Use, prove_mandate
from hubcore.codec.cose import VerifyKey
from hubcore.errors import ProofError, TrustError

KIND = "mandate"


class DocumentStore(Protocol):
    """Where signed documents lie."""

    async def documents(self, kind: str) -> dict[bytes, bytes]:
        """Return those of one kind by their places. Raise StoreError."""

    async def put_documents(self, kind: str, documents: dict[bytes, bytes]) -> None:
        """Keep these instead of those of this kind that are there. Raise StoreError."""


class KnownMandates:
    """The mandates that hold at this bridge, with their documents."""

    def __init__(self, site: str, issuer: VerifyKey, store: DocumentStore) -> None:
        self._site = site
        self._issuer = issuer
        self._store = store
        self._known = Mandates()
        self._documents: dict[bytes, bytes] = {}
        """By the places of their mandates."""

    async def load(self) -> None:
        """Read what was kept (law 1). Raise StoreError."""
        for document in (await self._store.documents(KIND)).values():
            try:
                mandate = prove_mandate(document, self._site, self._issuer)
                self._known = self._known.with_one(mandate)
            except (ProofError, TrustError):
                continue
            self._documents[_place(mandate)] = document

    async def take(self, document: bytes) -> bool:
        """Take a mandate that somebody brings; tell whether it is a new one.

        Raise ProofError for none, RollbackError for an older one, StoreError.
        """
        mandate = prove_mandate(document, self._site, self._issuer)
        known = self._known.with_one(mandate)
        if known == self._known:
            return False
        documents = {**self._documents, _place(mandate): document}
        await self._store.put_documents(KIND, documents)
        self._known = known
        self._documents = documents
        return True

    def find(self, use: Use, holder: str = "") -> Mandate | None:
        """Return the mandate of this use that holds."""
        return self._known.find(use, holder)

    def documents(self) -> list[bytes]:
        """Return all documents that hold, for a hub."""
        return list(self._documents.values())


def _place(mandate: Mandate) -> bytes:
    use, holder = mandate.place
    return f"{int(use)}/{holder}".encode()
