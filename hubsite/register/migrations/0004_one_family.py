"""A link knows the one code and the one family of tokens that it gave."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0003_phones")]
    operations = [
        migrations.AddField(
            "invitation", "code", models.CharField(blank=True, default="", max_length=64)
        ),
        migrations.AddField(
            "invitation", "family", models.UUIDField(editable=False, null=True, unique=True)
        ),
    ]
