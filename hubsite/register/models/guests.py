"""Guests' links: a few doors, until an end, for whoever has the link.

Laws:
1. A guest is a person of a kind of its own: nothing but the link grants anything to it.
2. A link with a number of uses is for one phone: each hub counts the uses of one grant.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from hubcore.access.grant import USES_MAX
from hubsite.register.models.doors import AccessPoint
from hubsite.register.models.hours import Schedule
from hubsite.register.models.people import Person
from hubsite.register.models.row import Row

PHONES_MAX = 16
DIGEST_LENGTH = 64


class GuestLink(Row):
    """A link; `digest` is the SHA-256 of its token, `joined` how many phones it has connected."""

    digest = models.CharField(max_length=DIGEST_LENGTH, unique=True, editable=False)
    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="guest_link")
    points = models.ManyToManyField(
        AccessPoint, related_name="guest_links", verbose_name="Access points"
    )
    schedule = models.ForeignKey(
        Schedule, null=True, blank=True, on_delete=models.PROTECT, related_name="guest_links"
    )
    begins = models.DateTimeField(default=timezone.now)
    ends = models.DateTimeField(db_index=True)
    uses = models.PositiveIntegerField(
        null=True, blank=True, validators=(MinValueValidator(1), MaxValueValidator(USES_MAX))
    )
    phones = models.PositiveSmallIntegerField(
        default=1, validators=(MinValueValidator(1), MaxValueValidator(PHONES_MAX))
    )
    joined = models.PositiveSmallIntegerField(default=0, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """As they are listed; law 2 is kept by the database, too."""

        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(
                name="counted_link_is_for_one_phone",
                condition=models.Q(uses__isnull=True) | models.Q(phones=1),
                violation_error_message="A link with a number of uses is for one phone.",
            ),
        )

    def __str__(self) -> str:
        return f"link of {self.person}"
