"""A claim: what a reader of any kind has proven and asks to be decided, and what becomes of it.

Laws:
1. Whoever makes a claim has checked every proof behind it: signatures, seals, tickets, a card's own
   protocol.
2. A claim holds no key and knows no wire: a phone's and a card's look alike.
3. It holds nothing that is not proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hubcore.access.cards import Card
from hubcore.access.factors import Factor
from hubcore.access.grant import Access, Grant, entry_in, in_browser, key_asks
from hubcore.access.words import Action, Denial
from hubcore.door.state import DoorState


class Strength(StrEnum):
    """How strongly a claim is proven. The words stand in records: they are never changed."""

    FULL = "full"
    """A signature over this very request."""
    SHORT = "short"
    """A ticket of an earlier full proof."""
    CARD = "card"
    CARD_AND_PIN = "card-pin"
    PKOC = "pkoc"
    """A phone that others make has signed with its own key; it says nothing of door or intent."""


FACTORS_OF: Mapping[Strength, Factor] = {
    Strength.FULL: Factor.PHONE,
    Strength.SHORT: Factor.PHONE,
    Strength.CARD: Factor.CARD,
    Strength.CARD_AND_PIN: Factor.CARD | Factor.PIN,
    Strength.PKOC: Factor.CARD,
}
"""The factors that each strength has by itself."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The holder of a grant asks for `action` at `access_point`.

    `credential` and `grant_id` are opaque. `not_before` and `expires` are the grant's, in Unix
    seconds. `entry` is what the grant says of this access point, None when it says nothing. `op` is
    the id of this operation. `arrived` is the earliest monotonic second at which its last byte may
    have come. `intent`: the holder said so to the phone at this door. `duress`: the holder is
    threatened and says so, in a way that nobody who stands there sees. `uses`: how often the grant
    lets its holder in, None without end. `reader`: the id of the reader that read a card or
    met a phone that others make, None for the site's own phones. `site_digest` is that of a
    grant which the site's own key has signed.
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
    intent: bool = False
    duress: bool = False
    uses: int | None = None
    reader: str | None = None
    site_digest: bytes = b""

    @property
    def of_site(self) -> bool:
        """Whether the site's own key has signed the grant."""
        return bool(self.site_digest)

    @property
    def in_browser(self) -> bool:
        """Whether the issuer says that the holder's key lies in a browser."""
        return in_browser(self.entry)

    @property
    def factors(self) -> Factor:
        """What is proven."""
        factors = FACTORS_OF[self.strength]
        return factors | Factor.INTENT if self.intent else factors

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
        entry = entry_in(grant.access, access_point)
        return cls(
            credential=grant.credential,
            grant_id=grant.grant_id,
            not_before=grant.not_before,
            expires=grant.expires,
            entry=entry,
            access_point=access_point,
            action=action,
            op=op,
            strength=strength,
            arrived=arrived,
            intent=strength is Strength.FULL and key_asks(entry),
            uses=grant.uses,
            site_digest=grant.site_digest,
        )

    @classmethod
    def by_card(
        cls,
        card: Card,
        *,
        access_point: int,
        op: bytes,
        strength: Strength,
        arrived: float,
        reader: str,
        duress: bool = False,
    ) -> Claim:
        """Return the claim of a card's holder to be let in; the card's digest is its grant's id."""
        return cls(
            credential=card.credential,
            grant_id=card.digest,
            not_before=card.not_before,
            expires=card.expires,
            entry=entry_in(card.access, access_point),
            access_point=access_point,
            action=Action.OPEN,
            op=op,
            strength=strength,
            arrived=arrived,
            duress=duress,
            reader=reader,
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
