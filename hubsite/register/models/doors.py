"""Doors, and the access points through them: one direction each."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from hubcore.access.grant import ACCESS_POINT_MAX
from hubcore.phone import gatt
from hubsite.register.models.hours import Schedule
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
    """One direction through one door, under the number that its hub has for it.

    Hubs hold it open in the hours of `hold_open`, and let nobody in alone where `two_persons` is
    set: in the hours of `two_persons_in`, None for always. No phone in a browser has a grant for it
    where `no_browsers` is set.
    """

    number = models.BigIntegerField(
        unique=True,
        validators=(MinValueValidator(1), MaxValueValidator(ACCESS_POINT_MAX)),
        help_text="As in the hub's configuration and certificate. It stays with the access point.",
    )
    name = models.CharField(max_length=NAME_LENGTH)
    door = models.ForeignKey(Door, on_delete=models.PROTECT, related_name="points")
    hold_open = models.ForeignKey(
        Schedule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="held_open",
        verbose_name="Held open",
    )
    first_person_in = models.BooleanField(
        default=False, help_text="Held open only once somebody came in"
    )
    two_persons = models.BooleanField(
        default=False, help_text="Two people, one after the other, each with a right of their own"
    )
    two_persons_in = models.ForeignKey(
        Schedule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="two_persons_at",
        verbose_name="Two persons in the hours of",
    )
    shown_name = models.CharField(
        "Name of its hub on the air",
        max_length=20,
        blank=True,
        default="",
        validators=(RegexValidator(rf"\A{gatt.SHOWN_NAME}\Z", "It is no name for the air."),),
        help_text="As shown_name in the hub's configuration. Phones in a browser then list this "
        "hub alone. Empty: they list every hub in reach.",
    )

    no_browsers = models.BooleanField(
        "Not for phones in a browser",
        default=False,
        help_text="Whoever reads a browser's files can take its key. Phones in a browser get no "
        "grant for this. One that has such a grant is refused at all its doors until it has a "
        "smaller one, which it fetches after that refusal.",
    )

    class Meta:
        """As they are listed."""

        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    @property
    def whole_name(self) -> str:
        """Return what people choose it by: its door, its name and its number."""
        return f"{self.door}, {self.name} ({self.number})"
