"""What a bridge or the uplink brings and somebody else has signed: each goes to who proves it.

Laws:
1. At most WAITING documents wait. What comes beyond is counted and lost; a bridge says it again on
   the next connection.
2. They are looked at no faster than `pace` says: each costs a signature check.
3. They are taken in their order. A release that takes its time holds up no later order. At most
   ORDERS_AT_WORK are at work at once.
4. What is refused changes nothing and ends nothing.
5. Of the testimonies of a bridge the one of the newest record is kept.
6. What the uplink brings waits in a queue of its own, at a pace of its own. Whatever a bridge
   brings, it keeps nothing of that back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol, assert_never

import structlog

from hubcore.access.words import HubName
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate, SiteDocument
from hubcore.backend.uplink.from_hub import OrderResult
from hubcore.bridge.from_bridge import CarriedOrder, CarriedReceipt, Witnessed
from hubcore.bridge.mandate import Use
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.errors import HubError, PeerError
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket, Rate
from hubd.bridge.ends import EndsHere
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.receipts import ReceiptTaker

log = structlog.get_logger()

WAITING = 64
ORDERS_AT_WORK = 16
DOCUMENTS = Rate(burst=WAITING, per_second=10.0)

Carried = CarriedMandate | CarriedEnds | CarriedOrder | CarriedReceipt | Witnessed


class SiteOrders(Protocol):
    """Who takes the site's orders (`hubd.orders.site.taker`)."""

    async def take_mandate(self, document: bytes) -> None:
        """Put a mandate for orders in force. Raise HubError."""

    async def take(self, document: bytes) -> OrderResult:
        """Take an order, or say why not. Raise HubError for one that does not prove itself."""


class BridgeDocuments:
    """Signed documents wait here for their turn. Call `run` once."""

    def __init__(
        self,
        *,
        hub: HubName,
        mandates: MandatesHere,
        ends: EndsHere,
        on_ends: Callable[[], object],
        receipts: ReceiptTaker,
        site_orders: SiteOrders,
        clock: Clock,
        answer: Callable[[OrderResult], object],
        counters: Counter[str],
        pace: Rate = DOCUMENTS,
    ) -> None:
        """`answer` hands a result to the connection, which may lose it.

        `on_ends` hears when another list of ended bridges counts.
        """
        self._hub = hub
        self._mandates = mandates
        self._ends = ends
        self._on_ends = on_ends
        self._receipts = receipts
        self._site_orders = site_orders
        self._clock = clock
        self._answer = answer
        self._counters = counters
        self._pace = pace
        self._waiting: asyncio.Queue[tuple[Carried, str]] = asyncio.Queue(WAITING)
        self._of_backend: asyncio.Queue[tuple[SiteDocument, str]] = asyncio.Queue(WAITING)
        self._turn = asyncio.Lock()
        """Of who takes a document: two files are not written by turns."""
        self.testimony: Head | None = None
        """The newest head that a bridge of the site has signed."""

    def let_wait(self, message: Carried, bridge: str) -> None:
        """Let a document of this bridge wait for its turn (law 1)."""
        if self._waiting.full():
            self._counters["documents_too_many"] += 1
        else:
            self._waiting.put_nowait((message, bridge))

    def let_wait_of_backend(self, message: SiteDocument) -> None:
        """Let a document that the uplink has brought wait for its turn (laws 1 and 6)."""
        if self._of_backend.full():
            self._counters["documents_too_many"] += 1
        else:
            self._of_backend.put_nowait((message, ""))

    async def run(self) -> None:
        """Take what waits, until cancelled."""
        at_work = asyncio.Semaphore(ORDERS_AT_WORK)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_of_backend())
            bucket = Bucket(self._pace)
            while True:
                message, bridge = await self._waiting.get()
                await self._paced(bucket)
                if isinstance(message, CarriedOrder):
                    await at_work.acquire()
                    group.create_task(self._take_order(message.document, at_work))
                    await asyncio.sleep(0)  # it has its place before what comes after it
                else:
                    await self._take(message, bridge)

    async def _run_of_backend(self) -> None:
        bucket = Bucket(self._pace)
        while True:
            message, source = await self._of_backend.get()
            await self._paced(bucket)
            await self._take(message, source)

    async def _paced(self, bucket: Bucket) -> None:
        """Wait for the turn of one more document (law 2)."""
        if not bucket.take(self._clock.monotonic()):
            await asyncio.sleep(1 / self._pace.per_second)
            bucket.take(self._clock.monotonic())

    async def _take_order(self, document: bytes, at_work: asyncio.Semaphore) -> None:
        try:
            self._answer(await self._site_orders.take(document))
        except HubError as error:
            self._refused(error)
        finally:
            at_work.release()

    async def _take(self, message: SiteDocument | CarriedReceipt | Witnessed, bridge: str) -> None:
        try:
            async with self._turn:
                await self._take_in_turn(message, bridge)
        except HubError as error:
            self._refused(error)

    async def _take_in_turn(
        self, message: SiteDocument | CarriedReceipt | Witnessed, bridge: str
    ) -> None:
        match message:
            case CarriedMandate(document):
                await self._take_mandate(document)
            case CarriedEnds(document):
                if await self._ends.take(document):
                    log.info("bridges_ended")
                    self._on_ends()
            case CarriedReceipt(document):
                await self._receipts.take(document)
            case Witnessed(document):
                self._take_testimony(document, bridge)
            case _:
                assert_never(message)

    def _refused(self, error: HubError) -> None:
        self._counters["documents_refused"] += 1
        log.warning("bridge_document_refused", why=str(error))

    async def _take_mandate(self, document: bytes) -> None:
        """Take a mandate; the one for orders is kept with the orders, too. Raise HubError."""
        mandate = await self._mandates.take(document)
        if mandate.use is Use.ORDERS:
            await self._site_orders.take_mandate(document)

    def _take_testimony(self, document: bytes, bridge: str) -> None:
        """Keep a testimony that proves itself (law 5). Raise PeerError."""
        mandate = self._mandates.find(Use.TESTIMONY, bridge)
        if mandate is None:
            raise PeerError(f"a testimony came, and this hub knows no mandate of {bridge} for it")
        head = prove_head(HeadKind.TESTIMONY, document, self._hub, mandate).head
        if self.testimony is None or head.number > self.testimony.number:
            self.testimony = head
