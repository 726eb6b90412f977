"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [
        ("records", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Witness",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("bridge", models.CharField(max_length=32)),
                ("hub", models.CharField(max_length=32)),
                ("number", models.BigIntegerField()),
                ("head_hash", models.BinaryField(max_length=32)),
                ("at", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hub", "bridge"), name="records_one_of_a_bridge"
                    )
                ],
            },
        ),
    ]
