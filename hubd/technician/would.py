"""Would this credential open this door, and why not: what `hubctl policy why` asks.

A phone brings its grant, so the hub holds none for it. It has the grants of phones that it let in
within the last days (their tickets), what it refused since it started, and the cards of the policy.
Whether a credential is revoked or disabled is on the disk by digests, of whole ones alone.

Laws:
1. It asks the same judgement with the same facts as a claim. It records and changes nothing.
2. A beginning is enough where it is that of one credential alone, and no longer than what is shown
   of it. A longer one is nobody's, unless it is whole: else an onlooker could find out the rest of
   an id, one character after the other. No id is listed: of several only their number is told.
3. What it looks through is bounded: tickets (`phone.tickets`), denials (`upkeep.denials`), an index
   of the cards (`technician.cardindex`), and at most CARDS_MAX cards of one credential.
4. Each user asks at the pace ASKED, and all together at twice that: one keeps no other out.
5. The proof is taken as given: the phone signs by the full path, and who holds a card with a PIN
   knows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hubcore.access.cards import Card
from hubcore.access.claim import Claim, Strength
from hubcore.access.grant import Grant
from hubcore.access.words import Action, Denial
from hubcore.errors import HubError
from hubcore.evidence.facts import Fact, shown, shown_chars
from hubcore.ports.clock import Clock
from hubcore.ports.stores import PolicyLookups
from hubcore.timing.pace import Paces, Rate
from hubd.technician.cardindex import BEGINNING_CHARS
from hubd.technician.names import Meant
from hubd.upkeep.denials import LastDenials

ASKED = Rate(burst=20, per_second=1.0)
"""Questions of one user: each may read some hundred pages of the policy."""
USERS_MAX = 64
CREDENTIAL_CHARS_MAX = 64
CARDS_MAX = 8
_BY_CARD = (Strength.CARD, Strength.CARD_AND_PIN, Strength.PKOC)


class NotOneError(HubError):
    """What was typed is not the beginning of one credential; `code` says why not."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Judgement(Protocol):
    """Who judges a claim."""

    def why_denied(self, claim: Claim, at: float | None = None) -> Denial | None:
        """Why it would be denied now, or at a Unix time."""

    def hours_begin(self, claim: Claim, at: float | None = None) -> float | None:
        """When its hours begin next."""

    def why_shut(self, points: Sequence[int]) -> Denial | None:
        """Why one of these access points must stay shut for everybody."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """What the hub has of one credential: of a phone its grant, of cards their rows.

    `refused` are claims that were refused, by access point.
    """

    credential: str
    grant: Grant | None
    cards: tuple[Card, ...]
    refused: Mapping[int, Claim]

    @property
    def kind(self) -> str:
        """What it is."""
        by_card = any(claim.strength in _BY_CARD for claim in self.refused.values())
        return "card" if self.grant is None and (self.cards or by_card) else "phone"

    def claims(self, point: int, op: bytes, now: float) -> Iterator[Claim]:
        """Yield what it may claim at an access point."""
        if self.grant is not None:
            yield Claim.under(
                self.grant,
                access_point=point,
                action=Action.OPEN,
                op=op,
                strength=Strength.FULL,
                arrived=now,
            )
        for card in self.cards:
            yield Claim.by_card(
                card,
                access_point=point,
                op=op,
                strength=Strength.CARD if card.pin is None else Strength.CARD_AND_PIN,
                arrived=now,
                reader="",
            )
        refused = self.refused.get(point)
        if self.grant is None and refused is not None and refused.strength not in _BY_CARD:
            yield replace(refused, op=op, arrived=now)


class WouldOpen:
    """Answers for one credential at one door."""

    def __init__(
        self,
        *,
        zone: str,
        judge: Judgement,
        policy: PolicyLookups,
        grants_of: Callable[[str], Sequence[Grant]],
        denials: LastDenials,
        cards_of: Callable[[str], Awaitable[Mapping[str, Sequence[bytes]]]],
        clock: Clock,
        new_id: Callable[[], bytes],
        pace: Rate = ASKED,
    ) -> None:
        """`grants_of` has the grants of tickets, by the beginning of their credentials.

        `cards_of` finds the digests of cards in the same way, by credential.
        """
        self._zone = zone
        self._judge = judge
        self._policy = policy
        self._grants_of = grants_of
        self._denials = denials
        self._cards_of = cards_of
        self._clock = clock
        self._new_id = new_id
        self._paces = Paces(
            each=pace,
            whole=Rate(burst=2 * pace.burst, per_second=2 * pace.per_second),
            sources_max=USERS_MAX,
        )

    async def document(
        self, beginning: str, meant: Meant, at: float | None, uid: int
    ) -> Mapping[str, object]:
        """Return the answer for each access point; `uid` is the user of this machine who asks.

        Raise NotOneError, NotReadyError, StoreError.
        """
        if not BEGINNING_CHARS <= len(beginning) <= CREDENTIAL_CHARS_MAX:
            raise NotOneError(
                "bad-credential",
                f"Type at least {BEGINNING_CHARS} characters of the credential, at most "
                f"{CREDENTIAL_CHARS_MAX}.",
            )
        if not self._paces.take(uid, self._clock.monotonic()):
            raise NotOneError("busy", "Too many such questions at once: ask again.")
        holder = await self._holder(beginning)
        known = holder is not None
        answers: list[Mapping[str, object]] = []
        for point in meant.points:
            if holder is None:
                answer = self._of_a_stranger(beginning, point.number)
            else:
                answer = self._of_a_holder(holder, point.number, at)
            answers.append({"point": point.number, "point_name": point.name, **answer})
        credential = beginning if holder is None else holder.credential
        return {
            "zone": self._zone,
            "at": self._clock.wall() if at is None else at,
            "asker": shown({Fact.ASKER: credential})["asker"],
            "known": known,
            "kind": None if holder is None else holder.kind,
            "door": meant.door.id,
            "door_name": meant.door.name,
            "points": answers,
        }

    def _of_a_holder(self, holder: _Holder, point: int, at: float | None) -> Mapping[str, object]:
        """Return what becomes of the best claim of a credential at an access point."""
        claims = holder.claims(point, self._new_id(), self._clock.monotonic())
        judged = [(claim, self._judge.why_denied(claim, at)) for claim in claims]
        if not judged:
            is_out_of_policy = holder.kind == "card" and not holder.cards
            return _told(None, str(Denial.UNKNOWN_CREDENTIAL) if is_out_of_policy else None)
        claim, why = next((one for one in judged if one[1] is None), judged[-1])
        told = dict(_told(claim, "granted" if why is None else str(why)))
        if why is Denial.OUT_OF_SCHEDULE:
            told["hours_begin"] = self._judge.hours_begin(claim, at)
        return told

    def _of_a_stranger(self, credential: str, point: int) -> Mapping[str, object]:
        """Return what is so without any grant. Raise StoreError."""
        if self._policy.revoked(credential, b""):
            return _told(None, str(Denial.CREDENTIAL_REVOKED))
        if self._policy.disabled(credential):
            return _told(None, str(Denial.CREDENTIAL_DISABLED))
        why = self._judge.why_shut((point,))
        return _told(None, None if why is None else str(why))

    async def _holder(self, beginning: str) -> _Holder | None:
        """Return the one credential that begins so, None when the hub has none.

        Raise NotOneError for several, NotReadyError, StoreError.
        """
        grants = {
            grant.credential: grant
            for grant in self._grants_of(beginning)
            if _may_mean(beginning, grant.credential)
        }
        claims = [
            claim
            for denial in self._denials.newest_first()
            if (claim := denial.operation.claim) is not None
            and _may_mean(beginning, claim.credential)
        ]
        of_policy = {
            credential: digests
            for credential, digests in (await self._cards_of(beginning)).items()
            if _may_mean(beginning, credential)
        }
        known = {*grants, *of_policy, *(claim.credential for claim in claims)}
        if beginning in known:
            known = {beginning}
        if len(known) > 1:
            raise NotOneError(
                "ambiguous-credential",
                f"{len(known)} credentials that this hub knows begin so: type more of it.",
            )
        if not known:
            return None
        (credential,) = known
        own = [claim for claim in claims if claim.credential == credential]
        digests = of_policy.get(credential, ())[:CARDS_MAX]
        cards = [card for digest in digests if (card := self._policy.card(digest)) is not None]
        return _Holder(
            credential=credential,
            grant=grants.get(credential),
            cards=tuple(cards),
            refused={claim.access_point: claim for claim in reversed(own)},
        )


def _may_mean(typed: str, credential: str) -> bool:
    """Tell whether somebody who knows no more than is shown may mean a credential (law 2)."""
    if typed == credential:
        return True
    return len(typed) <= shown_chars(credential) and credential.startswith(typed)


def _told(claim: Claim | None, why: str | None) -> Mapping[str, object]:
    """Return an answer; `why` None: the hub cannot tell."""
    return {
        "why": why,
        "begins": None if claim is None else claim.not_before,
        "expires": None if claim is None else claim.expires,
        "hours_begin": None,
    }
