"""Grants, and the credentials that carry them.

Laws:
1. A grant is for one person or for one group.
2. A grant or a credential that was revoked never counts again: a new one is made.
3. What hubs know by a digest is held by one person at a time.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from hubcore.access.cards import DIGEST_BYTES
from hubsite.register.models.doors import AccessPoint
from hubsite.register.models.hours import Schedule
from hubsite.register.models.people import Group, Person
from hubsite.register.models.row import NAME_LENGTH, Row, new_id

KEY_BYTES = 1024
DIGEST_LENGTH = 2 * DIGEST_BYTES


class Grant(Row):
    """Who may pass which access points, in which hours; no schedule: at all hours."""

    person = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.PROTECT, related_name="grants"
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.PROTECT, related_name="grants"
    )
    points = models.ManyToManyField(AccessPoint, related_name="grants", verbose_name="Doors")
    schedule = models.ForeignKey(
        Schedule, null=True, blank=True, on_delete=models.PROTECT, related_name="grants"
    )
    begins = models.DateTimeField(default=timezone.now)
    ends = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """As they are listed; law 1 is kept by the database, too."""

        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(
                name="grant_is_for_one",
                condition=models.Q(person__isnull=True) ^ models.Q(group__isnull=True),
                violation_error_message="Choose a person or a group, and not both.",
            ),
        )

    def __str__(self) -> str:
        return f"grant {self.pk} to {self.person or self.group}"

    def clean(self) -> None:
        """Raise ValidationError for a span that never is."""
        if self.ends is not None and self.begins is not None and self.ends <= self.begins:
            raise ValidationError({"ends": "It ends before it begins."})


class CredentialKind(models.TextChoices):
    """What holds a key."""

    PHONE = "phone", "phone"
    WEB = "web", "phone in a browser"
    PKOC = "pkoc", "phone of others (PKOC)"
    CARD = "card", "card"


BY_DIGEST = (CredentialKind.PKOC, CredentialKind.CARD)
"""What hubs know by a digest in their policy: none of these carries a grant."""


class Credential(Row):
    """What somebody proves to hold; `key` is its public COSE_Key in CBOR.

    `family` are the tokens by which this device fetches its grants, None for one that fetches none.
    `digest` is what hubs know a card or a phone of others by (`hubcore.access.cards`), in
    hexadecimal; None for all others. `key` is empty where only that is known, as of each card.
    `ends` is when a row of the policy ends at the latest; None where its grants alone say so.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="credentials")
    kind = models.CharField(max_length=8, choices=CredentialKind)
    label = models.CharField(max_length=NAME_LENGTH)
    key = models.BinaryField(max_length=KEY_BYTES)
    digest = models.CharField(max_length=DIGEST_LENGTH, null=True, editable=False)
    ends = models.DateTimeField(null=True, editable=False)
    made_at = models.DateTimeField(auto_now_add=True)
    is_disabled = models.BooleanField(default=False)
    family = models.UUIDField(null=True, unique=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """As they are listed; law 3 is kept by the database, too."""

        ordering = ("-made_at", "id")
        constraints = (
            models.UniqueConstraint(
                name="credential_digest_is_held_once",
                fields=("digest",),
                condition=models.Q(revoked_at=None),
            ),
        )

    def __str__(self) -> str:
        return str(self.label)
