"""Doors that are held open in some hours, and those that let nobody in alone."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


def _schedule(related_name: str, verbose_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        to="register.schedule",
        verbose_name=verbose_name,
    )


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0006_ended_hubs")]
    operations = [
        migrations.AddField("accesspoint", "hold_open", _schedule("held_open", "Held open")),
        migrations.AddField(
            "accesspoint",
            "first_person_in",
            models.BooleanField(default=False, help_text="Held open only once somebody came in"),
        ),
        migrations.AddField(
            "accesspoint",
            "two_persons",
            models.BooleanField(
                default=False,
                help_text="Two people, one after the other, each with a right of their own",
            ),
        ),
        migrations.AddField(
            "accesspoint",
            "two_persons_in",
            _schedule("two_persons_at", "Two persons in the hours of"),
        ),
    ]
