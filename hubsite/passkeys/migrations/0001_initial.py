"""The tables of this room."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import deletion


class Migration(migrations.Migration):
    """Passkeys of phones, and the connectings that take the place of a phone."""

    initial = True

    dependencies = (("register", "0012_revoked_elsewhere"),)

    operations = (
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("proof", models.BinaryField(max_length=4096)),
                ("handle", models.BinaryField(max_length=32)),
                ("counter", models.BigIntegerField(default=0)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("used_at", models.DateTimeField(null=True)),
                ("refused_at", models.DateTimeField(null=True)),
                (
                    "phone",
                    models.OneToOneField(
                        on_delete=deletion.PROTECT,
                        related_name="passkey",
                        to="register.credential",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Return",
            fields=[
                (
                    "link",
                    models.OneToOneField(
                        on_delete=deletion.CASCADE,
                        primary_key=True,
                        related_name="returns",
                        serialize=False,
                        to="register.invitation",
                    ),
                ),
                (
                    "made",
                    models.OneToOneField(
                        null=True,
                        on_delete=deletion.PROTECT,
                        related_name="returned",
                        to="register.credential",
                    ),
                ),
                (
                    "phone",
                    models.ForeignKey(
                        on_delete=deletion.PROTECT,
                        related_name="returns",
                        to="register.credential",
                    ),
                ),
            ],
        ),
    )
