"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [
        ("fleet", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hub", models.CharField(max_length=32)),
                ("device", models.CharField(max_length=32)),
                ("quantity", models.IntegerField()),
                ("value", models.BigIntegerField()),
                ("at", models.FloatField()),
            ],
            options={
                "ordering": ("hub", "device", "quantity"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hub", "device", "quantity"), name="one_value_a_place"
                    )
                ],
            },
        ),
    ]
