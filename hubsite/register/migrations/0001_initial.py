"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import hubsite.register.models.hours
import hubsite.register.models.row


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Calendar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("name", models.CharField(max_length=120, unique=True)),
                ("days", models.JSONField(default=list)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Door",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("name", models.CharField(max_length=120, unique=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("name", models.CharField(max_length=120, unique=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("name", models.CharField(max_length=120, unique=True)),
                ("week", models.JSONField(default=hubsite.register.models.hours._no_hours)),
                ("special", models.JSONField(default=list)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="AccessPoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "number",
                    models.BigIntegerField(
                        help_text="As in the hub's configuration and certificate. It stays with the access point.",
                        unique=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(4294967295),
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "door",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="points",
                        to="register.door",
                    ),
                ),
            ],
            options={
                "ordering": ("number",),
            },
        ),
        migrations.CreateModel(
            name="Person",
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
                ("name", models.CharField(max_length=120)),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="For operators alone, such as a room or a firm.",
                        max_length=500,
                    ),
                ),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
                (
                    "groups",
                    models.ManyToManyField(blank=True, related_name="people", to="register.group"),
                ),
            ],
            options={
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="Credential",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("phone", "phone"), ("web", "phone in a browser")], max_length=8
                    ),
                ),
                ("label", models.CharField(max_length=120)),
                ("key", models.BinaryField(max_length=1024)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("is_disabled", models.BooleanField(default=False)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credentials",
                        to="register.person",
                    ),
                ),
            ],
            options={
                "ordering": ("-made_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("begins", models.DateTimeField(default=django.utils.timezone.now)),
                ("ends", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "points",
                    models.ManyToManyField(
                        related_name="grants", to="register.accesspoint", verbose_name="Doors"
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="register.group",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="register.person",
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="register.schedule",
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
            },
        ),
        migrations.AddIndex(
            model_name="person",
            index=models.Index(fields=["name", "id"], name="register_pe_name_bd7a2e_idx"),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("person__isnull", True), ("group__isnull", True), _connector="XOR"
                ),
                name="grant_is_for_one",
                violation_error_message="Choose a person or a group, and not both.",
            ),
        ),
    ]
