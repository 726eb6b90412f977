"""What the hub knows of cards and PINs, and what it writes of those that it does not take further.

Laws:
1. No number of a card and no PIN is in a record, an event, a log line or a repr: a card is known by
   its digest (`hubcore.access.cards`).
2. A card that is nobody's is a denial of the reader where it was held. So its records are paced by
   reader (`hubd.evidence.paced`), however many cards somebody tries.
3. A wrong PIN counts for its credential at its access point alone (`hubcore.access.lockout`).
4. The count outlasts a restart, by its records. A wrong PIN that went into a sum has none, and is
   not counted again: a restart may give a few tries more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hubcore.access.cards import Card, PinMatch, card_digest, match_pin
from hubcore.access.claim import Claim, ClaimOutcome, Strength
from hubcore.access.lockout import Lockout, LockoutRule
from hubcore.access.words import Denial
from hubcore.evidence.facts import Fact, Tell
from hubcore.evidence.records import Record, StoredRecord
from hubcore.ports.clock import Clock
from hubcore.ports.reader import CardRead
from hubcore.ports.stores import AuditLog, PolicyLookups
from hubd.doors.decisionlog import DecisionLog, OnDenied, Shown, unheard
from hubd.doors.operation import reader_op
from hubd.doors.recall import with_ages

Ask = Callable[[Claim], Denial | None]
"""Tells why a claim would be denied now, None when it would not; records nothing."""
Present = Callable[[Claim, Callable[[], bool]], Awaitable[ClaimOutcome]]
"""Decides on a claim, records it and moves the door; takes whether the reader is still there."""


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A card of the policy at a reader of an access point, at monotonic second `at`."""

    card: Card = field(repr=False)
    reader: str
    access_point: int
    at: float

    def claim(self, strength: Strength, at: float, duress: bool = False) -> Claim:
        """Return the claim of its holder; `at` is when the last proof came."""
        return Claim.by_card(
            self.card,
            access_point=self.access_point,
            op=reader_op(),
            strength=strength,
            arrived=at,
            reader=self.reader,
            duress=duress,
        )


class Cards:
    """Looks cards up, compares PINs, and writes down what is refused before a claim is decided."""

    def __init__(
        self,
        card_key: bytes,
        *,
        policy: PolicyLookups,
        log: AuditLog,
        clock: Clock,
        tell: Tell,
        on_denied: OnDenied = unheard,
        rule: LockoutRule | None = None,
    ) -> None:
        self._card_key = card_key
        self._policy = policy
        self._clock = clock
        self._decisions = DecisionLog(log, clock, tell, on_denied)
        self._lockout = Lockout(rule or LockoutRule())

    def remember(self, records: Sequence[StoredRecord]) -> None:
        """Count what the newest records say of PINs, before any card is read; the oldest first."""
        now = self._clock.monotonic()
        for record, age_seconds in with_ages(records, now):
            self._count(record, now - age_seconds)

    def _count(self, record: Record, at: float) -> None:
        match record.detail:
            case {Fact.ASKER: str(credential), Fact.POINT: int(point), Fact.WHY: Denial.WRONG_PIN}:
                self._lockout.failed((point, credential), at)
            case {
                Fact.ASKER: str(credential),
                Fact.POINT: int(point),
                Fact.PATH: Strength.CARD_AND_PIN,
            }:
                self._lockout.succeeded((point, credential), at)

    def digest(self, read: CardRead) -> bytes:
        """Return the digest of a card that was read."""
        return card_digest(self._card_key, read.bits, read.data)

    def find(self, digest: bytes) -> Card | None:
        """Return the card of a digest, None when it is nobody's. Raise StoreError."""
        return self._policy.card(digest)

    def try_pin(self, held: HeldCard, pin: str) -> PinMatch | None:
        """Compare a PIN and count it; None: there were too many attempts, it is not looked at."""
        key = (held.access_point, held.card.credential)
        now = self._clock.monotonic()
        if self._lockout.locked(key, now):
            return None
        match = match_pin(self._card_key, held.card, pin)
        if match is PinMatch.WRONG:
            self._lockout.failed(key, now)
        else:
            self._lockout.succeeded(key, now)
        return match

    def compare(self, held: HeldCard, pin: str) -> PinMatch:
        """Tell what a PIN is to a card where none is demanded: nothing is counted."""
        return match_pin(self._card_key, held.card, pin)

    def is_locked(self, held: HeldCard) -> bool:
        """Tell whether no PIN is looked at now for this card at this access point."""
        key = (held.access_point, held.card.credential)
        return self._lockout.locked(key, self._clock.monotonic())

    async def refuse(self, held: HeldCard, why: Denial) -> None:
        """Write down that a card was denied before its claim was decided."""
        shown = Shown(held.card.digest, held.reader, held.access_point, Strength.CARD)
        await self._decisions.denied_at_reader(shown, why, held.card.credential)

    async def refuse_stranger(
        self, reader: str, digest: bytes, access_point: int, why: Denial
    ) -> None:
        """Write down that a card of nobody, or one that could not be looked up, was denied."""
        shown = Shown(digest, reader, access_point, Strength.CARD)
        await self._decisions.denied_at_reader(shown, why)
