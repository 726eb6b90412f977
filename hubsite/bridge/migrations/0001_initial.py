"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BridgeAlarm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hub", models.CharField(max_length=32)),
                ("number", models.BigIntegerField()),
                ("chain_hash", models.CharField(max_length=64)),
                ("words", models.CharField(max_length=200)),
                ("at", models.BigIntegerField()),
                ("bridge", models.CharField(max_length=32)),
                ("heard_at", models.BigIntegerField()),
                ("is_other", models.BooleanField(default=False)),
                ("seen_by", models.CharField(blank=True, default="", max_length=32)),
                ("seen_at", models.BigIntegerField(null=True)),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hub", "number", "chain_hash", "words"),
                        name="bridge_one_of_an_alarm",
                    )
                ],
            },
        ),
    ]
