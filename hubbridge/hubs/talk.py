"""The bridge's side of the talk with its hubs.

How it works: a hub says HubHello. What it tells of its records is held against what was seen
(`hubcore.bridge.witness`), in the transaction that keeps that. Then it hears BridgeWelcome, the
mandates, and the orders of the site that it missed; or Halt. From then on its records come, are
kept a commit at a time, and are answered with Held.

Laws:
1. Nothing is taken of a hub before its Hello, and nothing that its certificate does not allow at
   that moment: `Visit.may` is asked at each message, and once for those between which nothing runs.
2. A hub that names itself or its site otherwise than its certificate, or speaks another version, is
   cut off.
3. A hub in doubt hears Halt, and nothing of it is taken. What proves itself is said to it all the
   same.
4. What one hub does costs the others nothing: it is read no faster than its records are written
   (`hubbridge.hubs.keeping`).
5. A hub that has an older policy than the bridge is offered this one (`hubbridge.hubs.giving`).
6. A head that a hub has signed of itself is kept if the key of this connection proves it, and it
    fits what is held. A hub that says another one is cut off, and people are told. At most HEADS
    of a hub are proven; it is read no faster.
7. A hub whose TLS certificate has ended may ask for a newer one (`hubbridge.hubs.renewing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from itertools import count
from typing import assert_never

from hubbridge.hubs.giving import PolicyGiving
from hubbridge.hubs.happenings import Happenings, Nobody
from hubbridge.hubs.holding import Holding
from hubbridge.hubs.keeping import Keeping
from hubbridge.hubs.neighbours import Orders, Records, Upward
from hubbridge.hubs.papers.ended import EndedBridges
from hubbridge.hubs.papers.mandates import KnownMandates
from hubbridge.hubs.renewing import Renewals
from hubbridge.hubs.said import WIRE, Said
from hubbridge.hubs.state import HubStates
from hubbridge.hubs.talking import Talking, Times
from hubbridge.policy.cache import PolicyCache
from hubbridge.port.hubsport import Visit
from hubbridge.rules.peers import May
from hubbridge.rules.proven import ProvenHead
from hubcore.access.words import HubName
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_backend import Certificate, Pong, TlsCertificate
from hubcore.backend.uplink.from_hub import (
    Alive,
    Evidence,
    Notice,
    OrderResult,
    PiecesWanted,
    Ping,
    PolicyResult,
    Telemetry,
)
from hubcore.bridge.from_bridge import (
    BridgeWelcome,
    CarriedOrder,
    CarriedReceipt,
    FromBridge,
)
from hubcore.bridge.from_hub import CarriedRequest, FromHub, HubHello, OwnHead
from hubcore.bridge.signedhead import prove_own_head
from hubcore.bridge.words import PROTOCOL
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import verify_key_of
from hubcore.errors import LinkError, PeerError, SequenceError
from hubcore.evidence.records import Head, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Bucket
from hubtls.ends import first_of
from hubtls.line import Line


class HubTalks:
    """Serves each hub's connection; says what others have for the hubs."""

    def __init__(
        self,
        *,
        bridge: str,
        site: str,
        records: Records,
        mandates: KnownMandates,
        ended: EndedBridges,
        states: HubStates,
        clock: Clock,
        policy: PolicyCache,
        testimony: SigningKey | None = None,
        times: Times | None = None,
        happenings: Happenings | None = None,
    ) -> None:
        self._bridge = bridge
        self._site = site
        self._records = records
        self._mandates = mandates
        self._ended = ended
        self._states = states
        self._clock = clock
        self._policy = policy
        self._upward: Upward | None = None
        self._times = times or Times()
        self._happenings = happenings or Nobody()
        self._holding = Holding(
            bridge=bridge,
            site=site,
            records=records,
            clock=clock,
            happenings=self._happenings,
            testimony=testimony,
            witness_seconds=self._times.witness_seconds,
        )
        self._turns = count(1)
        self._talking: dict[str, Talking] = {}
        self._orders: Orders | None = None
        self._renewals = Renewals(clock, states.hubs_max)

    def obeys(self, orders: Orders) -> None:
        """Join with who gives the site's orders: each of both calls the other."""
        self._orders = orders

    def reports_to(self, upward: Upward) -> None:
        """Join with the way to the backend: each of both calls the other."""
        self._upward = upward
        self._holding.reports_to(upward)

    # What others say to hubs: nothing here waits.

    def connected(self) -> Collection[str]:
        """Return the hubs that have said Hello."""
        return tuple(self._talking)

    def say(self, hub: str, message: FromBridge) -> bool:
        """Say something to a hub, or lose it; tell which."""
        talking = self._talking.get(hub)
        return talking is not None and talking.line.say(message)

    def say_certificate(self, hub: str, message: Certificate | TlsCertificate) -> bool:
        """Say a newer certificate to a hub, also to one that may only renew, or lose it."""
        return self.say(hub, message) or self._renewals.say(hub, message)

    def accepted(self, hub: str, head: Head) -> None:
        """The doubt of a hub was ended: its next Hello is welcome."""
        state = self._states.of(hub)
        state.doubt = None
        state.newest = head
        if self._upward is not None:
            self._upward.accepted(hub)

    def say_order(self, hub: str, document: bytes) -> None:
        """Send an order of the site to a hub, or lose it."""
        self.say(hub, CarriedOrder(document))

    def say_mandate(self, document: bytes) -> None:
        """Send a new mandate to all hubs that are here."""
        for hub in self.connected():
            self.say(hub, CarriedMandate(document))

    def say_ends(self, document: bytes) -> None:
        """Send a newer list of ended bridges to all hubs that are here."""
        for hub in self.connected():
            self.say(hub, CarriedEnds(document))

    def say_policy(self) -> None:
        """A new policy is here: offer it to all hubs."""
        for talking in self._talking.values():
            talking.giving.offer_if_small()

    # One hub's connection.

    async def serve(self, visit: Visit) -> None:
        """See `port.hubsport.Talk.serve`."""
        hub = visit.peer.name.id
        line = Line(visit.reader, visit.writer, WIRE, self._times.silent_seconds)
        hello = await line.first(self._times.first_seconds)
        if not isinstance(hello, HubHello):
            raise SequenceError("its first message is no HubHello")
        self._check(hub, hello)
        allowed = visit.may()
        state = self._states.of(hub)
        if allowed is May.RENEW:
            state.certificate_ends = visit.peer.expires
            await self._renewals.serve(visit, line, self._upward)
        if allowed is not May.SPEAK:
            raise SequenceError("its certificate does not let it speak")
        peer = visit.peer
        key = verify_key_of(peer.key)
        talking = Talking(
            hub=hub,
            turn=next(self._turns),
            line=line,
            state=state,
            key=key,
            key_digest=peer.key_digest,
            heads=Bucket(self._times.heads),
        )
        talking.giving = PolicyGiving(hub, line, state, self._policy)
        talking.keeping = Keeping(
            lambda records, heads: self._holding.keep(talking, records, heads)
        )
        state.connected = True
        state.since = self._clock.wall()
        state.certificate_ends = visit.peer.expires
        try:
            await self._greet(talking, hello)
            self._talking[hub] = talking
            self._happenings.came(hub)
            await self._greeted(talking)
            await self._hear_and_keep(visit, talking)
        finally:
            state.unread += line.unread
            if self._talking.get(hub) is talking:
                del self._talking[hub]
                self._happenings.gone(hub)
            if self._talking.get(hub) is None:
                state.connected = False

    def _check(self, hub: str, hello: HubHello) -> None:
        """Raise PeerError for a Hello that is not this hub's (law 2)."""
        if (hello.hub, hello.site) != (hub, self._site):
            raise PeerError("it names itself otherwise than its certificate")
        if hello.protocol != PROTOCOL:
            raise PeerError(f"it speaks version {hello.protocol}, expected {PROTOCOL}")

    async def _greet(self, talking: Talking, hello: HubHello) -> None:
        """Answer a Hello (laws 2 and 3)."""
        self._check(talking.hub, hello)
        met = await self._records.meet(
            talking.hub,
            talking.turn,
            Head(hello.durable, hello.durable_hash),
            Head(hello.last_record, hello.head_hash),
            talking.key_digest,
        )
        state = talking.state
        state.greeted(hello, self._clock.wall())
        state.newest = met.seen
        if met.wanted != met.seen:  # it is to come again, so there is nothing to testify yet
            talking.witnessed = max(talking.witnessed, met.seen.number)
        is_new_doubt = met.doubt is not None and state.doubt is None
        state.doubt = met.doubt
        if met.doubt is not None and is_new_doubt:
            self._happenings.doubted(talking.hub, met.doubt)
        if met.full:
            raise PeerError("this bridge has as many hubs as it takes")
        if met.doubt is not None:
            self._holding.halt(talking, met.doubt)
            return
        if self._upward is not None:
            self._upward.grew(talking.hub)
        talking.line.say(
            BridgeWelcome(
                protocol=PROTOCOL,
                bridge=self._bridge,
                site=self._site,
                time_ms=int(1000 * self._clock.wall()),
                held=met.wanted.number,
                held_hash=met.wanted.hash,
                backend_age=None if self._upward is None else self._upward.age_seconds(),
                signed=met.signed,
            )
        )

    async def _greeted(self, talking: Talking) -> None:
        """Say what proves itself: mandates first, then the orders that the hub missed."""
        for document in self._mandates.documents():
            talking.line.say(CarriedMandate(document))
        if self._ended.document is not None:
            talking.line.say(CarriedEnds(self._ended.document))
        receipt = None if self._upward is None else self._upward.receipt(talking.hub)
        if receipt is not None:
            talking.line.say(CarriedReceipt(receipt))
        if self._orders is not None:
            await self._orders.came(talking.hub)
        await talking.giving.offer()

    async def _hear_and_keep(self, visit: Visit, talking: Talking) -> None:
        """Take what comes while records go to the disk; whichever ends first ends both.

        What has come before the end of the connection is kept all the same.
        """
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(talking.keeping.run())
                try:
                    while True:
                        await self._hear(visit, talking, await talking.line.next())
                except LinkError:
                    await talking.keeping.settle()
                    raise
                finally:
                    keeping.cancel()
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None

    async def _hear(self, visit: Visit, talking: Talking, messages: Sequence[Said]) -> None:
        """Take what has come in its order; records that come together go into one commit."""
        talking.state.heard_at = self._clock.wall()
        waiting: list[StoredRecord] = []
        is_asked = False
        for message in messages:
            if not is_asked and visit.may() is not May.SPEAK:
                raise SequenceError("its certificate does not let it speak any more")
            is_asked = True
            if isinstance(message, StoredRecord):
                waiting.append(message)
                continue
            await talking.keeping.keep(waiting)
            waiting = []
            is_asked = False
            if isinstance(message, OwnHead):  # of what is held: it waits for no record
                await self._keep_head(talking, message.document)
                continue
            await talking.keeping.settle()
            await self._take(talking, message)
        await talking.keeping.keep(waiting)
        await talking.giving.offer()

    async def _keep_head(self, talking: Talking, document: bytes) -> None:
        """Hand a head that the hub has signed to the disk (law 6). Raise ProofError."""
        if talking.state.doubt is not None:
            return
        if not talking.heads.take(self._clock.monotonic()):
            await asyncio.sleep(1 / self._times.heads.per_second)
            talking.heads.take(self._clock.monotonic())
        name = HubName(self._site, talking.hub)
        said = prove_own_head(document, name, talking.key)
        await talking.keeping.keep_head(ProvenHead(said.head, talking.key_digest, document))

    async def _take(self, talking: Talking, message: FromHub) -> None:
        """Take one message that is neither a record nor a head."""
        match message:
            case HubHello():
                await self._greet(talking, message)
            case Ping(nonce):
                talking.line.say(Pong(nonce, int(1000 * self._clock.wall())))
                self._holding.bear_witness(talking)
            case Telemetry():
                talking.state.measures(message, self._clock.monotonic())
            case Notice(number, body, chain_hash):
                alarm = talking.state.alarmed(number, body, chain_hash, ahead=True)
                self._holding.tell_alarm(talking, alarm)
                if self._upward is not None:
                    self._upward.ahead(talking.hub, message)
            case OrderResult():
                if self._orders is not None and self._orders.answered(talking.hub, message):
                    self._happenings.answered(talking.hub, message)
            case PolicyResult(version):
                talking.state.policy_version = version
            case PiecesWanted(names):
                await talking.giving.bring(names)
            case CarriedRequest():
                self._renewals.hand_on(talking.hub, message, self._upward)
            case Alive() | Evidence() | OwnHead():
                pass
            case _:
                assert_never(message)
