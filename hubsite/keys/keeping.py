"""The keys of accounts: added, used, removed, and refused once one may have been copied.

Laws:
1. Each is an act. An act names a key by its number.
2. The last factor of an account is never removed.
3. A key whose counter fell was copied, or is broken: whoever holds it, it counts no more. That is
   an alarm, in an act, the journal and on each page of its owner, until the key is removed.
4. An account has at most KEYS_MAX keys, and a key is one account's.
"""

from __future__ import annotations

import logging
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.utils import timezone

from hubcore.errors import ProofError
from hubsite.accounts.models import Account, Key
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.keys.challenge import Challenge
from hubsite.keys.counting import has_counted
from hubsite.keys.place import Place
from hubsite.keys.proof import MadeKey, Signed, signed_by

KEYS_MAX = 10
WHY_LENGTH = 120
_LOG = logging.getLogger("hubsite.keys")


def add_key(account: Account, name: str, challenge: Challenge, made: MadeKey) -> Key:
    """Give an account a key. Raise ValueError with a sentence for who asked."""
    with transaction.atomic():
        held = Account.objects.select_for_update().get(pk=account.pk)
        if not challenge.spend():
            raise ValueError("This was sent before. Try again.")
        if held.keys.count() >= KEYS_MAX:
            raise ValueError(f"An account has at most {KEYS_MAX} keys. Remove one first.")
        key = _make(held, name, made)
        handle = bytes(held.handle) or challenge.handle
        Account.objects.filter(pk=held.pk).update(handle=handle)
        log.write(held.name, ActKind.KEY_ADDED, about=f"key {key.pk}")
    return key


def _make(account: Account, name: str, made: MadeKey) -> Key:
    try:
        with transaction.atomic():
            return Key.objects.create(
                account=account,
                name=name,
                digest=digest_of(made.credential_id),
                credential=made.credential,
                counter=made.counter,
            )
    except IntegrityError as error:
        raise ValueError("This key is in use here already.") from error


def remove_key(account: Account, number: int) -> None:
    """Take a key from an account. Raise ValueError with a sentence (law 2)."""
    with transaction.atomic():
        held = Account.objects.select_for_update().get(pk=account.pk)
        key = held.keys.filter(pk=number).first()
        if key is None:
            raise ValueError("This key is not there any more.")
        others = held.keys.filter(refused_at=None).exclude(pk=key.pk)
        if key.refused_at is None and not held.factor and not others.exists():
            raise ValueError("This is your last second factor, and stays. Add another key first.")
        log.write(held.name, ActKind.KEY_REMOVED, about=f"key {key.pk}")
        key.delete()


def use_key(
    account: Account, place: Place | None, challenge: Challenge | None, answer: str, address: str
) -> bool:
    """Tell whether a key of this account has signed, and may (law 3)."""
    if place is None or challenge is None:
        return False
    keys = {digest_of(key.credential_id): key for key in account.keys.filter(refused_at=None)}
    try:
        signed = signed_by(
            place, challenge.value, answer, [bytes(key.credential) for key in keys.values()]
        )
    except ProofError as error:
        _LOG.info(
            "key refused account=%s from=%s why=%s", account.name, address, str(error)[:WHY_LENGTH]
        )
        return False
    key = keys[digest_of(signed.credential_id)]
    is_theirs = signed.handle in (b"", bytes(account.handle))
    if not is_theirs or not challenge.spend():
        return False
    return _counts(account, key, signed, address)


def _counts(account: Account, key: Key, signed: Signed, address: str) -> bool:
    """Keep a key's counter (law 3)."""
    if has_counted(Key.objects.filter(pk=key.pk, refused_at=None), signed.counter):
        return True
    _refuse(account, key, address)
    return False


def _refuse(account: Account, key: Key, address: str) -> None:
    """Let a key count no more, and say so (law 3)."""
    _LOG.error(
        "ALARM: a key was copied, or is broken: its counter fell. It counts no more. "
        "account=%s key=%s from=%s",
        account.name,
        key.pk,
        address,
    )
    with transaction.atomic():
        if Key.objects.filter(pk=key.pk, refused_at=None).update(refused_at=timezone.now()):
            log.write(account.name, ActKind.KEY_REFUSED, about=f"key {key.pk}", address=address)


def digest_of(credential_id: bytes) -> str:
    """Return by what the database knows a key."""
    return sha256(credential_id).hexdigest()
