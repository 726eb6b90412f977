"""The passkey of a phone in a browser, and the connectings that take the place of a phone.

Laws:
1. A phone has one passkey at most, and a passkey is one phone's: the newest that came by it.
2. A connecting that takes the place of a phone says so from its first moment.
"""

from __future__ import annotations

from django.db import models

from hubsite.register.models import Credential, Invitation

DIGEST_LENGTH = 64
HANDLE_BYTES = 32
PROOF_BYTES = 4096


class Passkey(models.Model):
    """What lies in somebody's authenticator; `digest` is the SHA-256 of its id.

    `proof` is its id and public key, as the authenticator gave them, `handle` the opaque name that
    it has for its owner. `counter` is the highest that it has told, 0 for one that counts nothing.
    `refused_at`: since then it counts no more (`hubsite.passkeys.judging`).
    """

    digest = models.CharField(primary_key=True, max_length=DIGEST_LENGTH)
    proof = models.BinaryField(max_length=PROOF_BYTES)
    handle = models.BinaryField(max_length=HANDLE_BYTES)
    counter = models.BigIntegerField(default=0)
    phone = models.OneToOneField(Credential, on_delete=models.PROTECT, related_name="passkey")
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"passkey of {self.phone_id}"


class Return(models.Model):
    """A connecting in the place of `phone`; `made` is the phone that came of it, None before."""

    link = models.OneToOneField(
        Invitation, primary_key=True, on_delete=models.CASCADE, related_name="returns"
    )
    phone = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="returns")
    made = models.OneToOneField(
        Credential, null=True, on_delete=models.PROTECT, related_name="returned"
    )

    def __str__(self) -> str:
        return f"return of {self.phone_id}"
