"""The way to the backend: performs what the talk says (`hubcore.bridge.backend.talk`).

How it works: one task calls a gateway, and reads what it says. What must wait for the disk is done
by another one, in order, and its results go into the talk. A third one looks at what is due.

Laws:
1. What the talk says is done in its order. What waits for the disk has a ceiling: beyond
   WORK_MAX the gateway is not read. Reads and receipts that wait go to the disk together, in one
   commit: the store does them in the order in which it is asked.
2. What the backend gives is on the disk before anybody hears it. After a failed disk the backend
   is asked for a receipt again, and for all else by a new connection.
3. No fault of a gateway, and none of this way, ends the bridge: hubs go on.
4. People hear of each change at a pace that no gateway sets.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from hubbridge.backend.calling import BackendLine, Called, CallTimes, Gateway, Pauses, call, in_turn
from hubbridge.backend.papers import PapersOfBackend
from hubbridge.policy.cache import PolicyCache
from hubbridge.renewal.own import Connection, OwnRenewal
from hubbridge.rules.kept import Kept
from hubbridge.rules.nextkey import Greeting
from hubcore.backend.talk.effects import Moment
from hubcore.backend.uplink.documents import CarriedMandate
from hubcore.backend.uplink.from_backend import NewPolicy, Pieces, TlsCertificate
from hubcore.backend.uplink.from_hub import Notice, PiecesWanted
from hubcore.bridge.backend.from_backend import CertificateOfHub, EndsNow, FromBackend
from hubcore.bridge.backend.from_bridge import BridgeHello, FromBridge
from hubcore.bridge.backend.talk.effects import (
    BackendPhase,
    Effects,
    Leave,
    LetGo,
    PhaseChanged,
    Read,
    Say,
    SayHello,
    Take,
    Takeable,
    Tell,
)
from hubcore.bridge.backend.talk.talk import BackendTalk
from hubcore.bridge.backend.words import PROTOCOL
from hubcore.bridge.ends import Ends
from hubcore.bridge.mandate import Mandate
from hubcore.bridge.stretch import Stretch
from hubcore.bridge.witness import Doubt
from hubcore.errors import HubError, StoreError
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.version import __version__

WORK_MAX = 256
LOOK_SECONDS = 0.25


class Store(Protocol):
    """What the bridge holds of its hubs."""

    @property
    def hubs(self) -> Mapping[str, Kept]:
        """What is held of each hub."""

    @property
    def ends(self) -> Ends:
        """Whom the site has ended."""

    def covered(self, hub: str) -> int:
        """Return the newest record of a hub that needs no head of it (any more)."""

    async def read_stretches(self, hub: str, after: int, most: int) -> tuple[Stretch, ...]:
        """Return records, each proven, with the heads that their hub has signed."""


class Told(Protocol):
    """Who is told what people should know."""

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""

    def of_hub(self, hub: str, what: str) -> None:
        """Something is wrong with a hub's records."""


@dataclass(frozen=True, slots=True)
class Own:
    """Who this bridge is."""

    bridge: str
    site: str
    boot_id: bytes


class BackendWay:
    """The way. `run` serves until cancelled; the others are called by who serves hubs."""

    def __init__(
        self,
        *,
        own: Own,
        gateways: tuple[Gateway, ...],
        renewal: OwnRenewal,
        store: Store,
        papers: PapersOfBackend,
        policy: PolicyCache,
        mandate: Callable[[], Mandate | None],
        hubs_max: int,
        told: Told,
        clock: Clock,
        chance: Callable[[], float],
        times: CallTimes | None = None,
        talk: BackendTalk | None = None,
    ) -> None:
        self._own = own
        self._gateways = gateways
        self._renewal = renewal
        renewal.joins(Connection(self._say_own, self._leave))
        self._store = store
        self._papers = papers
        self._policy = policy
        self._told = told
        self._clock = clock
        self._times = times or CallTimes()
        self._pauses = Pauses(self._times, chance)
        self.counters = Counter[str]()
        self._talk = talk or BackendTalk(
            site=own.site,
            mandate=mandate,
            chance=secrets.token_bytes,
            counters=self.counters,
            hubs_max=hubs_max,
        )
        self._called: Called | None = None
        self._heard_at: float | None = None
        self._work: deque[Read | LetGo | Take] = deque()
        self._came = asyncio.Event()
        self._has_room = asyncio.Event()

    # What is shown.

    @property
    def phase(self) -> BackendPhase:
        """How far the talk is."""
        return self._talk.phase

    @property
    def why(self) -> str:
        """Why it is not further."""
        return self._talk.why

    @property
    def gateway(self) -> str:
        """The name of the gateway that is connected, "" for none."""
        return "" if self._called is None else self._called.gateway.name

    def age_seconds(self) -> int | None:
        """See `hubs.talk.Upward.age_seconds`."""
        if self._heard_at is None:
            return None
        return int(self._clock.monotonic() - self._heard_at)

    # What comes of hubs: nothing here waits.

    def ask_pieces(self, names: Sequence[bytes]) -> None:
        """Ask for pieces of a policy, or lose that."""
        if self._called is not None and self._talk.phase is BackendPhase.SPEAKING:
            self._called.line.say(PiecesWanted(tuple(names)))

    def grew(self, hub: str) -> None:
        """More of a hub is on the disk: records, or a head."""
        kept = self._store.hubs.get(hub)
        if kept is not None:
            covered = self._store.covered(hub)
            self._perform(self._talk.grew(hub, kept.newest, covered, self._now()))

    def ahead(self, hub: str, notice: Notice) -> None:
        """A hub has told an alarm ahead of its record."""
        self._perform(self._talk.ahead(hub, notice, self._clock.monotonic()))

    def testified(self, hub: str, document: bytes) -> None:
        """The bridge has borne witness of a hub."""
        self._perform(self._talk.testify(hub, document))

    def doubted(self, hub: str, doubt: Doubt, seen: Head) -> None:
        """The bridge doubts a hub."""
        self._perform(self._talk.doubt(hub, doubt, seen))

    def accepted(self, hub: str) -> None:
        """The doubt of a hub was ended."""
        self._talk.accepted(hub)
        self.grew(hub)

    def requested(self, hub: str, document: bytes) -> None:
        """A hub asks for its newest certificates."""
        self._perform(self._talk.request(hub, document))

    def receipt(self, hub: str) -> bytes | None:
        """Return the newest receipt about a hub."""
        return self._papers.receipt(hub)

    # The connection.

    async def run(self) -> None:
        """Call gateways and talk with them, until cancelled."""
        for hub in self._store.hubs:
            self.grew(hub)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._do_work())
            group.create_task(self._look())
            group.create_task(self._renew())
            for gateway in in_turn(self._gateways):
                began = self._clock.monotonic()
                await self._visit(gateway)
                await asyncio.sleep(self._pauses.after(self._clock.monotonic() - began))

    async def _visit(self, gateway: Gateway) -> None:
        """Call one gateway, and talk until that ends (law 3)."""
        try:
            called = await call(gateway, self._renewal.for_call(), self._times)
        except HubError as error:
            self._renewal.ended()
            self._perform(self._talk.disconnected(str(error)))
            return
        self._called = called
        why = ""
        try:
            self._perform(self._talk.connected(gateway.name, self._now()))
            await self._hear(called.line)
        except (HubError, OSError, EOFError) as error:
            why = str(error)
        finally:
            self._called = None
            self._renewal.ended()
            called.writer.transport.abort()
            self._perform(self._talk.disconnected(self._talk.why or why or "it has ended"))

    async def _hear(self, line: BackendLine) -> None:
        """Read what the gateway says, until it or the talk ends that. Raise HubError."""
        first = await line.first(self._times.connect_seconds)
        if first is not None:
            self._receive(first)
        while self._talk.phase is not BackendPhase.DOWN:
            for message in await line.next():
                self._receive(message)
                while len(self._work) > WORK_MAX:  # law 1
                    self._has_room.clear()
                    await self._has_room.wait()

    def _receive(self, message: FromBackend) -> None:
        self._heard_at = self._clock.monotonic()
        self._perform(self._talk.received(message, self._now()))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._perform(self._talk.look(self._now()))

    async def _renew(self) -> None:
        """Renew the bridge's own certificate, as far as that is due."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._renewal.look()
            except StoreError as error:
                self._told.trouble(str(error))

    # What the talk says.

    def _perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case SayHello():
                    self._say_hello()
                case Say(message):
                    if self._called is not None:
                        self._called.line.say(message)
                case Read() | LetGo() | Take():
                    self._work.append(effect)
                    self._came.set()
                case PhaseChanged(phase, why):
                    self._changed(phase, why)
                case Tell(hub, what):
                    self._told.of_hub(hub, what)
                case Leave():
                    self._leave()
                case _:
                    assert_never(effect)

    def _changed(self, phase: BackendPhase, why: str) -> None:
        match phase:
            case BackendPhase.SPEAKING:
                self._renewal.greeted(Greeting.WELCOME)
                self._policy.reconnected()
            case BackendPhase.RENEWING:
                self._renewal.greeted(Greeting.RENEW_FIRST)
                self._told.trouble(f"the backend takes no records: {why}")
            case BackendPhase.DOWN:
                self._told.trouble(f"no way to the backend: {why}")
            case BackendPhase.GREETING:
                pass
            case _:
                assert_never(phase)

    def _say_own(self, message: FromBridge) -> bool:
        """Say something about the bridge's own key; tell whether it was said."""
        return self._called is not None and self._called.line.say(message)

    def _say_hello(self) -> None:
        if self._called is None:
            return
        self._called.line.say(
            BridgeHello(
                protocol=PROTOCOL,
                bridge=self._own.bridge,
                site=self._own.site,
                boot_id=self._own.boot_id,
                software=__version__[:32],
                policy_version=self._policy.held.version,
                policy_digest=self._policy.held.digest,
                ends_version=self._store.ends.version,
                time_ms=int(1000 * self._clock.wall()),
            )
        )

    async def _do_work(self) -> None:
        """Do what waits for the disk, in order (laws 1 and 2)."""
        while True:
            while not self._work:
                self._came.clear()
                await self._came.wait()
            together = [self._work.popleft()]
            while self._work and _go_together(together[-1], self._work[0]):
                together.append(self._work.popleft())
            self._has_room.set()
            async with asyncio.TaskGroup() as group:
                for effect in together:
                    group.create_task(self._try(effect))

    async def _try(self, effect: Read | LetGo | Take) -> None:
        try:
            await self._do(effect)
        except StoreError as error:
            self._told.trouble(str(error))
            self._failed(effect)

    def _failed(self, effect: Read | LetGo | Take) -> None:
        """The disk did not do this (law 2)."""
        match effect:
            case Read(hub):
                self._perform(self._talk.not_read(hub, self._now()))
            case LetGo(hub):
                self._perform(self._talk.not_kept(hub, self._now()))
            case Take():
                self._leave()
            case _:
                assert_never(effect)

    def _leave(self) -> None:
        if self._called is not None:
            self._called.writer.transport.abort()

    async def _do(self, effect: Read | LetGo | Take) -> None:
        match effect:
            case Read(hub, after, most):
                found = await self._store.read_stretches(hub, after.number, most)
                self._perform(self._talk.was_read(hub, after, found, self._now()))
            case LetGo(hub, head, document):
                if not await self._papers.take_receipt(hub, head, document):
                    self._perform(self._talk.differs(hub, head, self._now()))
                self.grew(hub)  # a signed head may have passed a hole
            case Take(message):
                await self._take(message)
            case _:
                assert_never(effect)

    async def _take(self, message: Takeable) -> None:
        match message:
            case TlsCertificate(document):
                await self._renewal.take(document)
            case CertificateOfHub():
                self._papers.bring_certificate(message)
            case EndsNow(document):
                await self._papers.take_ends(document)
            case CarriedMandate(document):
                await self._papers.take_mandate(document)
            case NewPolicy(document):
                self._policy.offer(document)
            case Pieces(pieces):
                self._policy.bring(pieces)
            case _:
                assert_never(message)

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic(), self._clock.wall())


def _go_together(before: Read | LetGo | Take, after: Read | LetGo | Take) -> bool:
    """Tell whether the second may go to the disk before the first one is there (law 1)."""
    return not isinstance(before, Take) and not isinstance(after, Take)
