"""What bridges bring of hubs: into the engine as if the hub had brought it itself.

Laws:
1. A receipt goes only for what the engine has acknowledged, or held before.
2. A record is stored once, whichever way it took: number and chain hash decide (`rules.chain`).
3. What follows nothing here is no gap: the bridge is told what the engine has, and asks again.
4. A hub that is stopped, or of which no key is enrolled or no TLS certificate known, gets no record
   in by a bridge: whoever was revoked is heard by no way.
5. Another record under a number that is held is told to people and to the bridge. It stops this way
   alone.
6. Nothing is kept that the hub has not signed (`heads`). So a bridge in wrong hands makes up no
   record of a hub, and the hub is never the fork. What a bridge brings otherwise is told to people
   and to the bridge, and stops this way alone.
7. A receipt speaks for all records before its own. So one goes with the last of several batches
   that came together (`abreast`), and for any that is not wholly kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hubcore.access.words import HubName
from hubcore.backend.uplink.evidence import record_of
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.words import Cause
from hubcore.bridge.backend.from_backend import (
    FromBackend,
    HubHalted,
    HubKnown,
    HubReceipt,
)
from hubcore.codec.cose import VerifyKey
from hubcore.evidence.records import Head
from hubgateway.bridges.evidence.heads import why_not
from hubgateway.bridges.evidence.receipts import ReceiptSigner
from hubgateway.keeper import Keeper
from hubgateway.rules.chain import Stop
from hubgateway.rules.names import TLS_BUCKET


class Hubs(Protocol):
    """What the engine says of hubs."""

    def is_known(self, hub: str) -> bool:
        """Tell whether a key of it is enrolled. Raise LinkError while the directory is away."""

    def key_of(self, hub: str) -> VerifyKey | None:
        """Return the key by which it signs its heads. Raise LinkError while that is not known."""

    def stop_of(self, hub: str) -> Stop | None:
        """Return why it is stopped. Raise LinkError while that is not known."""


class BridgedRecords:
    """`tell` hears what people should know of a hub."""

    def __init__(
        self,
        site: str,
        keeper: Keeper,
        hubs: Hubs,
        receipts: ReceiptSigner,
        tell: Callable[[str, str], None],
    ) -> None:
        self._site = site
        self._keeper = keeper
        self._hubs = hubs
        self._receipts = receipts
        self._tell = tell

    async def answer(self, hub: str, turn: int, seen: Head) -> list[FromBackend]:
        """Say what the engine has of a hub. Raise StoreError, LinkError."""
        key = self._key_of(hub)
        if isinstance(key, HubHalted):
            return [key]
        self._keeper.forget(hub)
        if await self._keeper.agrees(hub, seen) is False:
            return [self._fork(hub, f"the bridge has seen another record {seen.number}")]
        head = (await self._keeper.known(hub)).head
        return [*self._receipt(hub, head), HubKnown(hub, turn, head.number, head.hash)]

    async def keep(
        self, hub: str, records: tuple[bytes, ...], document: bytes, *, to_receipt: bool = True
    ) -> list[FromBackend]:
        """Keep records durably (laws 1 to 7). Raise PeerError, StoreError, LinkError."""
        read = [record_of(one) for one in records]
        key = self._key_of(hub)
        if isinstance(key, HubHalted):
            return [key]
        why = why_not(HubName(self._site, hub), key, read, document)
        if why:
            self._tell(hub, f"its bridge brings records that it has not signed: {why}")
            return [HubHalted(hub, None, sentence(f"not signed by this hub: {why}"))]
        kept = await self._keeper.take(hub, read)
        for alarm in kept.alarms:
            self._tell(hub, alarm)
        if kept.stop is not None and kept.stop.cause is Cause.FORK:
            return [self._fork(hub, kept.stop.detail)]
        head = (await self._keeper.known(hub)).head
        if read[-1].number > head.number:
            return [*self._receipt(hub, head), HubKnown(hub, 0, head.number, head.hash)]
        return self._receipt(hub, head) if to_receipt else []

    def _key_of(self, hub: str) -> VerifyKey | HubHalted:
        """Return the key by which a hub signs, or why nothing of it is taken (law 4)."""
        if not self._hubs.is_known(hub):
            return HubHalted(hub, None, "no hub of this name is enrolled")
        stop = self._hubs.stop_of(hub)
        if stop is not None:
            return HubHalted(hub, stop.cause, sentence(stop.detail))
        key = self._hubs.key_of(hub)
        if key is None:
            why = f"{TLS_BUCKET} has no certificate of it by the site's authority"
            self._tell(hub, f"nothing of it is taken over a bridge: {why}")
            return HubHalted(hub, None, why)
        return key

    def _fork(self, hub: str, detail: str) -> HubHalted:
        self._tell(hub, f"FORK between its bridge and the engine: {detail}")
        return HubHalted(hub, Cause.FORK, sentence(detail))

    def _receipt(self, hub: str, head: Head) -> list[FromBackend]:
        document = self._receipts.sign(hub, head)
        if document is None and head.number and self._receipts.why_not:
            self._tell("receipts", f"none is signed: {self._receipts.why_not}")
        return [] if document is None else [HubReceipt(hub, document)]
