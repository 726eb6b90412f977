"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = [
        ("register", "0004_one_family"),
    ]

    operations = [
        migrations.CreateModel(
            name="Chain",
            fields=[
                ("hub", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("base_number", models.BigIntegerField(default=0)),
                ("base_hash", models.BinaryField(default=bytes(32), max_length=32)),
                ("head_number", models.BigIntegerField(default=0)),
                ("head_hash", models.BinaryField(default=bytes(32), max_length=32)),
                ("oldest", models.BigIntegerField(null=True)),
                ("newest", models.BigIntegerField(default=0)),
                ("heard_at", models.BigIntegerField(default=0)),
                ("orders", models.BinaryField(default=b"", max_length=4096)),
                ("refused", models.BigIntegerField(default=0)),
                ("refused_place", models.BigIntegerField(default=0)),
                ("trouble", models.CharField(blank=True, default="", max_length=300)),
                ("again", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("hub",),
            },
        ),
        migrations.CreateModel(
            name="StreamPlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Record",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hub", models.CharField(max_length=32)),
                ("number", models.BigIntegerField()),
                ("at", models.BigIntegerField()),
                ("dated", models.BigIntegerField()),
                ("kind", models.CharField(max_length=32)),
                ("access_point", models.BigIntegerField(null=True)),
                ("door", models.CharField(blank=True, default="", max_length=64)),
                ("credential", models.CharField(blank=True, default="", max_length=64)),
                ("outcome", models.CharField(blank=True, default="", max_length=64)),
                ("is_alarm", models.BooleanField(default=False)),
                ("seen_by", models.CharField(blank=True, default="", max_length=32)),
                ("seen_at", models.BigIntegerField(null=True)),
                ("chain_hash", models.BinaryField(max_length=32)),
                ("record", models.BinaryField(max_length=4096)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["at", "id"], name="records_at"),
                    models.Index(fields=["hub", "at", "id"], name="records_hub"),
                    models.Index(fields=["kind", "at", "id"], name="records_kind"),
                    models.Index(fields=["access_point", "at", "id"], name="records_point"),
                    models.Index(fields=["credential", "at", "id"], name="records_credential"),
                    models.Index(fields=["hub", "door", "at", "id"], name="records_door"),
                    models.Index(
                        condition=models.Q(("is_alarm", True)), fields=["id"], name="records_alarm"
                    ),
                    models.Index(
                        condition=models.Q(("is_alarm", True), ("seen_at__isnull", True)),
                        fields=["id"],
                        name="records_unseen",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hub", "number"), name="records_one_of_a_number"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HubDoor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hub", models.CharField(max_length=32)),
                ("door", models.CharField(max_length=64)),
                ("state", models.CharField(blank=True, default="", max_length=64)),
                ("alarms", models.CharField(blank=True, default="", max_length=300)),
                ("orders", models.JSONField(default=list)),
                ("number", models.BigIntegerField(default=0)),
                ("at", models.BigIntegerField(default=0)),
                (
                    "site_door",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="at_hub",
                        to="register.door",
                    ),
                ),
            ],
            options={
                "ordering": ("hub", "door"),
                "constraints": [
                    models.UniqueConstraint(fields=("hub", "door"), name="records_one_of_a_door")
                ],
            },
        ),
    ]
