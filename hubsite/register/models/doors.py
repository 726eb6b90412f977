"""Doors, and the access points through them: one direction each."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from hubcore.access.grant import ACCESS_POINT_MAX
from hubsite.register.models.row import NAME_LENGTH, Row


class Door(Row):
    """A door of the building."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)

    class Meta:
        """As they are listed."""

        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)


class AccessPoint(Row):
    """One direction through one door, under the number that its hub has for it."""

    number = models.BigIntegerField(
        unique=True,
        validators=(MinValueValidator(1), MaxValueValidator(ACCESS_POINT_MAX)),
        help_text="As in the hub's configuration and certificate. It stays with the access point.",
    )
    name = models.CharField(max_length=NAME_LENGTH)
    door = models.ForeignKey(Door, on_delete=models.PROTECT, related_name="points")

    class Meta:
        """As they are listed."""

        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
