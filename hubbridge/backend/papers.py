"""What the backend gives the bridge to keep: mandates, whom the site has ended, receipts.

Laws:
1. What is kept is on the disk before anybody is told of it.
2. A mandate and a list of ends count by the issuer's signature, and if they are newer. An older
   one, and one that does not prove itself, changes nothing, and people are told.
3. A hub hears the newest receipt about it when it comes, and each newer one at once.
4. A hub's newer certificates go to it in the bytes that came, and are kept nowhere: it proves them,
   and asks again for what it did not hear.
"""

from __future__ import annotations

from typing import Protocol

from hubbridge.hubs.papers.ended import EndedBridges
from hubbridge.hubs.papers.mandates import KnownMandates
from hubcore.backend.uplink.from_backend import Certificate, TlsCertificate
from hubcore.bridge import codec
from hubcore.bridge.backend.from_backend import CertificateOfHub
from hubcore.bridge.ends import Ends, Whom, prove_ends
from hubcore.bridge.from_bridge import CarriedReceipt, FromBridge
from hubcore.codec.cose import VerifyKey
from hubcore.errors import FrameError, ProofError, RollbackError, TrustError
from hubcore.evidence.records import Head

RECEIPT = "receipt"


class Store(Protocol):
    """Where papers lie."""

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        """Keep a proven receipt; False when another record of that number is held here."""

    async def take_ends(self, offered: Ends) -> Ends:
        """Keep a newer list of ends; return the list that counts."""

    async def documents(self, kind: str) -> dict[bytes, bytes]:
        """Return the documents of one kind by their places."""


class Hubs(Protocol):
    """Who says something to hubs."""

    def say(self, hub: str, message: FromBridge) -> bool:
        """Say something to a hub, or lose it."""

    def say_mandate(self, document: bytes) -> None:
        """Say a new mandate to all hubs that are here."""

    def say_ends(self, document: bytes) -> None:
        """Say a newer list of ended bridges to all hubs that are here."""

    def say_certificate(self, hub: str, message: Certificate | TlsCertificate) -> bool:
        """Say a newer certificate to a hub, or lose it."""


class Port(Protocol):
    """Where hubs come."""

    def take_ends(self, ends: Ends) -> None:
        """Cut all that a newer list names."""


class Told(Protocol):
    """Who is told what is wrong."""

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""


class PapersOfBackend:
    """Keeps and carries them."""

    def __init__(
        self,
        *,
        site: str,
        issuer: VerifyKey,
        store: Store,
        mandates: KnownMandates,
        ended: EndedBridges,
        hubs: Hubs,
        port: Port,
        told: Told,
    ) -> None:
        self._site = site
        self._issuer = issuer
        self._store = store
        self._mandates = mandates
        self._ended = ended
        self._hubs = hubs
        self._port = port
        self._told = told
        self._receipts: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read the receipts that were kept; each proves itself at its hub. Raise StoreError."""
        found = await self._store.documents(RECEIPT)
        self._receipts = {hub.decode("ascii", "replace"): one for hub, one in found.items()}

    def receipt(self, hub: str) -> bytes | None:
        """Return the newest receipt about a hub (law 3)."""
        return self._receipts.get(hub)

    async def take_receipt(self, hub: str, head: Head, document: bytes) -> bool:
        """Keep a proven receipt and carry it; False when another record is held here.

        Raise StoreError.
        """
        if not await self._store.take_receipt(hub, head, document):
            return False
        self._receipts[hub] = document
        self._hubs.say(hub, CarriedReceipt(document))
        return True

    def bring_certificate(self, message: CertificateOfHub) -> None:
        """Bring a hub its newer certificate (law 4)."""
        try:
            said = codec.decode_from_bridge(message.message)
        except FrameError as error:
            self._told.trouble(f"a certificate of {message.hub} cannot be read: {error}")
            return
        if isinstance(said, Certificate | TlsCertificate):
            self._hubs.say_certificate(message.hub, said)
        else:
            self._told.trouble(f"the backend brings {message.hub} what is no certificate")

    async def take_ends(self, document: bytes) -> None:
        """Take a list of ends (laws 1 and 2): it cuts hubs, or is for hubs. Raise StoreError."""
        try:
            offered = prove_ends(document, self._site, self._issuer)
            if offered.whom is Whom.HUBS:
                await self._take_ended_hubs(offered)
            elif await self._ended.take(offered, document):
                self._hubs.say_ends(document)
        except (ProofError, TrustError) as error:
            self._told.trouble(f"a list of ends that the backend brought is left out: {error}")

    async def _take_ended_hubs(self, offered: Ends) -> None:
        """Cut whom the list names. Raise RollbackError, StoreError."""
        counts = await self._store.take_ends(offered)
        if counts != offered:
            raise RollbackError(
                f"it has version {offered.version}, and {counts.version} is in force"
            )
        self._port.take_ends(counts)

    async def take_mandate(self, document: bytes) -> None:
        """Take a mandate, and carry it (laws 1 and 2). Raise StoreError."""
        try:
            is_new = await self._mandates.take(document)
        except (ProofError, TrustError) as error:
            self._told.trouble(f"a mandate that the backend brought is left out: {error}")
            return
        if is_new:
            self._hubs.say_mandate(document)
