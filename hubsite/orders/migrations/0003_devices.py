"""What a device of a hub is told is an order, too."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step: orders that are there are for doors."""

    dependencies = [("orders", "0002_turns")]

    operations = [
        migrations.AddField(
            "order", "hub", models.CharField(max_length=64, default="", blank=True)
        ),
        migrations.AddField(
            "order", "device", models.CharField(max_length=32, default="", blank=True)
        ),
        migrations.AddField("order", "verb", models.SmallIntegerField(null=True)),
        migrations.AddField("order", "level", models.SmallIntegerField(null=True)),
        migrations.AddIndex(
            "order", models.Index(fields=["hub", "device", "-at"], name="order_device")
        ),
    ]
