"""From where an account was signed in to last: "" where that was before this step."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("accounts", "0003_sessions")]
    operations = [
        migrations.AddField(
            "account", "last_from", models.CharField(blank=True, default="", max_length=64)
        ),
    ]
