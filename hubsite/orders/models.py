"""The tables of orders.

Laws:
1. The key of an order is made with the form that confirms it. So the same form twice is one order.
2. A hub's answer changes one row of `Given`, once for each time that the order was given. No hub
   makes a row.
3. Rows of what is over go (`hubsite.orders.tidying`). The acts stay.
"""

from __future__ import annotations

from django.db import models

from hubcore.device.command import Command, Verb
from hubsite.orders.words import OrderKind, OrderState, Told, Wish

KEY_DIGITS = 32
WHY_LENGTH = 512
DETAIL_LENGTH = 200
HUB_LENGTH = 64
DEVICE_LENGTH = 32
_WORD_LENGTH = 16


class Order(models.Model):
    """One order of an operator: what stands, an end (`on` false), a release, a word to a device.

    `key` is its id in hexadecimal digits. Times are Unix seconds. `of` is what an end ends,
    `ending` the end that was ordered last; `ended_at` once an end was given, or another order has
    taken its place. `beside` is the order by the engine that one by the bridge goes beside.
    `lives_until` is how long it is given again to hubs that have not answered. `turn` counts what
    was given, in its order: of two about one place the higher one counts. `hub`, `device`, `verb`
    and `level` are those of what a device is told.
    """

    key = models.CharField(primary_key=True, max_length=KEY_DIGITS)
    by = models.CharField(max_length=32)
    at = models.BigIntegerField(db_index=True)
    kind = models.CharField(max_length=_WORD_LENGTH)
    on = models.BooleanField()
    point = models.BigIntegerField(null=True)
    until = models.BigIntegerField(null=True)
    hub = models.CharField(max_length=HUB_LENGTH, default="", blank=True)
    device = models.CharField(max_length=DEVICE_LENGTH, default="", blank=True)
    verb = models.SmallIntegerField(null=True)
    level = models.SmallIntegerField(null=True)
    lives_until = models.BigIntegerField()
    way = models.CharField(max_length=_WORD_LENGTH, default="", blank=True)
    state = models.CharField(
        max_length=_WORD_LENGTH, default=OrderState.WAITING.value, db_index=True
    )
    why = models.CharField(max_length=WHY_LENGTH, default="", blank=True)
    reference = models.CharField(max_length=KEY_DIGITS, default="", blank=True)
    """The id by which the way knows it."""
    of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="ends")
    ending = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    beside = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="besides")
    ended_at = models.BigIntegerField(null=True)
    ended_by = models.CharField(max_length=32, default="", blank=True)
    turn = models.BigIntegerField(null=True)

    class Meta:
        """As they are listed, and as those about one place or one device are found."""

        ordering = ("-at", "key")
        indexes = (
            models.Index(fields=("kind", "point", "turn"), name="order_place"),
            models.Index(fields=("hub", "device", "-at"), name="order_device"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def wish(self) -> Wish:
        """What is ordered."""
        return Wish(OrderKind(self.kind), self.on, self.point, self.until, self._told)

    @property
    def _told(self) -> Told | None:
        if self.verb is None:
            return None
        return Told(self.hub, Command(self.device, Verb(self.verb), self.level))


class Given(models.Model):
    """An order as one hub was given it last; `message` is the id that its answer names.

    `is_over` once the hub has done a later order about the same place.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="given")
    hub = models.CharField(max_length=HUB_LENGTH)
    message = models.CharField(max_length=KEY_DIGITS, db_index=True)
    expires_at = models.BigIntegerField()
    answer = models.CharField(max_length=_WORD_LENGTH, default="", blank=True)
    detail = models.CharField(max_length=DETAIL_LENGTH, default="", blank=True)
    answered_at = models.BigIntegerField(null=True)
    is_over = models.BooleanField(default=False)

    class Meta:
        """A hub is given an order once at a time."""

        ordering = ("hub",)
        constraints = (models.UniqueConstraint(fields=("order", "hub"), name="order_hub"),)

    def __str__(self) -> str:
        return f"{self.order_id} at {self.hub}"


class PointAt(models.Model):
    """The hub that has an access point, as its certificate says."""

    number = models.BigIntegerField(primary_key=True)
    hub = models.CharField(max_length=HUB_LENGTH)

    def __str__(self) -> str:
        return f"{self.number} at {self.hub}"
