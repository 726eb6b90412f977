"""What a PKOC phone may do: its whole public key is looked up in the policy, as a card is.

Laws:
1. A key that is nobody's, or that could not be looked up, is a denial of the reader where it was
   shown, and recorded there: its records are paced by reader (`hubd.evidence.paced`).
2. A key of the policy becomes a claim of its own kind (`Strength.PKOC`), and is decided like any.
3. No public key is in a record, an event or a log line: a phone is known by the digest of its key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from hubcore.access.cards import Card, public_key_digest
from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.words import Denial
from hubcore.errors import StoreError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog
from hubd.doors.decisionlog import DecisionLog, OnDenied, Shown, unheard
from hubd.doors.operation import reader_op

Present = Callable[[Claim, Callable[[], bool]], Awaitable[ClaimOutcome]]
"""Decides on a claim, records it and moves the door; takes whether the phone is still there."""


class Rows(Protocol):
    """The part of `ports.stores.PolicyLookups` that a key needs."""

    def card(self, digest: bytes) -> Card | None:
        """Return the row of a digest, None when there is none. Raise StoreError."""


class KeyRights:
    """Decides on public keys at one access point; `reader` is the id that records have."""

    def __init__(
        self,
        reader: str,
        access_point: int,
        card_key: bytes,
        *,
        policy: Rows,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        present: Present,
        on_denied: OnDenied = unheard,
    ) -> None:
        self._reader = reader
        self._access_point = access_point
        self._card_key = card_key
        self._policy = policy
        self._tell = tell
        self._present = present
        self._decisions = DecisionLog(log, clock, tell, on_denied)

    async def decide(self, point: bytes, arrived: float, alive: Callable[[], bool]) -> bool:
        """Have a proven public key (65 bytes) decided and recorded; tell whether it was let in.

        `arrived`: the earliest monotonic second at which the proof may have come.
        """
        digest = public_key_digest(self._card_key, point)
        try:
            card = self._policy.card(digest)
        except StoreError as error:
            self._tell(EventName.POLICY_UNREADABLE, {Fact.WHY: str(error)})
            return await self._refuse(digest, Denial.DOOR_FAULT)
        if card is None:
            return await self._refuse(digest, Denial.UNKNOWN_CREDENTIAL)
        outcome = await self._present(self._claim(card, arrived), alive)
        return outcome.allowed

    def _claim(self, card: Card, arrived: float) -> Claim:
        return Claim.by_card(
            card,
            access_point=self._access_point,
            op=reader_op(),
            strength=Strength.PKOC,
            arrived=arrived,
            reader=self._reader,
        )

    async def _refuse(self, digest: bytes, why: Denial) -> bool:
        shown = Shown(digest, self._reader, self._access_point, Strength.PKOC)
        await self._decisions.denied_at_reader(shown, why)
        return False
