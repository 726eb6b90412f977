"""One phone and its tokens: which key it has, and which grant it gets.

Laws:
1. A family of tokens is one device, and has one key for its life.
2. A grant that still says what the holder may, and is not half over, is handed out again. So a
   phone that asks often makes no rows and no signatures.
3. A grant with a number of uses is the only one of its phone: another one would be counted anew.
4. A phone that comes in another one's place ends that one (`hubsite.passkeys.replacing`).
5. Whoever has left, or whose credential was revoked or is out of use, gets nothing.
6. While an operator has to look at a restored copy (`hubsite.hubs.behind`) no grant is signed: the
   copy does not know which right was taken back since. A grant that is there is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from hubcore.access.grant import write_scope
from hubcore.errors import RollbackError
from hubsite.acts.kinds import ActKind
from hubsite.compiled import CompiledIn, take_row
from hubsite.hubs.office import Office
from hubsite.passkeys.models import Return
from hubsite.passkeys.replacing import replace, returning
from hubsite.phones.lost import arrived
from hubsite.phones.presented import AT_ONCE
from hubsite.register import changes
from hubsite.register.models import Credential, CredentialKind, Person, SignedGrant
from hubsite.rules.issuing import Granting, access_of, uses_of

PHONES_A_PERSON = 16
LOOKS_FIRST = "its copy is older than what the hubs have, and an operator looks at it first"
_OWN = ("id", "kind", "key", "person_id", "is_disabled", "revoked_at", "digest")
_OF_PERSON = ("id", "is_guest", "ended_at")
_SIGNED = ("grant_id", "issued_at", "expires", "scope", "document")


def _newest() -> Subquery:
    """Ask which grant is the newest one of a credential."""
    rows = SignedGrant.objects.filter(credential=OuterRef("pk"))
    return Subquery(rows.order_by("-issued_at", "-expires").values("pk")[:1])


_DEVICES = CompiledIn(
    lambda families: (
        Credential.objects.filter(family__in=families)
        .filter(Q(signed=None) | Q(signed__pk=_newest()))
        .values_list(
            "family",
            *_OWN,
            *(f"person__{one}" for one in _OF_PERSON),
            *(f"signed__{one}" for one in _SIGNED),
        )
    ),
    UUID,
    AT_ONCE,
)


@dataclass(frozen=True, slots=True)
class Device:
    """The credential of a family of tokens, with its person; its newest grant, None for none."""

    credential: Credential
    newest: SignedGrant | None


class RefusedError(Exception):
    """A phone that does not get what it asks for; the words are for its owner."""


def family_of(access_token: Any) -> UUID | None:
    """Return the family of an access token that counts, and note that its answer has arrived.

    None for one that has no family, is of an account that ended, or is over by now.
    """
    refresh = getattr(access_token, "refresh_token", None)
    if refresh is None or not access_token.user.is_active or not arrived(access_token):
        return None
    family: UUID | None = refresh.token_family
    return family


def take_key(account_name: str, family: UUID, key: bytes, label: str) -> Credential:
    """Give a device its credential, for this key (law 1). Raise RefusedError."""
    with transaction.atomic():
        person = Person.objects.filter(pk=account_name, ended_at=None).first()
        if person is None:
            raise RefusedError("Nothing is granted to you at this site any more.")
        there = Credential.objects.filter(family=family).first()
        if there is not None:
            return _same(there, key)
        if Credential.objects.filter(key=key).exists():
            raise RefusedError("Another phone has this key. Make a new one.")
        going = returning(family)
        others = person.credentials.filter(revoked_at=None)
        if going is None and others.count() >= PHONES_A_PERSON:
            raise RefusedError(f"You have {PHONES_A_PERSON} phones. Ask for one to be revoked.")
        made = Credential.objects.create(
            person=person,
            kind=CredentialKind.WEB,
            label=label if going is None else going.phone.label,
            key=key,
            family=family,
        )
        _write_made(made, going)
    return made


def _write_made(made: Credential, going: Return | None) -> None:
    """Write the act of a new phone, which may take the place of another. Raise RefusedError."""
    if going is None:
        facts = {"person": made.person_id, "credential_kind": made.kind, "key": bytes(made.key)}
        changes.write_act("", ActKind.CREDENTIAL_MADE, made, **facts)
    elif not replace(going, made):
        raise RefusedError("The phone whose place this one takes was ended meanwhile.")


def _same(there: Credential, key: bytes) -> Credential:
    if bytes(there.key) != key:
        raise RefusedError("This phone has a key already. Connect it by a new link.")
    return there


def devices_of(families: Iterable[UUID]) -> dict[UUID, Device]:
    """Return the devices of those families that have a key."""
    found = {}
    for family, *left in _DEVICES(families):
        credential = take_row(Credential, _OWN, left)
        credential.person = take_row(Person, _OF_PERSON, left)
        found[family] = Device(credential, take_row(SignedGrant, _SIGNED, left))
    return found


def grant_of(
    office: Office,
    device: Device | None,
    grantings: tuple[Granting, ...],
    now: int,
    is_behind: bool = False,
) -> SignedGrant:
    """Return the grant of a device (laws 2, 3, 5 and 6), None for one without a key.

    `grantings` are those of its person, as they were just read. `is_behind`: an operator has to
    look first. Raise RefusedError, HubError.
    """
    credential, newest = in_use(device)
    try:
        there = still_right(newest, grantings, now)
        if there is None and is_behind:
            raise RollbackError(LOOKS_FIRST)
        return office.grant_of("", credential, grantings, now) if there is None else there
    except ValueError as error:
        raise RefusedError(str(error)) from error


def still_right(
    newest: SignedGrant | None, grantings: tuple[Granting, ...], now: int
) -> SignedGrant | None:
    """Return the newest grant of a device if it is handed out again (laws 2 and 3), else None.

    Raise ValueError for rights that no grant can hold.
    """
    scope = write_scope(access_of(grantings, now))
    if newest is None:
        return None
    is_counted = uses_of(grantings, now) is not None
    return newest if is_counted or _is_still_right(newest, scope, now) else None


def phone_of(family: UUID) -> Credential:
    """Return the phone of these tokens (law 5). Raise RefusedError."""
    return in_use(devices_of([family]).get(family))[0]


def in_use(device: Device | None) -> tuple[Credential, SignedGrant | None]:
    """Return what a device has (law 5). Raise RefusedError."""
    if device is None:
        raise RefusedError("This phone has no key here yet.")
    credential = device.credential
    if credential.revoked_at is not None or credential.person.ended_at is not None:
        raise RefusedError("This phone was revoked.")
    if credential.is_disabled:
        raise RefusedError("This phone is out of use for a while. Ask who runs the site.")
    return credential, device.newest


def _is_still_right(signed: SignedGrant, scope: bytes, now: int) -> bool:
    half = signed.issued_at + (signed.expires - signed.issued_at) // 2
    return bytes(signed.scope) == scope and now < half
