"""What was signed: grants that phones have, policies, and which hub has which policy."""

from __future__ import annotations

from django.db import models

from hubsite.register.models.grants import Credential
from hubsite.register.models.people import Person

GRANT_BYTES = 4096
SENTENCE_LENGTH = 512


class SignedGrant(models.Model):
    """A grant as it was signed; `grant_id` in hexadecimal digits, `expires` in Unix seconds."""

    grant_id = models.CharField(primary_key=True, max_length=32)
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="signed")
    issued_at = models.BigIntegerField()
    expires = models.BigIntegerField(db_index=True)
    scope = models.BinaryField(max_length=GRANT_BYTES)
    document = models.BinaryField(max_length=GRANT_BYTES)

    def __str__(self) -> str:
        return str(self.grant_id)


class SignedPolicy(models.Model):
    """A policy as it was signed, whole; `act` is the newest act that it knows of.

    `is_put` once the engine has it. `revocations` is the signed list of what it revokes, for phones
    to carry: empty for nothing, None while it was not signed.
    """

    version = models.BigIntegerField(primary_key=True)
    issued_at = models.BigIntegerField()
    act = models.BigIntegerField()
    document = models.BinaryField()
    is_put = models.BooleanField(default=False)
    revocations = models.BinaryField(null=True)

    def __str__(self) -> str:
        return f"policy {self.version}"


class HubPolicy(models.Model):
    """The policy that a hub says it has; `refused` says why it did not take another one."""

    hub = models.CharField(primary_key=True, max_length=32)
    version = models.BigIntegerField(default=0)
    refused = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    said_at = models.DateTimeField(null=True)

    class Meta:
        """As they are listed."""

        ordering = ("hub",)

    def __str__(self) -> str:
        return str(self.hub)


class EndedHub(models.Model):
    """A hub that web phones never believe again; `kid` is the id of its key, in hexadecimal."""

    kid = models.CharField(primary_key=True, max_length=16)
    hub = models.CharField(max_length=32)
    ended_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.CharField(max_length=32, editable=False)

    class Meta:
        """As they are listed."""

        ordering = ("hub", "kid")

    def __str__(self) -> str:
        return str(self.hub)


class Invitation(models.Model):
    """A link that connects one phone to a person, once; `digest` is the SHA-256 of its token.

    `code` is the SHA-256 of the one code that it gave, `family` are the tokens of that code.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="invitations")
    ends = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=64, default="", blank=True)
    family = models.UUIDField(null=True, unique=True, editable=False)

    def __str__(self) -> str:
        return f"invitation of {self.person_id}"


class RevokedElsewhere(models.Model):
    """What a policy revoked that was not signed by this database (`hubsite.hubs.behind`).

    `name` is the id of a credential, which stays revoked for ever; or of a grant, in hexadecimal.
    From `until` on (Unix seconds) no grant of that time is in force.
    """

    name = models.CharField(primary_key=True, max_length=255)
    is_grant = models.BooleanField(db_index=True)
    until = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.name)


class EnginePlace(models.Model):
    """How far the answers of hubs were read: a place in the engine's stream; one row.

    `gone_on_from` is a policy of the engine, above which an operator lets this server sign.
    `is_restored`: a copy was put in place, and the engine was not compared with it since.
    """

    place = models.BigIntegerField(default=0)
    gone_on_from = models.BigIntegerField(default=0)
    is_restored = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.place)
