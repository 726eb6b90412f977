"""How far the acts were sent to the syslog server: one row."""

from __future__ import annotations

from django.db import models

ONE = 1
"""The key of the one row."""


class SentActs(models.Model):
    """The number of the newest act that was sent."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)
