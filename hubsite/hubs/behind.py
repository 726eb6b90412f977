"""The engine has a newer policy than this server has signed: it waits for an operator.

How it comes about: the database was restored from an older copy, maybe of before its first policy,
or it is a new one, or somebody else has signed. It does not know what was revoked since. Signed as
it is, above what hubs have, it would let in again who was revoked.

Laws:
1. While the engine's newest policy is newer than the newest that was signed here, nothing is signed
   and nothing is put. A database that has signed none begins above what is there, if the issuer
   has signed none of it, or if its newest takes nothing away that the rows here would give.
2. An operator goes on from such a policy once. That is an act.
3. He may take over what that policy takes away, and this server would not: who is revoked there is
   revoked here, who is out of use there is so here. What is not known here stays revoked by its id:
   a credential for ever, a grant until none of that time is in force.
4. A policy that cannot be read or proven is said to be so. Then he can go on without it alone.
5. While an operator has to look, no new grant is signed for a phone either. Nor is one after
   `hubsite restore` until the engine was reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from hubcore.policy.policy import Policy
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.hubs.kept import PLACE
from hubsite.register import changes
from hubsite.register.models import (
    Credential,
    EnginePlace,
    RevokedElsewhere,
    SignedGrant,
    SignedPolicy,
)
from hubsite.register.reading import rows_of
from hubsite.rules.issuing import CLOCKS_APART_SECONDS, PHONE_SECONDS, policy_of

GONE_ON = "Nothing was done: another operator has gone on meanwhile."


@dataclass(frozen=True, slots=True)
class Behind:
    """The engine has policy `engine`; `here` is the newest that this server knows.

    `policy` is that of the engine, proven; None with a reason in `unread` (law 4). `looked_from`
    is the highest version there, whoever has signed it.
    """

    engine: int
    here: int
    policy: Policy | None
    unread: str = ""
    looked_from: int = 0

    @property
    def problem(self) -> str:
        """Return what is wrong, and what to do."""
        found = (
            f"this server knows {self.here}: it was restored from an older copy, or somebody else "
            "has signed."
            if self.here
            else "this server has signed none: its database is new, or a copy of before the first "
            "policy."
        )
        return (
            f"The hubs have policy {self.engine}, and {found} Nothing is signed until an "
            'operator has looked at what was revoked since, and goes on (page "Hubs").'
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """What the engine's policy takes away, and a policy of the rows here would not.

    `unknown` are ids of credentials that are not here. `holders` are credentials of which a grant
    was taken back there. `operators` count here, and not there. `has_other_rules`: hours, rules
    of doors or phones of others are others.
    """

    revoked: tuple[Credential, ...]
    disabled: tuple[Credential, ...]
    unknown: frozenset[str]
    grants: frozenset[bytes]
    holders: tuple[Credential, ...]
    operators: tuple[str, ...]
    has_other_rules: bool


def known_version() -> int:
    """Return the newest policy that was signed here, or gone on from; 0 where none was signed."""
    signed = SignedPolicy.objects.order_by("-version").values_list("version", flat=True).first()
    place = EnginePlace.objects.filter(pk=PLACE).first()
    return max(signed or 0, place.gone_on_from if place else 0)


def is_behind(known: int, engine: int) -> bool:
    """Keep law 1."""
    return known < engine


def is_harmless(behind: Behind, now: int) -> bool:
    """Tell whether that policy takes away nothing that a policy of the rows here would give.

    `now` in Unix seconds.
    """
    if behind.policy is None:
        return False
    found = difference(behind.policy, now)
    return not (found.revoked or found.disabled or found.unknown or found.grants)


def difference(there: Policy, now: int) -> Difference:
    """Compare the engine's policy with what the rows say; `now` in Unix seconds."""
    here = policy_of(rows_of(there.site, now), there.version, now)
    revoked = there.revoked_credentials - here.revoked_credentials
    disabled = there.disabled - here.disabled - here.revoked_credentials
    grants = there.revoked_grants - here.revoked_grants
    rows = _credentials(revoked | disabled)
    signed = SignedGrant.objects.in_bulk([one.hex() for one in grants])
    holders = _credentials({one.credential_id for one in signed.values()} - revoked)
    return Difference(
        revoked=tuple(row for pk, row in rows.items() if pk in revoked),
        disabled=tuple(row for pk, row in rows.items() if pk in disabled),
        unknown=(revoked | disabled) - rows.keys(),
        grants=grants,
        holders=tuple(holders.values()),
        operators=tuple(sorted(here.operators.keys() - there.operators.keys())),
        has_other_rules=_rules(here) != _rules(there),
    )


def _rules(policy: Policy) -> tuple[object, ...]:
    return policy.schedules, policy.points, policy.cards


def go_on(by: str, behind: Behind, takes_over: bool, now: int) -> None:
    """Let this server sign above the engine's policy (laws 2 and 3).

    Raise ValueError where somebody else has gone on, ChangedMeanwhileError for a row that was
    changed at this moment.
    """
    with transaction.atomic():
        EnginePlace.objects.get_or_create(pk=PLACE)
        place = EnginePlace.objects.select_for_update().get(pk=PLACE)
        if place.gone_on_from >= behind.engine:
            raise ValueError(GONE_ON)
        credentials = 0
        grants = 0
        if takes_over and behind.policy is not None:
            found = difference(behind.policy, now)
            _take_over(by, found, now)
            credentials = len(found.revoked) + len(found.disabled) + len(found.unknown)
            grants = len(found.grants)
        EnginePlace.objects.filter(pk=PLACE).update(gone_on_from=behind.engine)
        log.write(
            by,
            ActKind.WENT_ON,
            about=f"policy {behind.engine}",
            known=behind.here,
            taken_over=int(takes_over),
            credentials=credentials,
            grants=grants,
        )


def _take_over(by: str, found: Difference, now: int) -> None:
    """Keep law 3, in a transaction that is open."""
    for row in found.revoked:
        changes.revoke_credential(by, row, row.revision)
    for row in found.disabled:
        changes.disable_credential(by, row, row.revision)
    until = now + PHONE_SECONDS + CLOCKS_APART_SECONDS
    ids = [(name, False) for name in sorted(found.unknown)]
    ids += [(grant.hex(), True) for grant in sorted(found.grants)]
    rows = [RevokedElsewhere(name=name, is_grant=is_grant, until=until) for name, is_grant in ids]
    RevokedElsewhere.objects.bulk_create(rows, ignore_conflicts=True)


def _credentials(names: Iterable[str]) -> dict[str, Credential]:
    return Credential.objects.select_related("person").in_bulk(sorted(names))
