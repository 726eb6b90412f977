"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Act",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at_ms", models.BigIntegerField(db_index=True)),
                ("body", models.BinaryField(max_length=4096)),
                ("hash", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="ChainHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.BigIntegerField(default=0)),
                ("hash", models.BinaryField(max_length=32)),
            ],
        ),
    ]
