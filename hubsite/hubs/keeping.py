"""Keeps grants that were signed, each with its act.

Laws:
1. A phone gets one grant with a number of uses, and no other: hubs would count that anew. Of two at
   the same moment one is kept.
2. Those of many phones at the same moment are one transaction (`hubsite.hubs.together`): the disk
   is waited for once. Who is within a transaction of his own stays in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from django.db import connection, transaction

from hubcore.access.grant import Grant, write_scope
from hubcore.evidence.records import Value
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.acts.log import NewAct
from hubsite.hubs.together import Together
from hubsite.register.models import Credential, SignedGrant

HAS_ITS_GRANT = "This phone has its grant with a number of uses: it gets no other."


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant that was signed by `by` at `at` (Unix seconds), as bytes in `document`."""

    by: str
    credential: Credential
    grant: Grant
    document: bytes
    at: int

    @property
    def is_counted(self) -> bool:
        """Tell whether it has a number of uses."""
        return self.grant.uses is not None


def keep(new: NewGrant) -> SignedGrant:
    """Keep a grant with its act. Raise ValueError for one that must not be (law 1)."""
    if connection.in_atomic_block:
        (kept,) = keep_all([new])
        if isinstance(kept, ValueError):
            raise kept
        return kept
    return _TOGETHER.keep(new)


def keep_all(new: Sequence[NewGrant]) -> list[SignedGrant | ValueError]:
    """Keep grants in one transaction (law 2); return the refusal of each that must not be."""
    found: list[SignedGrant | ValueError] = []
    kept: list[NewGrant] = []
    with transaction.atomic():
        taken = _with_a_grant([one.credential.pk for one in new if one.is_counted])
        for one in new:
            if one.is_counted and one.credential.pk in taken:
                found.append(ValueError(HAS_ITS_GRANT))
                continue
            taken.add(one.credential.pk)
            kept.append(one)
            found.append(_row(one))
        SignedGrant.objects.bulk_create(row for row in found if isinstance(row, SignedGrant))
        for by, of_one in groupby(kept, key=attrgetter("by")):
            log.write_all(by, [_act(one) for one in of_one])
    return found


def _with_a_grant(credentials: Sequence[str]) -> set[str]:
    """Hold these credentials until the transaction ends; return those that have a grant."""
    if not credentials:
        return set()
    rows = Credential.objects.filter(pk__in=credentials).order_by("pk")
    list(rows.select_for_update().values_list("pk"))
    there = SignedGrant.objects.filter(credential__in=credentials)
    return set(there.values_list("credential_id", flat=True))


def _row(new: NewGrant) -> SignedGrant:
    return SignedGrant(
        grant_id=new.grant.grant_id.hex(),
        credential=new.credential,
        issued_at=new.at,
        expires=new.grant.expires,
        scope=write_scope(new.grant.access),
        document=new.document,
    )


def _act(new: NewGrant) -> NewAct:
    facts: dict[str, Value] = {"grant_id": new.grant.grant_id, "expires": new.grant.expires}
    return NewAct(ActKind.GRANT_SIGNED, f"credential {new.credential.pk}", facts)


_TOGETHER: Together[NewGrant, SignedGrant] = Together(keep_all)
