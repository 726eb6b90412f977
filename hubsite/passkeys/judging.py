"""Whose passkey has signed, and whether its phone may come back.

Laws:
1. A passkey of a phone is kept by that phone's key, which signs what was asked and which passkey
   was made. Its tokens alone keep none. It takes the place of the one of before.
2. It proves itself by what this server asked for, once, with its person verified.
3. A passkey whose counter fell was copied, or is broken: it counts no more, whoever has it. Each
   connecting of its person that has no key yet ends. That is an alarm, in an act, the journal and
   on the page of its phone.
4. A phone comes back only while it is in use, and its person has not left. A guest's comes back
   only while the link is in force, and never where hubs count its uses: a new grant is counted
   anew.
"""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction
from django.utils import timezone

from hubcore.codec import cbor, cose
from hubcore.errors import ProofError
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.keys.challenge import Challenge
from hubsite.keys.counting import has_counted
from hubsite.keys.keeping import digest_of
from hubsite.keys.place import Place
from hubsite.keys.proof import MadeKey, id_said, signed_by
from hubsite.passkeys.models import Passkey
from hubsite.register.models import Credential, GuestLink
from hubsite.register.tokens import end_joining

KEEPS = b"hub-phone keeps a passkey"
"""The external_aad of a phone's signature over a passkey: nothing else that it signs has it."""
_LOG = logging.getLogger("hubsite.passkeys")


def signed_passkey(
    phone: Credential, challenge: Challenge, made: MadeKey, signature: bytes
) -> Passkey:
    """Return a row for what a phone's own key has signed for (law 1). Raise ProofError."""
    key = cose.read_key(cbor.decode(bytes(phone.key)))
    protected = cbor.encode({1: key.alg})  # the structure is that of RFC 9052, 4.4
    payload = cbor.encode([challenge.value, made.credential_id])
    cose.verify1(protected, payload, signature, key, KEEPS)
    return Passkey(
        digest=digest_of(made.credential_id),
        proof=made.credential,
        handle=challenge.handle,
        counter=made.counter,
        phone=phone,
    )


def keep_passkey(row: Passkey, challenge: Challenge) -> None:
    """Let a phone have a `signed_passkey`. Raise ProofError for one that is kept already."""
    phone = row.phone
    try:
        with transaction.atomic():
            if not challenge.spend():
                raise ProofError("it was sent before")
            Passkey.objects.filter(phone=phone).delete()
            row.save(force_insert=True)
            about = f"credential {phone.pk}"
            log.write("", ActKind.PASSKEY_KEPT, about=about, person=phone.person_id)
    except IntegrityError as error:
        raise ProofError("this passkey is kept here already") from error


def proven(place: Place, challenge: Challenge, answer: str, address: str) -> Passkey:
    """Return the passkey that has signed (laws 2 and 3). Raise ProofError."""
    rows = Passkey.objects.select_related("phone__person")
    passkey = rows.filter(digest=digest_of(id_said(answer)), refused_at=None).first()
    if passkey is None:
        raise ProofError("no passkey of a phone here")
    signed = signed_by(place, challenge.value, answer, [bytes(passkey.proof)])
    if signed.handle != bytes(passkey.handle):
        raise ProofError("it names another owner")
    if not challenge.spend():
        raise ProofError("it was sent before")
    if not has_counted(Passkey.objects.filter(pk=passkey.pk, refused_at=None), signed.counter):
        _refuse(passkey, address)
        raise ProofError("its counter fell, or it was replaced meanwhile")
    return passkey


def _refuse(passkey: Passkey, address: str) -> None:
    """Let a passkey count no more, and say so (law 3), unless it is gone or was refused before."""
    phone = passkey.phone
    with transaction.atomic():
        rows = Passkey.objects.filter(pk=passkey.pk, refused_at=None)
        if not rows.update(refused_at=timezone.now()):
            return
        end_joining(phone.person)
        log.write("", ActKind.PASSKEY_REFUSED, about=f"credential {phone.pk}", address=address)
    _LOG.error(
        "ALARM: the passkey of a phone was copied, or is broken: its counter fell. It counts no "
        "more. credential=%s from=%s",
        phone.pk,
        address,
    )


def may_come_back(phone: Credential) -> bool:
    """Tell whether another key may take the place of this phone's (law 4)."""
    person = phone.person
    if phone.revoked_at is not None or phone.is_disabled or person.ended_at is not None:
        return False
    if not person.is_guest:
        return True
    links = GuestLink.objects.filter(person=person, revoked_at=None, uses=None)
    return bool(links.filter(ends__gt=timezone.now()).exists())
