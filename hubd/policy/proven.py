"""The policy in force, or no door at all while the state on the disk is in doubt.

Laws:
1. While a doubt stands every access point is locked down: neither a phone nor an order of the
   backend opens it. The way out is wired past the hub.
2. A doubt ends when the issuer's current policy comes again, or when root accepts the state. Both
   are recorded.
3. Nothing older than what the log knows is put in force, whatever the file holds.
4. While a doubt stands nobody has a right to order anything from afar: neither to end an order for
   a door nor to command a device.
5. While a doubt stands, or a page of the policy is damaged, this hub says that it has no policy
   (version 0), so that the backend sends its own again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hubcore.access.cards import Card
from hubcore.access.revocations import CarriedRevocations
from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.checks import CHECK_OF_DOUBT, CheckId, Topic, problem
from hubcore.errors import AuditError, RollbackError, StoreError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.evidence.statecheck import (
    Belief,
    Doubt,
    FoundState,
    LoggedState,
    OnDisk,
    accepted_facts,
    carried_facts,
    doubt_facts,
    edited_facts,
    judge,
)
from hubcore.policy.policy import Operator, PointRules
from hubcore.policy.root import NO_DIGEST, Root
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, PolicyFile
from hubd.recording import record_now
from hubd.upkeep.health import Health


class ProvenPolicy:
    """`ports.stores.PolicyStore` over a `PolicyFile`; call `begin` once, before anything else."""

    def __init__(
        self,
        *,
        file: PolicyFile,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        health: Health,
        found: FoundState,
        told: LoggedState,
        edited: bool = False,
        why: str = "",
        carried: CarriedRevocations | None = None,
    ) -> None:
        """`found` was on the disk, and `told` is what the log says of it.

        `carried` are the revocations that phones brought: they count beside the policy.

        `edited`: rows were edited, and built again. `why` says why a policy is not proven.
        """
        self._file = file
        self._carried = CarriedRevocations() if carried is None else carried
        self._log = log
        self._clock = clock
        self._tell = tell
        self._health = health
        self._found = found
        self._told = told
        self._edited = edited
        self._why = why
        self._least = told.version
        self._staged = 0
        verdict = judge(found, told)
        self._unrecorded = verdict is Belief.UNRECORDED
        self._doubt = verdict if isinstance(verdict, Doubt) else None
        self._show()

    @property
    def doubt(self) -> Doubt | None:
        """Why the state is not believed, None when it is."""
        return self._doubt

    def carried(self) -> Detail:
        """Return what the STARTED record, written before `begin`, repeats of earlier records."""
        return carried_facts(self._told)

    async def begin(self) -> None:
        """Record what was found, and note where the log stands now.

        A write error is reported; the hub starts all the same.
        """
        try:
            await self._record_news()
            if self._doubt is None:
                await self._file.note(self._log.head())
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
        except StoreError as error:
            self._tell(EventName.NOT_NOTED, {Fact.WHY: str(error)})

    async def accept(self, by: str, uid: int) -> Doubt | None:
        """Take `by`'s word that the state is right as it is; return the doubt that this ended.

        `uid` is the user of this machine who says so.

        Raise StoreError, and keep the doubt, when that cannot be written down, or when the policy
        on the disk is not proven.
        """
        doubt = self._doubt
        if doubt is None:
            return None
        if self._found.policy is OnDisk.UNPROVEN:
            raise StoreError(
                "the policy on the disk is not proven by the issuer's signature, so nobody can "
                "accept it; wait for the backend's policy, or load it from a stick (hubctl policy "
                "load PATH), or stop hubd, move policy.db aside and start hubd again"
            )
        version = self._file.version()
        await self._file.note(self._log.head())
        detail = accepted_facts(doubt, version, by, uid)
        await self._record(RecordKind.STATE, detail)
        self._tell(EventName.STATE, detail)
        self._believe(version)
        return doubt

    def version(self) -> int:
        """The version of the policy in force, 0 when none is, or none that is believed."""
        if self._is_asked_again:
            return 0
        return self._file.version()

    @property
    def _is_asked_again(self) -> bool:
        return self._doubt is not None or self._file.damaged()

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Let the problem of a damaged page stand once a look-up has met it."""
        try:
            yield
        except StoreError:
            self._show()
            raise

    def revoked(self, credential: str, grant_id: bytes) -> bool:
        """See `ports.stores.PolicyLookups.revoked`."""
        if self._carried.revoked(credential, grant_id):
            return True
        with self._noticing():
            return self._file.revoked(credential, grant_id)

    def disabled(self, credential: str) -> bool:
        """See `ports.stores.PolicyLookups.disabled`."""
        with self._noticing():
            return self._file.disabled(credential)

    def needs_longer(self, credential: str) -> bool:
        """See `ports.stores.PolicyLookups.needs_longer`."""
        with self._noticing():
            return self._file.needs_longer(credential)

    def schedule(self, number: int) -> Schedule | None:
        """See `ports.stores.PolicyLookups.schedule`."""
        return self._file.schedule(number)

    def point(self, access_point: int) -> PointRules:
        """See `ports.stores.PolicyLookups.point`."""
        return self._file.point(access_point)

    def card(self, digest: bytes) -> Card | None:
        """See `ports.stores.PolicyLookups.card`."""
        with self._noticing():
            return self._file.card(digest)

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        """See `ports.stores.PolicyFile.holders_in`."""
        with self._noticing():
            return self._file.holders_in(page)

    def operator(self, name: str) -> Operator | None:
        """See `ports.stores.PolicyLookups.operator`; None while the state is in doubt."""
        if self._doubt is not None:
            return None
        return self._file.operator(name)

    def group(self, number: int) -> tuple[str, ...]:
        """See `ports.stores.PolicyLookups.group`."""
        return self._file.group(number)

    def mode(self, access_point: int) -> Mode:
        """The mode ordered for the access point; LOCKDOWN while the state is in doubt."""
        if self._doubt is not None:
            return Mode.LOCKDOWN
        return self._file.mode(access_point)

    def digest(self) -> bytes:
        """See `PolicyStore.digest`; that of none where it is asked for again."""
        return NO_DIGEST if self._is_asked_again else self._file.digest()

    async def stage(self, new: Root) -> None:
        """See `PolicyStore.stage`; where it is asked for again, the same version is taken."""
        if new.version < self._least:
            raise RollbackError(
                f"policy {new.version} is older than {self._least}: the audit log shows that "
                f"{self._least} was in force here"
            )
        self._staged = new.version
        await self._file.stage(new, again=self._is_asked_again)

    def wanted(self, most: int) -> Sequence[bytes]:
        """See `PolicyStore.wanted`."""
        return self._file.wanted(most)

    async def take(self, pieces: Sequence[bytes]) -> int:
        """See `PolicyStore.take`."""
        return await self._file.take(pieces)

    async def put_in_force(self) -> None:
        """See `PolicyStore.put_in_force`."""
        version = self._staged
        await self._file.put_in_force(self._log.head(), again=self._is_asked_again)
        self._believe(version)

    def _believe(self, version: int) -> None:
        self._doubt = None
        self._edited = False
        self._least = version
        self._show()

    async def _record_news(self) -> None:
        """Tell and record what this start found, if the log does not have it."""
        version = self._found.version
        kind = RecordKind.STATE
        if self._doubt is not None:
            known = self._told
            if self._doubt is known.doubt and version == known.doubted:
                return
            detail = doubt_facts(self._doubt, self._found, self._told)
        elif self._edited:
            detail = edited_facts(version)
        elif self._unrecorded:
            kind = RecordKind.POLICY
            detail = {Fact.VERSION: version, Fact.TICKETS_DROPPED: 0}
        else:
            return
        self._tell(EventName(kind), detail)
        await self._record(kind, detail)

    async def _record(self, kind: RecordKind, detail: Detail) -> None:
        record = record_now(self._clock, kind, detail)
        await self._log.append(record)

    def _show(self) -> None:
        """Let the problem of the state stand, or clear it."""
        if self._doubt is not None:
            found = problem(
                CHECK_OF_DOUBT[self._doubt],
                version=self._found.version,
                expected=self._told.version,
                more=f" ({self._why})" if self._why else "",
            )
            self._health.set(found)
        elif self._file.damaged():
            self._health.set(problem(CheckId.POLICY_DAMAGED))
        elif self._edited:
            self._health.set(problem(CheckId.POLICY_EDITED))
        else:
            self._health.clear(Topic.STATE)
