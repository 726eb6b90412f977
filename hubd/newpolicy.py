"""The use case of a new policy: read and verified, put in force, and what it forbids ended at once.

Law: once it is in force it is answered as in force, whether or not that could be recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubd.core.policy import Policy
from hubd.core.records import Kind, Record, Value
from hubd.core.tickets import TicketTable
from hubd.errors import AuditError
from hubd.unlock import Books, Unlock


class NewPolicy:
    """Takes signed policies, which `read` verifies."""

    def __init__(self, read: Callable[[bytes], Policy], books: Books, tickets: TicketTable, unlock: Unlock) -> None:
        self._read, self._books, self._tickets, self._unlock = read, books, tickets, unlock

    async def accept(self, document: bytes) -> int:
        """Put a policy in force and return its version. Raise TrustError or StoreError, and keep the old one."""
        new = await asyncio.to_thread(self._read, document)
        await self._books.policy.replace(new, document)
        dropped = self._tickets.drop_where(
            lambda grant: grant.credential in new.revoked_credentials or grant.grant_id in new.revoked_grants
        )
        await self._unlock.enforce()
        facts: dict[str, Value] = {"version": new.version, "tickets_dropped": dropped}
        self._books.tell("policy", facts)
        clock = self._books.clock
        try:
            await self._books.log.append(Record.at(Kind.POLICY, clock.wall(), clock.monotonic(), facts))
        except AuditError as error:
            self._books.tell("audit_failed", {"why": str(error)})
        return self._books.policy.version()
