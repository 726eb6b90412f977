"""The use case of a new policy: read, verified, put in force; what it forbids is ended at once.

Laws:
1. Signature first, then the version, then the rest: an old policy costs a signature check, an
   unproven one less.
2. It is read in a thread, item by item, so that doors are served meanwhile.
3. What is refused leaves nothing behind: the refusal holds no document.
4. Once a policy is in force it is answered as in force, whether or not that could be recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from hubcore.access.grant import Grant
from hubcore.errors import AuditError, HubError, RollbackError, StoreError, TrustError
from hubcore.evidence.facts import Detail, EventName, Fact, Tell
from hubcore.evidence.records import RecordKind
from hubcore.phone.tickets import TicketTable
from hubcore.policy.document import Proven
from hubcore.policy.policy import Policy
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, PolicyStore
from hubd.doors.unlock import Unlock
from hubd.recording import record_now
from hubd.threads import Start, run_in_thread, start_thread

Prove = Callable[[bytes], Proven]
"""Checks a document's signature and reads its version. Raises TrustError."""


class PolicyIntake:
    """Takes signed policies."""

    def __init__(
        self,
        prove: Prove,
        *,
        store: PolicyStore,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        tickets: TicketTable,
        unlock: Unlock,
        in_force: Callable[[int], Awaitable[None]],
        start: Start = start_thread,
    ) -> None:
        """`in_force` is told the version of each policy that has come into force."""
        self._prove = prove
        self._store = store
        self._log = log
        self._clock = clock
        self._tell = tell
        self._tickets = tickets
        self._unlock = unlock
        self._in_force = in_force
        self._start = start

    async def accept(self, document: bytes) -> int:
        """Put a policy in force and return its version.

        Raise TrustError, StoreError, or HardwareError when the machine gives no thread; the old
        policy stays in force then.
        """
        new = await self._read(document)
        await self._store.replace(new, document)
        dropped = self._drop_tickets(new)
        await self._unlock.enforce()
        await self._in_force(new.version)
        await self._record(new, dropped)
        return self._store.version()

    async def _read(self, document: bytes) -> Policy:
        """Read a document in a thread, and raise its refusal here."""
        in_force = self._store.version()
        read = partial(_read, self._prove, document, in_force)
        new = await run_in_thread("policy-reader", read, self._start)
        if isinstance(new, Policy):
            return new
        try:
            raise new
        finally:
            del new  # or this frame and the error would hold each other

    def _drop_tickets(self, new: Policy) -> int:
        """Drop the tickets of what is revoked; return how many."""

        def is_revoked(grant: Grant) -> bool:
            if grant.credential in new.revoked_credentials:
                return True
            return grant.grant_id in new.revoked_grants

        return self._tickets.drop_where(is_revoked)

    async def _record(self, new: Policy, dropped: int) -> None:
        facts: Detail = {
            Fact.VERSION: new.version,
            Fact.ISSUED: new.issued_at,
            Fact.TICKETS_DROPPED: dropped,
        }
        self._tell(EventName.POLICY, facts)
        record = record_now(self._clock, RecordKind.POLICY, facts)
        try:
            await self._log.append(record)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})


def _read(prove: Prove, document: bytes, in_force: int) -> Policy | HubError:
    """Return the policy, or why it is refused: without its frames, which hold the document."""
    try:
        proven = prove(document)
        if proven.version <= in_force:
            return RollbackError(
                f"policy {proven.version} is not newer than {in_force}, which is in force"
            )
        return proven.read()
    except TrustError as error:
        return type(error)(str(error))
    except MemoryError:
        return StoreError(f"a policy of {len(document)} bytes is more than this hub has memory for")
