"""A server that was restored knows so until it has seen what the hubs' engine has."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0014_cards")]
    operations = [
        migrations.AddField("engineplace", "is_restored", models.BooleanField(default=False)),
    ]
