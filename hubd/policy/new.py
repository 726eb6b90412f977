"""The use case of a new policy: read and verified, put in force, and what it forbids ended at once.

Laws:
1. Signature first, then the version, then the rest: an old policy costs a signature check, an
   unproven one less.
2. It is read in a thread, item by item, so that doors are served meanwhile.
3. What is refused leaves nothing behind: the refusal is a value until it is raised here, and holds
   no document.
4. Once it is in force it is answered as in force, whether or not that could be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hubcore.access.policy import Policy, Proven
from hubcore.errors import AuditError, HubError, RollbackError, StoreError, TrustError
from hubcore.evidence.facts import Detail, EventName, Fact
from hubcore.evidence.records import Record, RecordKind
from hubcore.phone.tickets import TicketTable
from hubd.aside import Start, aside, start_thread
from hubd.doors.unlock import Books, Unlock


class PolicyIntake:
    """Takes signed policies.

    `prove` checks a document's signature and reads its version; it raises TrustError.
    """

    def __init__(
        self,
        prove: Callable[[bytes], Proven],
        books: Books,
        tickets: TicketTable,
        unlock: Unlock,
        start: Start = start_thread,
    ) -> None:
        self._prove = prove
        self._books = books
        self._tickets = tickets
        self._unlock = unlock
        self._start = start

    async def accept(self, document: bytes) -> int:
        """Put a policy in force and return its version.

        Raise TrustError, StoreError, or HardwareError when the machine gives no thread, and keep
        the old one.
        """
        read = partial(_read, self._prove, document, self._books.policy.version())
        new = await aside("policy-reader", read, self._start)
        if isinstance(new, HubError):
            try:
                raise new
            finally:
                del new  # or this frame and the error would hold each other
        await self._books.policy.replace(new, document)
        dropped = self._tickets.drop_where(
            lambda grant: (
                grant.credential in new.revoked_credentials or grant.grant_id in new.revoked_grants
            )
        )
        await self._unlock.enforce()
        facts: Detail = {Fact.VERSION: new.version, Fact.TICKETS_DROPPED: dropped}
        self._books.tell(EventName.POLICY, facts)
        clock = self._books.clock
        try:
            await self._books.log.append(
                Record.at(RecordKind.POLICY, clock.wall(), clock.monotonic(), facts)
            )
        except AuditError as error:
            self._books.tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})
        return self._books.policy.version()


def _read(prove: Callable[[bytes], Proven], document: bytes, in_force: int) -> Policy | HubError:
    """Return the policy, or why it is refused: an error without frames, for they would hold the
    document.
    """
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
