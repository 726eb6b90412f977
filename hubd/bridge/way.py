"""The use case that talks with a bridge of the site: it performs what `bridge.talk` says.

Laws:
1. The talk decides (`hubcore.bridge.talk`). This file joins it to the connection, to the records,
   and to those who take what proves itself.
2. What a bridge brings is taken by those who prove it: policies by the intake of policies, orders
   and mandates for them by the orders of the site, receipts by the mandate for them.
3. A receipt lets records go as `bridge.receipts` says, and nothing else that a bridge says does.
4. Whatever a bridge sends costs at most a named ceiling: one policy and WAITING documents wait.
   What comes beyond is counted and lost; a bridge says it again on the next connection. Documents
   are looked at no faster than DOCUMENTS says, because each costs a signature check.
5. A bridge that is away, or doubts this hub, changes nothing at a door and nothing on the uplink.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from hubcore.access.words import HubName
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Held,
    NewPolicy,
    Pieces,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import Evidence, OrderResult
from hubcore.bridge import codec
from hubcore.bridge.from_bridge import (
    CarriedMandate,
    CarriedOrder,
    CarriedReceipt,
    Full,
    Witnessed,
)
from hubcore.bridge.from_hub import FromHub, HubHello
from hubcore.bridge.mandate import Use
from hubcore.bridge.signedhead import HeadKind, prove_head
from hubcore.bridge.talk import (
    Answer,
    BridgeTalk,
    Leave,
    SayHello,
    SendAfter,
    Show,
    Take,
    Takeable,
    WayChanged,
    WayEffects,
    WayPhase,
)
from hubcore.bridge.words import PROTOCOL
from hubcore.errors import FrameError, HubError, PeerError, StoreError
from hubcore.evidence.records import Head
from hubcore.ports.bridge import BridgeLine
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubcore.timing.pace import Bucket, Rate
from hubd.backend.policies import PolicyWorker
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.receipts import ReceiptTaker
from hubd.bridge.sender import RecordsToBridge

log = structlog.get_logger()

WAITING = 64
"""Documents of a bridge that wait for their turn."""
DOCUMENTS = Rate(burst=WAITING, per_second=10.0)


class SiteOrders(Protocol):
    """Who takes the site's orders (`hubd.orders.site.taker`)."""

    async def take_mandate(self, document: bytes) -> None:
        """Put a mandate for orders in force. Raise HubError."""

    async def take(self, document: bytes) -> OrderResult:
        """Take an order, or say why not. Raise HubError for one that does not prove itself."""


@dataclass(frozen=True, slots=True)
class Policies:
    """How policies are taken, whoever brings them."""

    accept: Callable[[bytes, PolicyWorker], Awaitable[int]]
    version: Callable[[], int]
    digest: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class WayState:
    """The way over the bridge as it is now, for people. `phase` is that of `bridge.talk`."""

    phase: str
    why: str
    bridge: str
    endpoint: str
    certificate_ends: int
    failures: tuple[str, ...]
    waiting: int
    is_full: bool
    clock_offset_seconds: float | None
    testimony: str
    """The newest head that the bridge has signed, as text; "" for none."""
    trouble: str
    counters: dict[str, int]


class BridgeWay:
    """The talk of one hub with its bridges, and the listener of their connection.

    Call `run` once.
    """

    def __init__(
        self,
        *,
        line: BridgeLine,
        records: AuditLog,
        hub: HubName,
        software: str,
        policies: Policies,
        site_orders: SiteOrders,
        mandates: MandatesHere,
        clock: Clock,
        pace: Pace,
        appended: asyncio.Event,
        chance: Callable[[int], bytes] = secrets.token_bytes,
        doors_at_rest: Callable[[], Awaitable[None]],
    ) -> None:
        """`appended` is set after every append to the log, and is this way's own."""
        self._line = line
        self._records = records
        self._hub = hub
        self._software = software
        self._boot_id = chance(16)
        self._policies = policies
        self._site_orders = site_orders
        self._mandates = mandates
        self._clock = clock
        self._wake = appended
        self._retry_seconds = pace.retry_seconds
        self._counters: Counter[str] = Counter()
        self._time = BackendTime()
        self._documents: asyncio.Queue[CarriedMandate | CarriedOrder | CarriedReceipt] = (
            asyncio.Queue(WAITING)
        )
        self._testimony: Head | None = None
        self._durable = Head()
        """What the backend has without a gap, as the next Hello tells it."""
        self._show: int | None = None
        self._sender = RecordsToBridge(
            records=records,
            clock=clock,
            pace=pace,
            say=self._say,
            doors_first=doors_at_rest,
        )
        self._worker = PolicyWorker(
            accept=policies.accept,
            version=policies.version,
            pace=pace,
            say=self._say,
            counters=self._counters,
        )
        self._receipts = ReceiptTaker(
            records=records, hub=hub, mandates=mandates, clock=clock, counters=self._counters
        )
        self._talk = BridgeTalk(
            pace=pace,
            hub=hub,
            chance=chance,
            counters=self._counters,
            bridge_time=self._time,
            compare=self._compare,
        )

    @property
    def state(self) -> WayState:
        """The way as it is now."""
        place = self._line.place()
        offset = self._time.offset(self._clock.wall(), self._clock.monotonic())
        return WayState(
            phase=str(self._talk.phase),
            why=self._talk.why,
            bridge=place.name,
            endpoint=place.endpoint,
            certificate_ends=place.expires,
            failures=place.failures,
            waiting=self._sender.waiting,
            is_full=self._sender.is_full,
            clock_offset_seconds=None if offset is None else offset.seconds,
            testimony="" if self._testimony is None else str(self._testimony),
            trouble=self._mandates.trouble,
            counters=dict(self._counters),
        )

    async def run(self) -> None:
        """Serve the connection and the talk until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._line.serve(self))
            group.create_task(self._take_turns())
            group.create_task(self._take_documents())
            group.create_task(self._worker.run())

    # What the connection tells: nothing here waits.

    def connected(self, bridge: str) -> None:
        """See `ports.bridge.BridgeListener.connected`."""
        self._perform(self._talk.connected(bridge, self._now()))
        self._wake.set()

    def disconnected(self, why: str) -> None:
        """See `ports.bridge.BridgeListener.disconnected`."""
        self._perform(self._talk.disconnected(why))
        self._wake.set()

    def received(self, message: bytes) -> None:
        """Read one message and act on it; what cannot be, or is out of turn, is counted."""
        try:
            read = codec.decode_from_bridge(message)
        except FrameError:
            self._counters["undecodable"] += 1
            return
        effects = self._talk.received(read, self._now())
        if effects is None:
            return
        self._perform(effects)
        self._wake.set()

    # The turns: one task that sends records, and asks the talk what is due.

    async def _take_turns(self) -> None:
        while True:
            self._wake.clear()
            try:
                until = await self._turn()
            except StoreError as error:
                self._counters["store_errors"] += 1
                log.warning("records_unreadable", why=str(error))
                until = self._clock.monotonic() + self._retry_seconds
            seconds = None if until is None else max(0.0, until - self._clock.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            await asyncio.sleep(0)

    async def _turn(self) -> float | None:
        """Do what is due; return when something is due again, None when nothing is."""
        if self._talk.phase in (WayPhase.GREETING, WayPhase.DOUBTED):
            self._durable = await self._find_durable()
        at = self._now()
        self._perform(self._talk.look(at))
        if self._show is not None:
            self._show_record(self._show)
        due_at = self._talk.due(at.monotonic)
        send_at = None
        if self._talk.phase is WayPhase.SPEAKING:
            send_at = await self._sender.send()
        return min((one for one in (due_at, send_at) if one is not None), default=None)

    def _show_record(self, number: int) -> None:
        """Show this hub's own record of this number. Raise StoreError."""
        self._show = None
        for record in self._records.newest(number + 1, 1):
            if record.number == number:
                self._say(Evidence(record.number, record.body, record.hash))

    # The effects: the one place that performs them.

    def _perform(self, effects: WayEffects) -> None:
        for effect in effects:
            match effect:
                case WayChanged(phase, why):
                    log.info("bridge", phase=str(phase), why=why, waiting=self._sender.waiting)
                    if phase is not WayPhase.SPEAKING:
                        self._sender.stop()
                case SayHello():
                    if self._say(self._hello()):
                        self._talk.greeted(self._clock.monotonic())
                case Answer(message):
                    self._say(message)
                case SendAfter(held):
                    self._sender.begin(held)
                case Show(number):
                    self._show = number
                case Take(message):
                    self._take(message)
                case Leave(why):
                    self._line.leave(why)
                case _:
                    assert_never(effect)

    def _take(self, message: Takeable) -> None:
        match message:
            case Held(numbers):
                self._sender.held(numbers)
            case Full(seconds):
                self._counters["full"] += 1
                self._sender.full(seconds)
            case NewPolicy(document):
                self._worker.take_policy(document)
            case Pieces(pieces):
                self._worker.take_pieces(pieces)
            case CarriedMandate() | CarriedOrder() | CarriedReceipt():
                self._let_wait(message)
            case Witnessed(document):
                self._take_testimony(document)
            case Certificate() | TlsCertificate():
                self._counters["certificates_left"] += 1
            case _:
                assert_never(message)

    def _let_wait(self, message: CarriedMandate | CarriedOrder | CarriedReceipt) -> None:
        if self._documents.full():
            self._counters["documents_too_many"] += 1
        else:
            self._documents.put_nowait(message)

    # What proves itself, one document after the other.

    async def _take_documents(self) -> None:
        pace = Bucket(DOCUMENTS)
        while True:
            message = await self._documents.get()
            if not pace.take(self._clock.monotonic()):
                await asyncio.sleep(1 / DOCUMENTS.per_second)
                pace.take(self._clock.monotonic())
            try:
                match message:
                    case CarriedMandate(document):
                        await self._take_mandate(document)
                    case CarriedOrder(document):
                        self._say(await self._site_orders.take(document))
                    case CarriedReceipt(document):
                        await self._receipts.take(document)
                    case _:
                        assert_never(message)
            except HubError as error:
                self._counters["documents_refused"] += 1
                log.warning("bridge_document_refused", why=str(error))

    async def _take_mandate(self, document: bytes) -> None:
        """Take a mandate: the one for orders is kept with the orders."""
        mandate = await self._mandates.take(document)
        if mandate.use is Use.ORDERS:
            await self._site_orders.take_mandate(document)

    def _take_testimony(self, document: bytes) -> None:
        """Keep the newest head that this bridge has signed."""
        mandate = self._mandates.find(Use.TESTIMONY, self._line.place().name)
        if mandate is None:
            self._counters["testimonies_unproven"] += 1
            return
        try:
            said = prove_head(HeadKind.TESTIMONY, document, self._hub, mandate)
        except PeerError:
            self._counters["testimonies_unproven"] += 1
            return
        if self._testimony is None or said.head.number > self._testimony.number:
            self._testimony = said.head

    # Small things.

    def _compare(self, held: Head) -> Comparison:
        if held.number > self._records.last():
            return Comparison.SHORTER
        try:
            agrees = self._records.holds(held)
        except StoreError:  # nothing can be sent either; the next Welcome is looked at again
            return Comparison.AGREES
        return Comparison.AGREES if agrees else Comparison.OTHER

    async def _find_durable(self) -> Head:
        """Return the last of the records that the backend has without a gap. Raise StoreError."""
        beginning = self._records.beginning()
        oldest = await self._records.unacknowledged(0, 1)
        if not oldest:
            return self._records.head()
        number = oldest[0].number - 1
        if number <= beginning.number:
            return beginning
        (found,) = self._records.newest(number + 1, 1)
        return Head(found.number, found.hash)

    def _hello(self) -> HubHello:
        newest = self._records.head()
        return HubHello(
            protocol=PROTOCOL,
            hub=self._hub.hub,
            site=self._hub.site,
            boot_id=self._boot_id,
            software=self._software,
            policy_version=self._policies.version(),
            policy_digest=self._policies.digest(),
            durable=self._durable.number,
            durable_hash=self._durable.hash,
            last_record=newest.number,
            head_hash=newest.hash,
            time_ms=max(0, int(1000 * self._clock.wall())),
        )

    def _say(self, message: FromHub) -> bool:
        sent = self._line.send(codec.encode(message))
        self._counters["sent" if sent else "not_sent"] += 1
        return sent

    def _now(self) -> Moment:
        return Moment(monotonic=self._clock.monotonic(), wall=self._clock.wall())
