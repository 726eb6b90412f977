"""The table of alarms that a bridge has told, and whose records are not here yet.

Law: a row proves nothing. It goes when its record is here, which does.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from hubsite.bridge.answer import Identity

HUB_LENGTH = 32
ACCOUNT_LENGTH = 32
HASH_LENGTH = 64
WORDS_LENGTH = 200


class BridgeAlarm(models.Model):
    """An alarm of a hub, as the bridge says it: `words`, and when, in Unix seconds by that hub.

    `number` and `chain_hash` (in hexadecimal digits) name its record. `heard_at` is when it came
    here, in Unix seconds. `is_other`: the record here under that number is another one, or says
    something else. `seen_by` has said that it was seen, at `seen_at`.
    """

    hub = models.CharField(max_length=HUB_LENGTH)
    number = models.BigIntegerField()
    chain_hash = models.CharField(max_length=HASH_LENGTH)
    words = models.CharField(max_length=WORDS_LENGTH)
    at = models.BigIntegerField()
    bridge = models.CharField(max_length=HUB_LENGTH)
    heard_at = models.BigIntegerField()
    is_other = models.BooleanField(default=False)
    seen_by = models.CharField(max_length=ACCOUNT_LENGTH, default="", blank=True)
    seen_at = models.BigIntegerField(null=True)

    class Meta:
        """As they are listed; what an alarm is known by is there once."""

        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("hub", "number", "chain_hash", "words", "at"),
                name="bridge_one_of_a_told_alarm",
            )
        ]

    @property
    def identity(self) -> Identity:
        """What it is known by."""
        return self.hub, self.number, self.chain_hash, self.words, self.at

    def __str__(self) -> str:
        return f"alarm {self.number} of {self.hub}"
