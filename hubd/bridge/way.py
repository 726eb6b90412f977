"""The use case that talks with a bridge of the site: it performs what `bridge.talk` says.

Laws:
1. The talk decides (`hubcore.bridge.talk`). This file joins it to the connection, to the records,
   and to those who take what proves itself.
2. What a bridge brings is taken by those who prove it: policies by the intake of policies, orders
   and mandates for them by the orders of the site, receipts by the mandate for them, certificates
   by `bridge.certificates`.
3. A receipt lets records go as `bridge.receipts` says, and nothing else that a bridge says does.
4. Whatever a bridge sends costs at most a named ceiling: one policy waits, and WAITING documents
   (`documents`).
5. Mandates and lists of ended bridges come by the uplink, too (`take_from_backend`). A bridge that
   was ended is left at once.
6. A bridge that is away, or doubts this hub, changes nothing at a door and nothing on the uplink.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

import structlog

from hubcore.access.words import HubName
from hubcore.backend.backendtime import BackendTime
from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import Comparison, Moment
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate, SiteDocument
from hubcore.backend.uplink.evidence import message_of
from hubcore.backend.uplink.from_backend import (
    Certificate,
    Held,
    NewPolicy,
    Pieces,
    TlsCertificate,
)
from hubcore.backend.uplink.from_hub import Evidence
from hubcore.bridge import codec
from hubcore.bridge.from_bridge import (
    CarriedOrder,
    CarriedReceipt,
    Full,
    Witnessed,
)
from hubcore.bridge.from_hub import FromHub, HubHello
from hubcore.bridge.talk import (
    Answer,
    AskForCertificates,
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
from hubcore.codec.cose import SigningKey
from hubcore.errors import FrameError, StoreError
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.bridge import BridgeLine
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.backend.policies import PolicyWorker
from hubd.bridge.certificates import BridgeCertificates, OwnCertificates
from hubd.bridge.documents import BridgeDocuments, SiteOrders
from hubd.bridge.ends import EndsHere
from hubd.bridge.heads import OwnHeads
from hubd.bridge.mandates import MandatesHere
from hubd.bridge.receipts import ReceiptTaker
from hubd.bridge.sender import RecordsToBridge
from hubd.bridge.state import SPOKEN_WITH, WayState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Policies:
    """How policies are taken, whoever brings them."""

    accept: Callable[[bytes, PolicyWorker], Awaitable[int]]
    version: Callable[[], int]
    digest: Callable[[], bytes]


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
        key: SigningKey,
        software: str,
        policies: Policies,
        site_orders: SiteOrders,
        mandates: MandatesHere,
        ends: EndsHere,
        certificates: OwnCertificates,
        clock: Clock,
        pace: Pace,
        appended: asyncio.Event,
        chance: Callable[[int], bytes] = secrets.token_bytes,
        doors_at_rest: Callable[[], Awaitable[None]],
    ) -> None:
        """`key` is that of the hub's TLS certificate: it signs what the bridge holds.

        `appended` is set after every append to the log, and is this way's own.
        """
        self._line = line
        self._records = records
        self._hub = hub
        self._software = software
        self._boot_id = chance(16)
        self._policies = policies
        self._mandates = mandates
        self._ends = ends
        self._clock = clock
        self._wake = appended
        self._retry_seconds = pace.retry_seconds
        self._counters: Counter[str] = Counter()
        self._time = BackendTime()
        self._durable = Head()
        """What the backend has without a gap, as the next Hello tells it."""
        self._show: int | None = None
        self._shown = ("", b"")
        """The name and the key's digest of the bridge at the other end, or of the last one."""
        self._since = clock.wall()
        self._was_spoken_with = False
        self._sender = RecordsToBridge(
            records=records,
            clock=clock,
            pace=pace,
            say=self._say_records,
            doors_first=doors_at_rest,
        )
        self._heads = OwnHeads(
            records=records,
            hub=hub,
            key=key,
            clock=clock,
            held=lambda: self._sender.held_number,
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
        receipts = ReceiptTaker(
            records=records, hub=hub, mandates=mandates, clock=clock, counters=self._counters
        )
        self._documents = BridgeDocuments(
            hub=hub,
            mandates=mandates,
            ends=ends,
            on_ends=self._leave_if_ended,
            receipts=receipts,
            site_orders=site_orders,
            clock=clock,
            answer=self._say,
            counters=self._counters,
        )
        self._certificates = BridgeCertificates(
            certificates,
            hub=hub,
            clock=clock,
            pace=pace,
            counters=self._counters,
            say=self._say,
            leave_if_refused=self._leave_if_refused,
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
        testimony = self._documents.testimony
        offset = self._time.offset(self._clock.wall(), self._clock.monotonic())
        return WayState(
            phase=self._talk.phase,
            since=self._since,
            why=self._talk.why,
            bridge=place.name,
            endpoint=place.endpoint,
            certificate_ends=place.expires,
            failures=place.failures,
            faults=place.faults,
            waiting=self._sender.waiting,
            is_full=self._sender.is_full,
            clock_offset_seconds=None if offset is None else offset.seconds,
            testimony="" if testimony is None else str(testimony),
            trouble=self._mandates.trouble or self._ends.trouble,
            counters=dict(self._counters),
        )

    async def run(self) -> None:
        """Serve the connection and the talk until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._line.serve(self))
            group.create_task(self._take_turns())
            group.create_task(self._documents.run())
            group.create_task(self._worker.run())
            group.create_task(self._certificates.run())

    def take_from_backend(self, message: SiteDocument) -> None:
        """Take what the hub's uplink has brought: no bridge can keep it back."""
        self._documents.let_wait_of_backend(message)

    # What the connection tells: nothing here waits.

    def is_ended(self, bridge: str, key_digest: bytes) -> bool:
        """See `ports.bridge.BridgeListener.is_ended`."""
        self._shown = (bridge, key_digest)
        return self._ends.include(bridge, key_digest)

    def connected(self, bridge: str) -> None:
        """See `ports.bridge.BridgeListener.connected`."""
        self._perform(self._talk.connected(bridge, self._now()))
        self._wake.set()

    def disconnected(self, why: str) -> None:
        """See `ports.bridge.BridgeListener.disconnected`."""
        self._perform(self._talk.disconnected(why))
        self._certificates.rewind()
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
        send_at = sign_at = ask_at = None
        if self._talk.phase is WayPhase.SPEAKING:
            send_at = await self._sender.send()
            sign_at = await self._heads.give()
            ask_at = self._certificates.ask()
        moments = (due_at, send_at, sign_at, ask_at)
        return min((one for one in moments if one is not None), default=None)

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
                    self._note(phase)
                    if phase is not WayPhase.SPEAKING:
                        self._sender.stop()
                        self._heads.stop()
                case SayHello():
                    if self._say(self._hello()):
                        self._talk.greeted(self._clock.monotonic())
                case Answer(message):
                    self._say(message)
                case SendAfter(held, signed):
                    self._sender.begin(held)
                    self._heads.begin(signed)
                case Show(number):
                    self._show = number
                case Take(message):
                    self._take(message)
                case AskForCertificates():
                    self._certificates.ask_now()
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
            case CarriedMandate() | CarriedEnds() | CarriedOrder() | CarriedReceipt() | Witnessed():
                self._documents.let_wait(message, self._line.place().name)
            case Certificate() | TlsCertificate():
                self._certificates.let_wait(message)
            case _:
                assert_never(message)

    def _leave_if_ended(self) -> None:
        if self._ends.include(*self._shown):
            self._line.leave(f"the site has ended the bridge {self._shown[0]}")

    def _leave_if_refused(self, why: str) -> None:
        if self._talk.phase is WayPhase.RENEWING:
            self._line.leave(why)

    # Small things.

    def _note(self, phase: WayPhase) -> None:
        is_spoken_with = phase in SPOKEN_WITH
        if is_spoken_with is not self._was_spoken_with:
            self._was_spoken_with = is_spoken_with
            self._since = self._clock.wall()

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
        for found in self._records.newest(number + 1, 1):
            return Head(found.number, found.hash)
        return beginning

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

    def _say_records(self, records: Sequence[StoredRecord]) -> int:
        sent = self._line.send_all([message_of(one.number, one.body, one.hash) for one in records])
        self._counters["sent"] += sent
        if sent < len(records):
            self._counters["not_sent"] += 1
        return sent

    def _now(self) -> Moment:
        return Moment(monotonic=self._clock.monotonic(), wall=self._clock.wall())
