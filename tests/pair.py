"""A phone and a hub in memory, on a clock that only the test moves: the real core, the real unlock,
no radio.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import rsa

from hubcore.access.claim import Claim
from hubcore.access.grant import Access
from hubcore.access.revocations import CarriedRevocations
from hubcore.access.words import Action, HubName
from hubcore.codec.cose import Aead, SigningKey
from hubcore.door.state import DoorState
from hubcore.errors import PeerError, ProofError
from hubcore.evidence.records import Record, Value
from hubcore.phone.certificates import CertificateInForce, HubCertificate, issue_hub_certificate
from hubcore.phone.effects import Carried, Drop, Presented, Refused, Unseal
from hubcore.phone.epochs import EpochRing, certify
from hubcore.phone.framing import Flag, Inbound, Outbound, decode_frame
from hubcore.phone.handshake import HubSide
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import State, Verdict, decode_challenge
from hubcore.phone.sealing import BLE_GATT, open_request
from hubcore.phone.tickets import TicketTable
from hubcore.policy.policy import ALL_RIGHTS, Operator
from hubcore.ports.doors import InputEvent
from hubcore.ports.stores import AuditLog, PolicyStore
from hubcore.timing.budget import Budget
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.policy.carried import CarriedIntake
from hubd.policy.new import PolicyIntake, Prove
from hubd.threads import Start, start_thread
from hubsim import site
from hubsim.door.door import SimDoor
from hubsim.phone.effects import Decided, GaveUp, Moved, PhoneEffect, ReadInfo, SendMessage
from hubsim.phone.machine import Attempt
from hubsim.phone.wallet import Wallet
from hubsim.site import OPEN_AND_QUERY, Validity
from tests.facts_fit import misfits_of_event, misfits_of_record
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.documents import FakeDocumentFile
from tests.fakes.policy import FakePolicy

SITE = "site-1"
HUB = "hub-1"
ALWAYS = (Access(1, OPEN_AND_QUERY, ()),)
DAY = 86_400


def rsa_key(number: int = 0, bits: int = 3072) -> rsa.RSAPrivateKey:
    """Return one of a few RSA keys, made once."""
    return _rsa_key(number, bits)


@cache
def _rsa_key(_number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


class Watch:
    """`movers.Watch` that remembers."""

    def __init__(self) -> None:
        self.released_at: list[tuple[str, int, float]] = []

    def failed(self, door: str) -> None:
        """Not asked here."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        self.released_at.append((door, access_point, seconds))

    def state(self, door: str) -> DoorState:
        return DoorState.SECURED


class DeskHub:
    """A hub with two doors: access point 1 (`front`) and 2 (`lab`, which demands the full path)."""

    def __init__(
        self, issuer: SigningKey, clock: FakeClock | None = None, name: str = HUB, key: int = 0
    ) -> None:
        self.clock = clock or FakeClock()
        self.issuer = issuer
        self.name = name
        self.identity = site.make_key()
        points = (1, 2)
        self.certificate = _certificate(issuer, name, self.identity, points, self.clock)
        self.epochs = EpochRing()
        self.new_epoch(key)
        self.tickets = TicketTable(int(self.clock.wall()) + 300 * DAY)
        self.budget = Budget(1000.0, 1000.0, 4)
        self.entropy: list[bytes] = []
        self.side = HubSide(
            HubName(SITE, name),
            self.identity.verify_key.kid,
            CertificateInForce.of(self.certificate, issuer.verify_key),
            issuer.verify_key,
            self.epochs,
            self.tickets,
            self.budget,
            self._chance,
        )
        self.edges: list[InputEvent] = []
        self.doors = {
            "front": SimDoor("front", self.clock.timeline, self.edges.append),
            "lab": SimDoor("lab", self.clock.timeline, self.edges.append),
        }
        self.carried = CarriedRevocations()
        self.policy = FakePolicy(
            operators={"operator-7": Operator(ALL_RIGHTS)}, carried=self.carried
        )
        self.log = FakeAudit()
        self.revocations = FakeDocumentFile()
        self.watch = Watch()
        self.told: list[tuple[str, Mapping[str, Value]]] = []
        self.unlock = self.start_unlock()
        self.unsealed = 0

    def start_unlock(
        self, policy: PolicyStore | None = None, log: AuditLog | None = None
    ) -> Unlock:
        """Make the use case, as at a restart, and return it.

        `policy` and `log` may be others than the hub's own.
        """
        points = {1: Point(1, "front", False, 5.0), 2: Point(2, "lab", True, 5.0)}
        self._policy_in_use = policy or self.policy
        self._log_in_use = log or self.log
        self.unlock = Unlock(
            rules=SiteRules(points, ZoneInfo("Europe/Berlin"), 90 * DAY),
            policy=self._policy_in_use,
            log=self._log_in_use,
            clock=self.clock,
            tell=self.tell,
            doors=self.doors,
            watch=self.watch,
            persons=Persons(self.clock),
        )
        return self.unlock

    def carried_intake(self) -> CarriedIntake:
        """Return what takes revocations from phones; they count for `carried`."""
        return CarriedIntake(
            self.carried,
            file=self.revocations,
            policy_version=self._policy_in_use.version,
            log=self._log_in_use,
            clock=self.clock,
            tell=self.tell,
            tickets=self.tickets,
        )

    def policy_intake(
        self, prove: Prove, tickets: TicketTable | None = None, start: Start = start_thread
    ) -> PolicyIntake:
        """Return what takes new policies, over the policy and the log that `unlock` uses."""
        return PolicyIntake(
            prove,
            store=self._policy_in_use,
            log=self._log_in_use,
            clock=self.clock,
            tell=self.tell,
            tickets=self.tickets if tickets is None else tickets,
            unlock=self.unlock,
            in_force=self.carried_intake().policy_in_force,
            start=start,
        )

    def new_epoch(self, key: int, bits: int = 3072) -> None:
        """Go to an epoch with another key."""
        aeads = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
        self.epochs.add(
            certify(
                key=rsa_key(key, bits),
                identity=self.identity,
                name=HubName(SITE, self.name),
                aeads=aeads,
                wall=self.clock.wall(),
                monotonic=self.clock.monotonic(),
            )
        )

    def connect(self) -> HubLink:
        """Return a new link."""
        return HubLink(self.side, BLE_GATT, self.clock.monotonic())

    @property
    def strikes(self) -> int:
        """How often any strike was driven."""
        return sum(door.strikes for door in self.doors.values())

    def records(self) -> list[Record]:
        """What was recorded; each fact is one of its kind's."""
        found = [Record.decode(stored.body) for stored in self.log.stored]
        assert [
            misfit for record in found for misfit in misfits_of_record(record.kind, record.detail)
        ] == []
        return found

    def tell(self, event: str, facts: Mapping[str, Value]) -> None:
        """Take an event; each fact is one of its own."""
        assert misfits_of_event(event, facts) == []
        self.told.append((event, facts))

    def _chance(self, size: int) -> bytes:
        data = os.urandom(size)
        self.entropy.append(data)
        return data


def _certificate(
    issuer: SigningKey, name: str, key: SigningKey, points: Sequence[int], clock: FakeClock
) -> bytes:
    begins = int(clock.wall()) - DAY
    ends = int(clock.wall()) + 300 * DAY
    document = HubCertificate(SITE, name, begins, ends, key.verify_key, tuple(points))
    return issue_hub_certificate(issuer, document, key.cose_key)


def make_wallet(
    issuer: SigningKey,
    credential: str = "c0ffee00c0ffee00",
    access: Sequence[Access] = ALWAYS,
    days: tuple[float, float] = (-1, 30),
    kind: str = "ES256",
    uses: int | None = None,
) -> Wallet:
    """Return a phone's wallet with a grant valid from NOON + days[0] to NOON + days[1]."""
    key = site.make_key(kind)
    span = Validity(int(NOON + days[0] * DAY), int(NOON + days[1] * DAY))
    grant = site.make_grant(
        issuer, site=SITE, credential=credential, key=key, access=access, validity=span, uses=uses
    )
    return Wallet(SITE, issuer.verify_key, key, grant)


@dataclass
class Visit:
    """One visit of a phone: everything that went over the air, and what it led to."""

    link: HubLink
    up: list[bytes] = field(default_factory=list)
    down: list[bytes] = field(default_factory=list)
    messages_up: list[bytes] = field(default_factory=list)
    messages_down: list[bytes] = field(default_factory=list)
    infos: list[bytes] = field(default_factory=list)
    causes: list[PeerError] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    dropped: str = ""
    verdict: Verdict | None = None
    states: list[State] = field(default_factory=list)
    why: str = ""
    attempt: Attempt | None = None

    @property
    def bytes_over_air(self) -> int:
        return sum(map(len, [*self.infos, *self.up, *self.down]))


class Phone:
    """A phone that visits a hub.

    `meddle` may change, drop or add whole messages on their way to the hub.
    """

    def __init__(self, hub: DeskHub, wallet: Wallet, mtu: int = 247) -> None:
        self.hub = hub
        self.wallet = wallet
        self.mtu = mtu
        self.meddle: Callable[[bytes], bytes | None] = lambda message: message
        self.lose_verdict = False
        self.stay = True
        self.think_seconds = 0.0
        self.transport = BLE_GATT

    async def visit(
        self, point: int = 1, action: Action = Action.OPEN, op: bytes | None = None
    ) -> Visit:
        """Connect and make one attempt."""
        visit = Visit(self.hub.connect())
        attempt = visit.attempt = Attempt(
            self.wallet, point, action, os.urandom, self.transport, op
        )
        air = Air(self.hub, visit, self.mtu)
        effects: list[PhoneEffect] = [ReadInfo()]
        while effects:
            match effects.pop(0):
                case ReadInfo():
                    effects += attempt.challenge(air.read_info(), self.hub.clock.wall())
                case SendMessage(message):
                    self.hub.clock.advance(self.think_seconds)
                    meddled = self.meddle(message)
                    answers = (
                        await air.send(meddled, lambda: self.stay) if meddled is not None else []
                    )
                    if self.lose_verdict and attempt.op and answers and visit.claims:
                        return visit
                    for answer in answers:
                        effects += attempt.receive(answer, self.hub.clock.wall())
                    if not answers and not visit.dropped:
                        effects += attempt.silence()
                case Decided(verdict):
                    visit.verdict = verdict
                case Moved(state):
                    visit.states.append(state)
                case GaveUp(why):
                    visit.why = why
        return visit


class Air:
    """The frames between a phone and a hub's link."""

    def __init__(self, hub: DeskHub, visit: Visit, mtu: int = 247) -> None:
        self.hub = hub
        self.visit = visit
        self.mtu = mtu
        self._in: Inbound | None = None
        self._out: Outbound | None = None

    def read_info(self) -> bytes:
        info = self.visit.link.challenge(self.hub.clock.monotonic())
        self.visit.infos.append(info)
        if info:
            sid = decode_challenge(info).sid
            self._in = Inbound(sid, repeats=True)
            self._out = Outbound(sid)
        return info

    async def send(self, message: bytes, alive: Callable[[], bool] = lambda: True) -> list[bytes]:
        """Send one message in frames; return the messages that come back."""
        assert self._out is not None
        self.visit.messages_up.append(message)
        self._out.answered()
        self._out.load(message)
        answers: list[bytes] = []
        while frame := self._out.pull(self.mtu):
            answers += await self.write(frame, alive)
        return answers

    async def write(self, frame: bytes, alive: Callable[[], bool] = lambda: True) -> list[bytes]:
        self.visit.up.append(frame)
        now = self.hub.clock.monotonic()
        wall = self.hub.clock.wall()
        return await self.perform(self.visit.link.frame(frame, self.mtu, now, wall), alive)

    async def perform(
        self, effects: list[LinkEffect], alive: Callable[[], bool] = lambda: True
    ) -> list[bytes]:
        """Do what the hub's links would do; return the messages that reach the phone."""
        hub = self.hub
        visit = self.visit
        answers = []
        todo = list(effects)
        while todo:
            match todo.pop(0):
                case Notify(frame):
                    visit.down.append(frame)
                    answers += await self._receive(frame, alive)
                case Unseal(job):
                    hub.unsealed += 1
                    try:
                        todo = visit.link.unsealed(open_request(job), hub.clock.monotonic()) + todo
                    except ProofError as error:
                        todo = visit.link.unsealed(error, hub.clock.monotonic()) + todo
                case Carried(revocations):
                    await hub.carried_intake().take(revocations)
                case Presented(claim):
                    visit.claims.append(claim)
                    outcome = await hub.unlock.present(claim, alive)
                    todo = (
                        visit.link.answer(outcome, hub.clock.monotonic(), hub.clock.wall()) + todo
                    )
                case Refused(cause):
                    visit.causes.append(cause)
                case Drop(why):
                    visit.dropped = why
        return answers

    async def _receive(self, frame: bytes, alive: Callable[[], bool]) -> list[bytes]:
        shape = decode_frame(frame)
        if self._in is None or shape.sid != self._in.sid or shape.flags & (Flag.ACK | Flag.BYE):
            return []
        message, ack = self._in.accept(shape)
        more = await self.write(ack, alive) if ack else []
        if message is not None:
            self.visit.messages_down.append(message)
            return [message, *more]
        return more


class NotifiedAir(Air):
    """A link whose phone takes the hub's frames one by one, and answers them by itself."""

    def __init__(
        self, hub: DeskHub, visit: Visit, mtu: int, notify: Callable[[bytes], None]
    ) -> None:
        super().__init__(hub, visit, mtu)
        self._notify = notify

    async def _receive(self, frame: bytes, alive: Callable[[], bool]) -> list[bytes]:
        self._notify(frame)
        return []


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)
