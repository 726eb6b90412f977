"""People and groups of people."""

from __future__ import annotations

from django.db import models

from hubsite.register.models.row import NAME_LENGTH, Row, new_id


class Group(Row):
    """People to whom the same is granted."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)

    class Meta:
        """As they are listed."""

        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)


class Person(Row):
    """Somebody. `id` is what hubs, records and acts have in the name's place.

    A guest has come by a link, and is on no page of people.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    note = models.CharField(
        max_length=500, blank=True, help_text="For operators alone, such as a room or a firm."
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="people")
    ended_at = models.DateTimeField(null=True, editable=False)
    is_guest = models.BooleanField(default=False, editable=False)

    class Meta:
        """As they are listed."""

        ordering = ("name", "id")
        indexes = (models.Index(fields=("name", "id")),)

    def __str__(self) -> str:
        return str(self.name)
