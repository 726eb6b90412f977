"""The id that a person has at the firm that employs or houses him.

Law: an id is of one person, for ever. Nobody else is taken for him later.
"""

from __future__ import annotations

from django.db import models

from hubsite.register.models import Person

ID_LENGTH = 120


class ExternalId(models.Model):
    """What others call a person."""

    person = models.OneToOneField(
        Person, primary_key=True, on_delete=models.PROTECT, related_name="external"
    )
    value = models.CharField(max_length=ID_LENGTH, unique=True)

    def __str__(self) -> str:
        return f"id of person {self.person_id}"
