"""A claim: what a reader of any kind has proven and asks to be decided, and what becomes of it.

Laws:
1. Whoever makes a claim has checked every proof behind it: signatures, seals, tickets, a card's own
   protocol.
2. A claim holds no key and knows no wire: a phone's and a card's look alike.
3. It holds nothing that is not proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubcore.access.grant import Access, Grant, entry_for
from hubcore.access.words import Action, Denial
from hubcore.door.state import DoorState


class Strength(StrEnum):
    """How strongly a claim is proven. The words stand in records: they are never changed."""

    FULL = "full"
    """A signature over this very request."""
    SHORT = "short"
    """A ticket of an earlier full proof."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The holder of a grant asks for `action` at `access_point`.

    `credential` and `grant_id` are opaque. `not_before` and `expires` are the grant's, in Unix
    seconds. `entry` is what the grant says of this access point, None when it says nothing. `op` is
    the id of this operation. `arrived` is the earliest monotonic second at which its last byte may
    have come.
    """

    credential: str
    grant_id: bytes
    not_before: int
    expires: int
    entry: Access | None
    access_point: int
    action: Action
    op: bytes
    strength: Strength
    arrived: float

    @classmethod
    def under(
        cls,
        grant: Grant,
        *,
        access_point: int,
        action: Action,
        op: bytes,
        strength: Strength,
        arrived: float,
    ) -> Claim:
        """Return the claim of a grant's holder."""
        return cls(
            credential=grant.credential,
            grant_id=grant.grant_id,
            not_before=grant.not_before,
            expires=grant.expires,
            entry=entry_for(grant, access_point),
            access_point=access_point,
            action=action,
            op=op,
            strength=strength,
            arrived=arrived,
        )


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What became of a claim or an order; `why` it was denied, or None; the door as seen now."""

    why: Denial | None
    door: DoorState

    @property
    def allowed(self) -> bool:
        """Whether what was asked was done, or may be known."""
        return self.why is None
