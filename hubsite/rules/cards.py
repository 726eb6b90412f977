"""What cards, and phones that others make, may do: the policy says it, for they carry no grant.

How it works: a row of the policy has one beginning and one end for all its access points. So it is
made of the grants that last, and is made again when one of them begins or ends.

Laws:
1. The same grants give the same row until the week is over: then each is made again.
2. A row ends with the first of the grants behind it, with the card itself where that has an end,
   and as a phone's grant does at the latest. So a hub that is offline lets nobody in beyond one,
   and no hub refuses a row as too long.
3. A grant that ends within AHEAD_SECONDS is left out while there are others that last: hubs have
   the next row before this one ends, and its holder stands before no closed door meanwhile.
4. Who may nothing now, or more than a row holds, has no row.
5. A grant with a number of uses makes no row: nobody would count them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubcore.access.cards import Card
from hubsite.rules.issuing import BEGAN_SECONDS_AGO, DAY, PHONE_SECONDS, Granting, access_of

AHEAD_SECONDS = 180
"""Rows are read again each minute, a policy is signed and fetched meanwhile."""
WEEK = 7 * DAY
OPEN = 0b0001
"""Such a one asks for nothing but to be let in."""


@dataclass(frozen=True, slots=True)
class Carded:
    """A credential that hubs know by a digest, and the grants of its holder.

    `ends` in Unix seconds, None where the grants alone say it.
    """

    digest: bytes
    credential: str
    grantings: tuple[Granting, ...]
    ends: int | None = None

    def is_over(self, now: int) -> bool:
        """Tell whether its own end has come."""
        return self.ends is not None and self.ends <= now


def cards_of(carded: Iterable[Carded], now: int) -> Mapping[bytes, Card]:
    """Return the rows of a policy, by digest; `now` in Unix seconds."""
    rows = (_row(one, now) for one in sorted(carded, key=lambda one: one.digest))
    return {row.digest: row for row in rows if row is not None}


def row_of(one: Carded, now: int) -> Card | None:
    """Return the row of a credential, None where nothing is granted to its holder now.

    Raise ValueError with a sentence for more than a row holds.
    """
    grantings = _lasting(one.grantings, now)
    access = access_of(grantings, now, OPEN)
    if not access or one.is_over(now):
        return None
    week = now - now % WEEK
    return Card(
        digest=one.digest,
        credential=one.credential,
        not_before=max([week, *(grant.begins for grant in grantings)]) - BEGAN_SECONDS_AGO,
        expires=min([week + PHONE_SECONDS, *_ends(one, grantings)]),
        access=access,
    )


def _ends(one: Carded, grantings: Iterable[Granting]) -> tuple[int, ...]:
    ends = (one.ends, *(grant.ends for grant in grantings))
    return tuple(end for end in ends if end is not None)


def _row(one: Carded, now: int) -> Card | None:
    """Keep law 4."""
    try:
        return row_of(one, now)
    except ValueError:
        return None


def _lasting(grantings: Iterable[Granting], now: int) -> tuple[Granting, ...]:
    """Return the grants that count, but for those that are about to end (law 3)."""
    rows = (one for one in grantings if one.points and one.uses is None)
    counting = tuple(one for one in rows if one.counts(now))
    lasting = tuple(one for one in counting if one.counts(now + AHEAD_SECONDS))
    return lasting or counting
