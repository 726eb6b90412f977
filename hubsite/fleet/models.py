"""How each hub is, as it was read last: one row a hub, nothing before it."""

from __future__ import annotations

from django.db import models

NAME_LENGTH = 32
SENTENCE_LENGTH = 512
UPDATES_BYTES = 2048
WRONG_BYTES = 4096
POINTS_LENGTH = 512
DOORS_LENGTH = 4096
DEVICE_LENGTH = 32


class HubState(models.Model):
    """What the engine says of a hub, proven where somebody has signed it.

    `is_here` is None while nobody knows; `away_since` is the moment since which it is away.
    `updates` are the bytes of its UpdateState, `wrong` those of its HealthState. Ends are in Unix
    seconds, None where none is known; `certificate_wrong` and `tls_wrong` say why one counts for
    nothing.
    """

    hub = models.CharField(primary_key=True, max_length=NAME_LENGTH)
    is_here = models.BooleanField(null=True)
    away_since = models.DateTimeField(null=True)
    began = models.DateTimeField(null=True)
    updates = models.BinaryField(max_length=UPDATES_BYTES, default=b"")
    updates_at = models.DateTimeField(null=True)
    wrong = models.BinaryField(max_length=WRONG_BYTES, default=b"")
    wrong_at = models.DateTimeField(null=True)
    stop = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    access_points = models.CharField(max_length=POINTS_LENGTH, default="", blank=True)
    certificate_ends = models.BigIntegerField(null=True)
    certificate_wrong = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    tls_ends = models.BigIntegerField(null=True)
    tls_wrong = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)

    class Meta:
        """As they are listed."""

        ordering = ("hub",)

    def __str__(self) -> str:
        return str(self.hub)

    @property
    def points(self) -> frozenset[int]:
        """The access points that its proven certificate names; of a long list not the last ones."""
        words = self.access_points.split(", ")
        if len(self.access_points) >= POINTS_LENGTH:
            words.pop()  # it may be the beginning of a longer number
        return frozenset(int(word) for word in words if word)


class HubPromise(models.Model):
    """What was promised to a new hub (`hubsite.fleet.promises`)."""

    hub = models.CharField(primary_key=True, max_length=NAME_LENGTH)
    state = models.CharField(max_length=16)
    doors = models.CharField(max_length=DOORS_LENGTH, default="", blank=True)
    time_zone = models.CharField(max_length=64, default="", blank=True)
    ends = models.BigIntegerField(default=0)
    fingerprint = models.CharField(max_length=24, default="", blank=True)
    replaces = models.BooleanField(default=False)

    class Meta:
        """As they are listed."""

        ordering = ("hub",)

    def __str__(self) -> str:
        return str(self.hub)


class HubAsked(models.Model):
    """What an operator asked about a hub, of what signs apart, and what came of it.

    `is_done` is None while nobody knows: the answer is awaited, or was lost.
    """

    at = models.DateTimeField(auto_now_add=True)
    by = models.CharField(max_length=32)
    act = models.CharField(max_length=16)
    hub = models.CharField(max_length=NAME_LENGTH)
    fingerprint = models.CharField(max_length=24, default="", blank=True)
    is_done = models.BooleanField(null=True)
    sentence = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)

    class Meta:
        """As they are listed."""

        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.act} of {self.hub}"


class DeviceValue(models.Model):
    """The last value that a device has said (`hubsite.fleet.said.values`); `at` in Unix seconds.

    `value` is as in telemetry: a position by its number, anything else in thousandths of its unit.
    """

    hub = models.CharField(max_length=NAME_LENGTH)
    device = models.CharField(max_length=DEVICE_LENGTH)
    quantity = models.IntegerField()
    value = models.BigIntegerField()
    at = models.FloatField()

    class Meta:
        """One row for each place, and as they are listed."""

        ordering = ("hub", "device", "quantity")
        constraints = (
            models.UniqueConstraint(fields=("hub", "device", "quantity"), name="one_value_a_place"),
        )

    def __str__(self) -> str:
        return f"{self.hub} {self.device}"
