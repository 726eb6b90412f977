"""What is kept of this server's clock: one row (`hubsite.clocks.judging` has its words)."""

from __future__ import annotations

from django.db import models

ONE = 1
"""The key of the one row."""


class KeptClock(models.Model):
    """Moments in Unix seconds, `even` in seconds."""

    believed = models.BigIntegerField()
    doubted = models.BigIntegerField(null=True)
    even = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.believed)
