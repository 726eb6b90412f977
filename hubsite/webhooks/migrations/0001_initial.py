"""The tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import hubsite.register.models.row


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "id",
                    models.CharField(
                        default=hubsite.register.models.row.new_id,
                        editable=False,
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("label", models.CharField(max_length=120)),
                ("url", models.CharField(max_length=500)),
                ("kinds", models.JSONField(default=list)),
                ("alarms", models.BooleanField(default=True)),
                ("with_names", models.BooleanField(default=False)),
                ("secret", models.BinaryField(max_length=128)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={"ordering": ("label", "id")},
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "webhook",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="delivery",
                        serialize=False,
                        to="webhooks.webhook",
                    ),
                ),
                ("place", models.BigIntegerField(default=0)),
                ("is_test_asked", models.BooleanField(default=False)),
                ("tries", models.IntegerField(default=0)),
                ("next_at", models.BigIntegerField(default=0)),
                ("failing_since", models.BigIntegerField(null=True)),
                ("succeeded_at", models.BigIntegerField(null=True)),
                ("failed_at", models.BigIntegerField(null=True)),
                ("failure", models.CharField(blank=True, default="", max_length=300)),
                ("given_up", models.BigIntegerField(default=0)),
                ("given_up_since", models.BigIntegerField(null=True)),
            ],
        ),
    ]
