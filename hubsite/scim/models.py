"""Tokens of directories, and the people and groups that came by them.

Laws:
1. A token lies here as its SHA-256: a copy of the database is none.
2. A directory sees and changes the people and groups that came by a directory, and no others.
"""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from hubsite.accounts.models import NAME_LENGTH
from hubsite.register.models import Group, Person
from hubsite.register.models.row import Row

TOKEN_NAME_LENGTH = 24
TEXT_LENGTH = 120
FOLDED_LENGTH = 2 * TEXT_LENGTH
DIGEST_LENGTH = 64
NAME = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?\Z",
    "A name has 1 to 24 of a-z, 0-9 and '-', and begins and ends with a letter or digit.",
)


class ScimToken(Row):
    """What a directory proves itself by. Acts of it are by `scim/` and this name.

    `made_by` is who made it. `used_at` is when it counted last, exact to USED_SECONDS.
    """

    name = models.CharField(max_length=TOKEN_NAME_LENGTH, unique=True, validators=(NAME,))
    digest = models.CharField(max_length=DIGEST_LENGTH, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=NAME_LENGTH, default="", editable=False)
    used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """As they are listed."""

        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)


class ScimUser(models.Model):
    """A person as a directory names him. `ended_here`: a directory ended him, and may take back."""

    person = models.OneToOneField(
        Person, primary_key=True, on_delete=models.PROTECT, related_name="scim"
    )
    user_name = models.CharField(max_length=TEXT_LENGTH)
    folded = models.CharField(max_length=FOLDED_LENGTH, unique=True)
    """The name in small letters: a directory's user names differ by more than that."""
    external_id = models.CharField(max_length=TEXT_LENGTH, default="", blank=True, db_index=True)
    ended_here = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"scim user {self.person_id}"


class ScimGroup(models.Model):
    """A group that a directory made."""

    group = models.OneToOneField(
        Group, primary_key=True, on_delete=models.PROTECT, related_name="scim"
    )
    external_id = models.CharField(max_length=TEXT_LENGTH, default="", blank=True, db_index=True)

    def __str__(self) -> str:
        return f"scim group {self.group_id}"
