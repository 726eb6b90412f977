"""How a phone that its browser has emptied comes back: another key takes its place.

How it works: who has proven the phone's passkey gets what a link gives, a session for one code
(`hubsite.phones.joining`). It says whose place the next key takes. Nothing of the phone of before
ends until that key is here.

Laws:
1. The new key and the end of the old one are one act. So there is never a phone more than before.
2. Whether the phone may come back is asked twice: when its passkey was proven, and when the new key
   comes. Whatever ended it meanwhile counts.
3. The passkey goes with the newest phone.
"""

from __future__ import annotations

from uuid import UUID

from hubsite.passkeys.judging import may_come_back
from hubsite.passkeys.models import Passkey, Return
from hubsite.register import changes
from hubsite.register.models import Credential


def returning(family: UUID) -> Return | None:
    """Return in which place the phone of these tokens comes, None for a phone that is new."""
    rows = Return.objects.select_related("phone__person")
    return rows.filter(link__family=family, made=None).first()


def replace(going: Return, made: Credential) -> bool:
    """Let the phone of before end, in the transaction that made this one (law 1).

    False where it may not come back any more (law 2).
    """
    phone = going.phone
    if not may_come_back(phone) or not changes.give_way(phone, made):
        return False
    Return.objects.filter(pk=going.pk).update(made=made)
    Passkey.objects.filter(phone=phone).update(phone=made)
    return True
