"""Guests, and their links."""

from __future__ import annotations

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

_LINK = [
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
    ("digest", models.CharField(editable=False, max_length=64, unique=True)),
    ("begins", models.DateTimeField(default=django.utils.timezone.now)),
    ("ends", models.DateTimeField(db_index=True)),
    (
        "uses",
        models.PositiveIntegerField(
            blank=True,
            null=True,
            validators=[
                django.core.validators.MinValueValidator(1),
                django.core.validators.MaxValueValidator(65535),
            ],
        ),
    ),
    (
        "phones",
        models.PositiveSmallIntegerField(
            default=1,
            validators=[
                django.core.validators.MinValueValidator(1),
                django.core.validators.MaxValueValidator(16),
            ],
        ),
    ),
    ("joined", models.PositiveSmallIntegerField(default=0, editable=False)),
    ("revoked_at", models.DateTimeField(editable=False, null=True)),
    (
        "person",
        models.OneToOneField(
            on_delete=django.db.models.deletion.PROTECT,
            related_name="guest_link",
            to="register.person",
        ),
    ),
    (
        "points",
        models.ManyToManyField(
            related_name="guest_links",
            to="register.accesspoint",
            verbose_name="Access points",
        ),
    ),
    (
        "schedule",
        models.ForeignKey(
            blank=True,
            null=True,
            on_delete=django.db.models.deletion.PROTECT,
            related_name="guest_links",
            to="register.schedule",
        ),
    ),
]


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0004_one_family")]
    operations = [
        migrations.AddField(
            "person", "is_guest", models.BooleanField(default=False, editable=False)
        ),
        migrations.CreateModel(
            name="GuestLink",
            fields=_LINK,
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("uses__isnull", True), ("phones", 1), _connector="OR"),
                        name="counted_link_is_for_one_phone",
                        violation_error_message="A link with a number of uses is for one phone.",
                    )
                ],
            },
        ),
    ]
