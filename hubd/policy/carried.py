"""The use case of revocations that a phone carries: they count at once, and outlast a restart.

Laws:
1. What a list names is denied from the call on, on every path, also to the phone that carries it.
2. Nothing waits for the disk. What the disk does not take is told, and counts until the restart.
3. What is found at a start counts only if its issuer signed it. What proves nothing is told.
4. Nothing is written or recorded for a list that says nothing new, so no phone sets the pace.
5. A list that has no room is told once, until there is room again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from hubcore.access.grant import Grant
from hubcore.access.revocations import CarriedRevocations, Revocations
from hubcore.errors import AuditError, HardwareError, ProofError, StoreError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.phone.tickets import TicketTable
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, DocumentFile
from hubd.recording import record_now

Read = Callable[[bytes], Revocations]
"""Verifies and reads a list: `access.revocations.read`. Raises ProofError."""


@dataclass(frozen=True, slots=True)
class CarriedFound:
    """What a start finds, and why some of it proves nothing ("" when all does)."""

    carried: CarriedRevocations
    why: str = ""


def find_carried(file: DocumentFile, read: Read) -> CarriedFound:
    """Read what was kept, as far as it proves itself."""
    try:
        documents = file.found()
    except StoreError as error:
        return CarriedFound(CarriedRevocations(), str(error))
    lists = []
    why = ""
    for document in documents:
        try:
            lists.append(read(document))
        except ProofError as error:
            why = f"revocations on the disk prove nothing: {error}"
    return CarriedFound(CarriedRevocations(lists), why)


class CarriedIntake:
    """Takes lists of revocations from phones."""

    def __init__(
        self,
        carried: CarriedRevocations,
        *,
        file: DocumentFile,
        policy_version: Callable[[], int],
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        tickets: TicketTable,
        why: str = "",
    ) -> None:
        """`why` says what of that found at the start proves nothing."""
        self._carried = carried
        self._file = file
        self._policy_version = policy_version
        self._log = log
        self._clock = clock
        self._tell = tell
        self._tickets = tickets
        self._why = why
        self._full_told = False
        self._writing = asyncio.Lock()

    def begin(self) -> None:
        """Tell what this start found and does not believe; forget what the policy says itself.

        A power cut may have come after the policy, and before its lists were removed.
        """
        self._carried.policy_in_force(self._policy_version())
        if self._why:
            self._tell(EventName.REVOCATION_REFUSED, {Fact.WHY: self._why})

    def take(self, new: Revocations) -> Awaitable[None]:
        """Have a list count now. Awaited, it is kept, recorded, and what it forbids has ended."""
        if self._carried.take(new, self._policy_version()):
            self._full_told = False
            return self._keep(new)
        return self._tell_full(new)

    async def policy_in_force(self, version: int) -> None:
        """Forget what the policy of this version says itself."""
        if self._carried.policy_in_force(version):
            self._full_told = False
            await self._write()

    async def _keep(self, new: Revocations) -> None:
        dropped = self._tickets.drop_where(partial(_is_named, new))
        await self._write()
        facts: Detail = {
            Fact.VERSION: new.version,
            Fact.ISSUED: new.issued_at,
            Fact.COUNT: len(new.credentials) + len(new.grants),
            Fact.TICKETS_DROPPED: dropped,
        }
        self._tell(EventName.REVOCATION, facts)
        try:
            await self._log.append(record_now(self._clock, RecordKind.REVOCATION, facts))
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})

    async def _tell_full(self, new: Revocations) -> None:
        is_news = new.version > self._policy_version() and self._carried.is_full
        if not is_news or self._full_told or self._carried.says_all_of(new):
            return
        self._full_told = True
        why = "no room for more revocations that phones carry: bring this hub its policy"
        self._tell(EventName.REVOCATION_REFUSED, {Fact.WHY: why})

    async def _write(self) -> None:
        try:
            async with self._writing:
                documents = [one.document for one in self._carried.lists]
                await self._file.write(documents)
        except (StoreError, HardwareError) as error:
            self._tell(EventName.REVOCATION_REFUSED, {Fact.WHY: str(error)})


def _is_named(new: Revocations, grant: Grant) -> bool:
    return grant.credential in new.credentials or grant.grant_id in new.grants
