"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models.deletion import PROTECT


def _word(**more: object) -> models.CharField:
    return models.CharField(max_length=16, **more)


def _text(length: int) -> models.CharField:
    return models.CharField(blank=True, default="", max_length=length)


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PointAt",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hub", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("key", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("by", models.CharField(max_length=32)),
                ("at", models.BigIntegerField(db_index=True)),
                ("kind", _word()),
                ("on", models.BooleanField()),
                ("point", models.BigIntegerField(null=True)),
                ("until", models.BigIntegerField(null=True)),
                ("lives_until", models.BigIntegerField()),
                ("way", _text(16)),
                ("state", _word(db_index=True, default="waiting")),
                ("why", _text(512)),
                ("reference", _text(32)),
                ("ended_at", models.BigIntegerField(null=True)),
                ("ended_by", _text(32)),
                (
                    "ending",
                    models.ForeignKey(
                        null=True, on_delete=PROTECT, related_name="+", to="orders.order"
                    ),
                ),
                (
                    "of",
                    models.ForeignKey(
                        null=True, on_delete=PROTECT, related_name="ends", to="orders.order"
                    ),
                ),
            ],
            options={"ordering": ("-at", "key")},
        ),
        migrations.CreateModel(
            name="Given",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hub", models.CharField(max_length=64)),
                ("message", models.CharField(db_index=True, max_length=32)),
                ("expires_at", models.BigIntegerField()),
                ("answer", _text(16)),
                ("detail", _text(200)),
                ("answered_at", models.BigIntegerField(null=True)),
                (
                    "order",
                    models.ForeignKey(on_delete=PROTECT, related_name="given", to="orders.order"),
                ),
            ],
            options={
                "ordering": ("hub",),
                "constraints": [models.UniqueConstraint(fields=("order", "hub"), name="order_hub")],
            },
        ),
    ]
