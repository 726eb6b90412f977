"""What a hub finds wrong with itself."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [
        ("fleet", "0002_devices"),
    ]

    operations = [
        migrations.AddField(
            model_name="hubstate",
            name="wrong",
            field=models.BinaryField(default=b"", max_length=4096),
        ),
        migrations.AddField(
            model_name="hubstate",
            name="wrong_at",
            field=models.DateTimeField(null=True),
        ),
    ]
