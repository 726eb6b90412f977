"""Webhooks, and how far each one is.

Laws:
1. A webhook never changes: it is ended, and another one is made.
2. Its secret lies here sealed, as second factors do.
"""

from __future__ import annotations

from django.db import models

from hubsite.register.models.row import NAME_LENGTH, Row, new_id

URL_LENGTH = 500
SENTENCE_LENGTH = 300
SEALED_BYTES = 128


class Webhook(Row):
    """Who is told of what: records of these kinds, and alarms; with names of people, or without."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    label = models.CharField(max_length=NAME_LENGTH)
    url = models.CharField(max_length=URL_LENGTH)
    kinds = models.JSONField(default=list)
    alarms = models.BooleanField(default=True)
    with_names = models.BooleanField(default=False)
    secret = models.BinaryField(max_length=SEALED_BYTES)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """As they are listed."""

        ordering = ("label", "id")

    def __str__(self) -> str:
        return str(self.label)


class Delivery(models.Model):
    """How far a webhook is: `place` is the id of the last record that was delivered or given up.

    Moments are in Unix seconds. `tries` have failed since the last success, the first of them at
    `failing_since`; the next one is at `next_at`. `given_up` records since `given_up_since`.
    """

    webhook = models.OneToOneField(
        Webhook, primary_key=True, on_delete=models.PROTECT, related_name="delivery"
    )
    place = models.BigIntegerField(default=0)
    is_test_asked = models.BooleanField(default=False)
    tries = models.IntegerField(default=0)
    next_at = models.BigIntegerField(default=0)
    failing_since = models.BigIntegerField(null=True)
    succeeded_at = models.BigIntegerField(null=True)
    failed_at = models.BigIntegerField(null=True)
    failure = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    given_up = models.BigIntegerField(default=0)
    given_up_since = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"delivery of {self.webhook_id}"
