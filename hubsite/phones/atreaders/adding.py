"""What is held to a reader is given to a person: hubs know it by a digest, in their policy.

Laws:
1. Of two who add one at the same moment, one has it.
2. An act, as a hub's record, knows it by its digest. The number of a card is kept nowhere.
3. Of many who add one at the same moment only so many have one as what signs was told there would
   be. So they do not pass its limit together, and the policy with their rows is signed.
4. A guest whose link has a number of uses gets none: no hub counts the uses of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction

from hubcore.issuing.cardasks import Shown
from hubsite.acts.kinds import ActKind
from hubsite.hubs.office import MadeDigest, Office, known_by_digest
from hubsite.register import changes
from hubsite.register.models import Credential, CredentialKind, Person

HELD = "Somebody has this one already: it is one person's."
MEANWHILE = (
    "Somebody has added another card or phone of others in the same moment. Add this one again."
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody has typed, as a digest is asked for it; `key` is what the database keeps."""

    what: Shown
    data: bytes = field(repr=False)
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Holding:
    """Whose it will be, what it is, what it is called, and when it ends; None: with its person."""

    person: Person
    kind: CredentialKind
    label: str
    ends: datetime | None = None


def may_hold(person: Person) -> bool:
    """Tell whether a person may be given one (law 4)."""
    if person.ended_at is not None:
        return False
    return not person.is_guest or person.guest_link.uses is None


def add_typed(by: str, office: Office, holding: Holding, typed: Typed) -> Credential:
    """Add what was typed. Raise HubError as `Office.digest`.

    Raise ValueError with a sentence where somebody has it, or has just added one (laws 1 and 3).
    The digest is asked for before the transaction: a signer may be far.
    """
    return _add(by, holding, office.digest(typed.what, typed.data), typed.key)


def add_met(by: str, office: Office, holding: Holding, digest: bytes) -> Credential:
    """Add one by the digest that a hub has recorded. Raise as `add_typed`."""
    return _add(by, holding, office.digest(Shown.RECORDED, digest), b"")


def _add(by: str, holding: Holding, of: MadeDigest, key: bytes) -> Credential:
    try:
        with transaction.atomic():
            made = Credential.objects.create(
                person=holding.person,
                kind=holding.kind,
                label=holding.label,
                key=key,
                digest=of.digest.hex(),
                ends=holding.ends,
                changed_by=by,
            )
            changes.write_act(by, ActKind.CREDENTIAL_MADE, made, **_facts(made, of.digest))
            # Acts are written one after the other, so each counts those before it (law 3).
            if known_by_digest() > of.count:
                raise ValueError(MEANWHILE)
    except IntegrityError as error:
        raise ValueError(HELD) from error
    return made


def _facts(made: Credential, digest: bytes) -> dict[str, str | bytes | int]:
    facts: dict[str, str | bytes | int] = {
        "person": made.person_id,
        "credential_kind": str(made.kind),
        "digest": digest,
    }
    return facts if made.ends is None else {**facts, "ends": int(made.ends.timestamp())}
