"""Signs what the engine has: receipts for bridges and their hubs.

Laws:
1. A receipt is of a head that the engine has acknowledged. Who calls `sign` knows that.
2. It is signed only while the issuer's mandate for receipts, the newest in the engine, is for this
   very key and holds. Without one there is no receipt, and people are told.
3. The same head of a hub is signed once, as long as it is remembered; at most `remembered` hubs
   are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from hubcore.access.words import HubName
from hubcore.bridge.mandate import Mandate, Mandates, Use, prove_mandate
from hubcore.bridge.signedhead import HeadKind, SignedHead, sign_head
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import ProofError, TrustError
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock

REMEMBERED = 4096


def mandates_of(documents: Iterable[bytes], site: str, issuer: VerifyKey) -> Mandates:
    """Return those of these documents that prove themselves, the newest in each place."""
    known = Mandates()
    for document in documents:
        try:
            known = known.with_one(prove_mandate(document, site, issuer))
        except (ProofError, TrustError):
            continue
    return known


class ReceiptSigner:
    """The key for receipts, and the mandate that makes it count."""

    def __init__(
        self, site: str, key: SigningKey, clock: Clock, remembered: int = REMEMBERED
    ) -> None:
        self._remembered_max = remembered
        self._site = site
        self._key = key
        self._clock = clock
        self._mandate: Mandate | None = None
        self._signed: OrderedDict[str, tuple[Head, bytes]] = OrderedDict()

    def take(self, mandates: Mandates) -> None:
        """The mandates of the site are these now."""
        found = mandates.find(Use.RECEIPTS)
        if found != self._mandate:
            self._signed.clear()
        self._mandate = found

    @property
    def remembered(self) -> int:
        """Of how many hubs the newest receipt is remembered."""
        return len(self._signed)

    @property
    def why_not(self) -> str:
        """Why nothing can be signed now, "" when it can (law 2)."""
        if self._mandate is None:
            return "there is no mandate for receipts: hubissuer mandate receipts"
        if self._mandate.key.kid != self._key.verify_key.kid:
            return "the mandate for receipts is for another key than bridges.receipts_key"
        if not self._mandate.holds(int(self._clock.wall())):
            return "the mandate for receipts is not valid now: hubissuer mandate receipts"
        return ""

    def sign(self, hub: str, head: Head) -> bytes | None:
        """Return the receipt, None where none can be signed (law 2)."""
        if self.why_not or self._mandate is None or head.number == 0:
            return None
        before = self._signed.get(hub)
        if before is not None and before[0] == head:
            return before[1]
        said = SignedHead(
            kind=HeadKind.RECEIPT,
            by=self._mandate.holder,
            hub=HubName(self._site, hub),
            head=head,
            at=int(self._clock.wall()),
        )
        document = sign_head(said, self._key)
        self._signed[hub] = (head, document)
        self._signed.move_to_end(hub)
        if len(self._signed) > self._remembered_max:
            self._signed.popitem(last=False)
        return document
