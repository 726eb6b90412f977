"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [
        ("register", "0002_signed"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="family",
            field=models.UUIDField(editable=False, null=True, unique=True),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("ends", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invitations",
                        to="register.person",
                    ),
                ),
            ],
        ),
    ]
