"""The use case of a new policy: read, verified, brought together, put in force.

What it forbids is ended at once.

Laws:
1. Signature first, then the version, then the rest: an old policy costs a signature check, an
   unproven one less.
2. It is read in a thread, item by item, so that doors are served meanwhile.
3. What is refused leaves nothing behind: the refusal holds no document.
4. Once a policy is in force it is answered as in force, whether or not that could be recorded.
5. What the document did not bring along is asked of its carrier: at most ASKED pieces at a time. A
   carrier that brings nothing that was asked for, PATIENCE times, ends it; what has come stays
   staged.
6. Each decision looks the policy up anew. So a ticket of a revoked grant opens nothing, whenever it
   is dropped, and tickets are looked through in short turns.
7. Several carriers may come at once: one of them has the turn (`hubd.policy.turn`). Who waited
   while another brought the very same policy is answered that it is in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hubcore.access.grant import Grant
from hubcore.errors import (
    AuditError,
    HubError,
    LinkError,
    RollbackError,
    StoreError,
    TrustError,
)
from hubcore.evidence.facts import EventName, Fact, Tell, Value
from hubcore.evidence.records import RecordKind
from hubcore.phone.tickets import TicketTable
from hubcore.policy.document import Proven
from hubcore.policy.root import Root, RootHead
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, PolicyStore
from hubd.doors.unlock import Unlock
from hubd.policy.turn import LostTurn, Turn, Turns
from hubd.recording import record_now
from hubd.threads import Start, run_in_thread, start_thread

Prove = Callable[[bytes], Proven]
"""Checks a document's signature and reads its version. Raises TrustError."""

ASKED = 64
"""Pieces that a carrier is asked for at a time: at most 4 MiB."""
PATIENCE = 3
TICKETS_A_TURN = 64
_COME_TIMES = 2
"""So many times what was asked for may come, of whatever kind, until it is asked for again."""
_BROUGHT_AT_ONCE = 16
"""Pieces of a document that are staged in one commit."""


class Carrier(Protocol):
    """Who brings the pieces of a policy: the backend, a bridge, a stick."""

    def ask(self, names: Sequence[bytes]) -> None:
        """Ask for these pieces; it may be lost."""

    async def next(self) -> Sequence[bytes]:
        """Return pieces that have come, whatever they are; none when nothing came for a while.

        Raise LinkError when no more of this policy is to be waited for.
        """


class NoCarrier:
    """Nobody: a document brings its pieces along, or is refused."""

    def ask(self, names: Sequence[bytes]) -> None:
        """Ask nobody."""

    async def next(self) -> Sequence[bytes]:
        """Raise LinkError."""
        raise LinkError("the policy's pieces did not come along")


@dataclass(frozen=True, slots=True)
class Offered:
    """A policy that was read: its root, and the pieces that came along."""

    root: Root
    pieces: Sequence[bytes]


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
        self._turns = Turns()

    async def accept(
        self, document: bytes, carrier: Carrier | None = None, uid: int | None = None
    ) -> int:
        """Put a policy in force and return its version; the carrier brings what is not there yet.

        `uid`: the user of this machine who brings it, None for the backend. Raise TrustError,
        StoreError, LinkError from the carrier, or HardwareError when the machine gives no thread;
        the old policy stays in force then.
        """
        offered = await self._read(document)
        if not await self._bring_in_turn(offered, carrier or NoCarrier()):
            return self._store.version()
        await self._unlock.enforce()
        dropped = await self._drop_tickets()
        await self._in_force(offered.root.version)
        await self._record(offered.root.head, dropped, uid)
        return self._store.version()

    async def _bring_in_turn(self, offered: Offered, carrier: Carrier) -> bool:
        """Put a policy in force when its turn comes; False when another carrier did meanwhile."""
        again = False
        while True:
            async with self._turns.of(offered.root.version, again) as turn:
                if self._store.digest() == offered.root.head.digest:
                    return False
                try:
                    await self._bring(offered, carrier, turn)
                except LostTurn:
                    again = True
                else:
                    return True

    async def _bring(self, offered: Offered, carrier: Carrier, turn: Turn) -> None:
        await self._store.stage(offered.root)
        await self._take_along(offered.pieces)
        await self._fetch(carrier, turn)
        await self._store.put_in_force()

    async def _read(self, document: bytes) -> Offered:
        """Read a document in a thread, and raise its refusal here."""
        in_force = self._store.version()
        read = partial(_read, self._prove, document, in_force)
        new = await run_in_thread("policy-reader", read, self._start)
        if isinstance(new, Offered):
            return new
        try:
            raise new
        finally:
            del new  # or this frame and the error would hold each other

    async def _take_along(self, pieces: Sequence[bytes]) -> None:
        """Take what came along with the document, as long as any of it is wanted."""
        taken = 1
        while taken and self._store.wanted(max(len(pieces), 1)):
            taken = 0
            for start in range(0, len(pieces), _BROUGHT_AT_ONCE):
                taken += await self._store.take(pieces[start : start + _BROUGHT_AT_ONCE])

    async def _fetch(self, carrier: Carrier, turn: Turn) -> None:
        """Have the carrier bring what is wanted."""
        fruitless = 0
        while names := self._store.wanted(ASKED):
            carrier.ask(names)
            taken = await self._take_brought(carrier, turn, len(names))
            fruitless = 0 if taken else fruitless + 1
            if fruitless == PATIENCE:
                raise LinkError(
                    f"the policy's pieces did not come, though asked for {PATIENCE} times: "
                    "look at who brings them"
                )

    async def _take_brought(self, carrier: Carrier, turn: Turn, most: int) -> int:
        """Take what comes until all that was asked for is here, nothing comes, or too much."""
        taken = 0
        come = 0
        while taken < most and come < _COME_TIMES * most:
            pieces = await turn.unless_lost(carrier.next)
            if not pieces:
                break
            come += len(pieces)
            taken += await self._store.take(pieces)
        return taken

    async def _drop_tickets(self) -> int:
        """Drop the tickets of what is revoked; return how many."""
        dropped = 0
        ids = self._tickets.ids()
        for start in range(0, len(ids), TICKETS_A_TURN):
            turn = ids[start : start + TICKETS_A_TURN]
            dropped += self._tickets.drop_where(self._is_revoked, turn)
            await asyncio.sleep(0)
        return dropped

    def _is_revoked(self, grant: Grant) -> bool:
        """Tell whether a ticket must go; also when nobody can tell."""
        try:
            return self._store.revoked(grant.credential, grant.grant_id)
        except StoreError:
            return True

    async def _record(self, new: RootHead, dropped: int, uid: int | None) -> None:
        facts: dict[Fact, Value] = {
            Fact.VERSION: new.version,
            Fact.ISSUED: new.issued_at,
            Fact.TICKETS_DROPPED: dropped,
        }
        if uid is not None:
            facts[Fact.UID] = uid
        self._tell(EventName.POLICY, facts)
        record = record_now(self._clock, RecordKind.POLICY, facts)
        try:
            await self._log.append(record)
        except AuditError as error:
            self._tell(EventName.AUDIT_FAILED, {Fact.WHY: str(error)})


def _read(prove: Prove, document: bytes, in_force: int) -> Offered | HubError:
    """Return the policy, or why it is refused: without its frames, which hold the document."""
    try:
        proven = prove(document)
        if proven.version <= in_force:
            return RollbackError(
                f"policy {proven.version} is not newer than {in_force}, which is in force"
            )
        return Offered(proven.root(), tuple(proven.pieces()))
    except TrustError as error:
        return type(error)(str(error))
    except MemoryError:
        return StoreError(f"a policy of {len(document)} bytes is more than this hub has memory for")
