"""A hub and a phone in this process, for figures that need no radio.

They are the product's own pure machines with real keys. Law: only the hub's code is timed, in
`benchmarks.visit`; the phone's work and all that is made once are not.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric import rsa

from hubcore.access.grant import Access
from hubcore.access.words import HubName
from hubcore.calendar.schedule import Rule
from hubcore.codec.cose import Aead
from hubcore.door.state import BoltState, DoorState
from hubcore.evidence.facts import Detail, EventName
from hubcore.evidence.records import Head, Record, StoredRecord
from hubcore.evidence.statecheck import FoundState, LogFound, LoggedState, OnDisk
from hubcore.evidence.uses import Use
from hubcore.phone import epochs
from hubcore.phone.certificates import CertificateInForce
from hubcore.phone.epochs import EpochRing
from hubcore.phone.handshake import HubSide
from hubcore.phone.tickets import TicketTable
from hubcore.ports.clock import ClockState
from hubcore.timing.budget import Budget
from hubd.adapters.sqlite.policy import PolicyDatabase
from hubd.doors.persons import Persons
from hubd.doors.rules import Point, SiteRules
from hubd.doors.unlock import Unlock
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.health import Health
from hubsim import site as sites
from hubsim.phone.wallet import Wallet

MTU = 247
RSA_BITS = 3072
EVERY_DAY = Rule(0b1111111, 0, 1440)
"""A weekly rule that is always inside, so that the clock of the day does not decide a figure."""
ACCESS = (Access(1, sites.OPEN_AND_QUERY, (EVERY_DAY,)),)
AEADS = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)


class DeskClock:
    """`ports.clock.Clock` of this machine, trusted; it can be put forward between two visits.

    It is no fake of the tests, whose clock stands still: a bench needs time that passes.
    """

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def pass_by(self, seconds: float) -> None:
        """Put the monotonic clock forward."""
        self._ahead_seconds += seconds

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_seconds

    def state(self) -> ClockState:
        return ClockState.TRUSTED


class NoDisk:
    """`ports.stores.AuditLog` that encodes each record as the real one does, and keeps the last.

    It is no fake of the tests, which hashes and keeps every record: a figure of the hub's CPU would
    grow by that.
    """

    def __init__(self) -> None:
        self.body = b""
        self._last = 0

    async def append(self, record: Record) -> int:
        self.body = record.encode()
        self._last += 1
        return self._last

    def newest(self, before: int, limit: int) -> Sequence[StoredRecord]:
        return []

    async def unacknowledged(self, after: int, limit: int) -> Sequence[StoredRecord]:
        return []

    async def acknowledge(self, numbers: Sequence[int]) -> None:
        return

    async def take_back(self, after: int, limit: int) -> bool:
        return True

    def newest_acknowledged(self) -> int:
        return self._last

    def holds(self, head: Head) -> bool:
        return head.number <= self._last

    def waiting(self) -> int:
        return 0

    def last(self) -> int:
        return self._last

    def head(self) -> Head:
        return Head(self._last, bytes(32))

    def beginning(self) -> Head:
        """See `AuditLog.beginning`."""
        return Head()

    def gone(self) -> int:
        """See `AuditLog.gone`."""
        return 0

    def uses(self) -> Sequence[Use]:
        return []


class NoDoor:
    """`ports.doors.Mover` and `unlock.Watch` of a door that counts its releases.

    It is no fake of the tests, which keeps what it did: a bench of many visits must not grow by it.
    """

    def __init__(self) -> None:
        self.releases = 0

    async def release(self, seconds: float) -> None:
        self.releases += 1

    @property
    def driven(self) -> bool:
        return self.releases > 0

    @property
    def bolt_state(self) -> BoltState:
        return BoltState.UNKNOWN

    def must_rest_seconds(self, seconds: float) -> float:
        return 0.0

    async def secure(self) -> None:
        return

    def failed(self, door: str) -> None:
        """Not asked here."""

    def released(
        self, door: str, access_point: int, seconds: float, *, extended: bool = False
    ) -> None:
        return

    def state(self, door: str) -> DoorState:
        return DoorState.SECURED


def _tell(_event: EventName, _facts: Detail) -> None:
    return


@dataclass(slots=True)
class Desk:
    """One site, its hub and one ES256 phone with one access point and one weekly rule.

    The issuer's key is ES256, the epoch's RSA-3072.
    """

    side: HubSide
    unlock: Unlock
    clock: DeskClock
    door: NoDoor
    wallet: Wallet
    epoch_key: rsa.RSAPrivateKey
    policy: ProvenPolicy


async def make_desk(path: Path, file: PolicyDatabase) -> Desk:
    """Make a desk; its site's files go to the new folder `path`."""
    site = sites.init(path)
    wallet = sites_wallet(site)
    identity = sites.make_key()
    key = rsa.generate_private_key(65537, RSA_BITS)
    clock = DeskClock()
    door = NoDoor()
    ring = EpochRing()
    name = HubName(site.name, "hub-1")
    ring.add(epochs.certify(key, identity, name, AEADS, clock.wall(), clock.monotonic()))
    side = HubSide(
        name=name,
        identity_kid=identity.verify_key.kid,
        certificate=CertificateInForce.of(
            sites.certify_hub(
                site.issuer,
                site=site.name,
                hub="hub-1",
                key=identity.verify_key,
                points=(1,),
            ),
            site.verifier,
        ),
        issuer=site.verifier,
        epochs=ring,
        tickets=TicketTable(int(clock.wall()) + 365 * sites.DAY),
        budget=Budget(1e9, 1e9, 4),
        chance=secrets.token_bytes,
    )
    policy = ProvenPolicy(
        file=file,
        log=NoDisk(),
        clock=clock,
        tell=_tell,
        health=Health(clock, {}, ()),
        found=FoundState(OnDisk.NONE, 0, LogFound.EMPTY),
        told=LoggedState(),
    )
    point = Point(
        number=1,
        door="front",
        fresh=False,
        strike_seconds=5.0,
    )
    rules = SiteRules({1: point}, ZoneInfo("Europe/Berlin"), 90 * sites.DAY)
    unlock = Unlock(
        rules=rules,
        policy=policy,
        log=NoDisk(),
        clock=clock,
        tell=_tell,
        doors={"front": door},
        watch=door,
        persons=Persons(clock),
    )
    return Desk(
        side=side,
        unlock=unlock,
        clock=clock,
        door=door,
        wallet=wallet,
        epoch_key=key,
        policy=policy,
    )


def sites_wallet(site: sites.Site) -> Wallet:
    """Make a phone with a grant at the site."""
    key = sites.make_key()
    grant = sites.make_grant(
        site.issuer,
        site=site.name,
        credential=secrets.token_hex(8),
        key=key,
        access=ACCESS,
    )
    return Wallet(
        site=site.name,
        issuer=site.verifier,
        key=key,
        grant=grant,
    )
