"""Schedules: the hours of a week, and those of special days.

Law: the key of a schedule is its number in the policies of hubs. Grants name it, so it is never
given twice.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from hubsite.register.models.row import NAME_LENGTH, Row


def _no_hours() -> list[list[Any]]:
    return [[] for _ in range(7)]


class Calendar(Row):
    """Special days, such as holidays; `days` are pairs of a date (ISO 8601) and its name."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    days = models.JSONField(default=list)

    class Meta:
        """As they are listed."""

        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)


class Schedule(Row):
    """Hours. `week` has seven lists of spans, `special` pairs of a calendar's key and spans.

    A span is from and to, in minutes after midnight. The first pair that has a date counts.
    """

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    week = models.JSONField(default=_no_hours)
    special = models.JSONField(default=list)

    class Meta:
        """As they are listed."""

        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)
