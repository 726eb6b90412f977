"""The tables of records, of the chains that they are in, and of the doors that they tell of.

Laws:
1. A row of `Record` was verified: it follows its hub's chain from the chain's base on.
2. `id` is the order of arrival here. It only rises, so it is a cursor for whoever reads on.
3. Of one hub, rows have each number from behind the chain's base up to its head, and no other.
   So nobody ever has to count them.
4. What does not follow leaves no row of its own. A chain counts it, and keeps the first sentence.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from hubcore.evidence.records import BODY_BYTES, GENESIS, Head, StoredRecord
from hubsite.register.models import Door

HUB_LENGTH = 32
KIND_LENGTH = 32
WORD_LENGTH = 64
ACCOUNT_LENGTH = 32
SENTENCE_LENGTH = 300
HASH_BYTES = 32
ORDERS_BYTES = BODY_BYTES


class Record(models.Model):
    """A record of a hub. `at` is in Unix seconds, as the hub's clock said.

    `dated` is the moment by which it gets old, in Unix seconds: when the engine took it, but never
    later than when it came here, and never before the record before it. `credential` is opaque,
    `door` is the hub's own name for a door; "" for none. `outcome` is what came of it, or why not.
    `seen_by` has said that an alarm was seen, at `seen_at` in Unix seconds.
    """

    id = models.BigAutoField(primary_key=True)
    hub = models.CharField(max_length=HUB_LENGTH)
    number = models.BigIntegerField()
    at = models.BigIntegerField()
    dated = models.BigIntegerField()
    kind = models.CharField(max_length=KIND_LENGTH)
    access_point = models.BigIntegerField(null=True)
    door = models.CharField(max_length=WORD_LENGTH, default="", blank=True)
    credential = models.CharField(max_length=WORD_LENGTH, default="", blank=True)
    outcome = models.CharField(max_length=WORD_LENGTH, default="", blank=True)
    is_alarm = models.BooleanField(default=False)
    seen_by = models.CharField(max_length=ACCOUNT_LENGTH, default="", blank=True)
    seen_at = models.BigIntegerField(null=True)
    chain_hash = models.BinaryField(max_length=HASH_BYTES)
    record = models.BinaryField(max_length=BODY_BYTES)

    class Meta:
        """Each filter of the page has its rows in order; alarms are few among many."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=("hub", "number"), name="records_one_of_a_number")
        ]
        indexes: ClassVar = [
            models.Index(fields=("at", "id"), name="records_at"),
            models.Index(fields=("hub", "at", "id"), name="records_hub"),
            models.Index(fields=("kind", "at", "id"), name="records_kind"),
            models.Index(fields=("access_point", "at", "id"), name="records_point"),
            models.Index(fields=("credential", "at", "id"), name="records_credential"),
            models.Index(fields=("hub", "door", "at", "id"), name="records_door"),
            models.Index(fields=("id",), name="records_alarm", condition=Q(is_alarm=True)),
            models.Index(
                fields=("id",),
                name="records_unseen",
                condition=Q(is_alarm=True, seen_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"record {self.number} of {self.hub}"

    @property
    def stored(self) -> StoredRecord:
        """The record as the chain has it."""
        return StoredRecord(self.number, bytes(self.record), bytes(self.chain_hash))


class Chain(models.Model):
    """The chain of one hub: rows go from behind `base` up to `head` (law 3).

    `oldest` and `newest` say by when these rows are dated. `heard_at` is when the newest record
    came here, in Unix seconds. `orders` is the value of `Fact.ORDERS` in the newest record that has
    one. What did not follow: `refused` messages, the first one at `refused_place` in the engine's
    stream, and `trouble` says why it did not. `again` asks that all that the engine has of this hub
    is read again.
    """

    hub = models.CharField(primary_key=True, max_length=HUB_LENGTH)
    base_number = models.BigIntegerField(default=0)
    base_hash = models.BinaryField(max_length=HASH_BYTES, default=GENESIS)
    head_number = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(max_length=HASH_BYTES, default=GENESIS)
    oldest = models.BigIntegerField(null=True)
    newest = models.BigIntegerField(default=0)
    heard_at = models.BigIntegerField(default=0)
    orders = models.BinaryField(max_length=ORDERS_BYTES, default=b"")
    refused = models.BigIntegerField(default=0)
    refused_place = models.BigIntegerField(default=0)
    trouble = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    again = models.BooleanField(default=False)

    class Meta:
        """As they are listed."""

        ordering = ("hub",)

    def __str__(self) -> str:
        return f"{self.hub} {self.head}"

    @property
    def base(self) -> Head:
        """The point before the first row."""
        return Head(self.base_number, bytes(self.base_hash))

    @property
    def head(self) -> Head:
        """The newest record."""
        return Head(self.head_number, bytes(self.head_hash))

    @property
    def rows(self) -> int:
        """How many rows are here."""
        return int(self.head_number - self.base_number)


class HubDoor(models.Model):
    """A door as a hub names it, and what its records say that it is in.

    `state` is the newest happening, at `at` in Unix seconds by the hub's clock; `alarms` are the
    beginnings of those that stand, with a space between. `site_door` is the door of the register,
    where an operator has said which one it is.
    """

    hub = models.CharField(max_length=HUB_LENGTH)
    door = models.CharField(max_length=WORD_LENGTH)
    site_door = models.ForeignKey(Door, null=True, on_delete=models.SET_NULL, related_name="at_hub")
    state = models.CharField(max_length=WORD_LENGTH, default="", blank=True)
    alarms = models.CharField(max_length=SENTENCE_LENGTH, default="", blank=True)
    orders = models.JSONField(default=list)
    number = models.BigIntegerField(default=0)
    at = models.BigIntegerField(default=0)

    class Meta:
        """As they are listed."""

        ordering = ("hub", "door")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("hub", "door"), name="records_one_of_a_door")
        ]

    def __str__(self) -> str:
        return f"{self.hub} {self.door}"


class Witness(models.Model):
    """What a bridge has signed: it has seen a hub's chain up to this record, `at` in Unix seconds.

    Its signature was proven. Whether the rows here agree is another question.
    """

    bridge = models.CharField(max_length=HUB_LENGTH)
    hub = models.CharField(max_length=HUB_LENGTH)
    number = models.BigIntegerField()
    head_hash = models.BinaryField(max_length=HASH_BYTES)
    at = models.BigIntegerField()

    class Meta:
        """A bridge has one word of a hub."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=("hub", "bridge"), name="records_one_of_a_bridge")
        ]

    def __str__(self) -> str:
        return f"{self.bridge} of {self.hub}"


class StreamPlace(models.Model):
    """How far the engine's stream of records was read; one row."""

    place = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.place)
