"""Who made a token, and when it was used last."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns; of older tokens nobody knows."""

    dependencies = (("scim", "0001_initial"),)
    operations = (
        migrations.AddField(
            "scimtoken", "made_by", models.CharField(default="", editable=False, max_length=32)
        ),
        migrations.AddField(
            "scimtoken", "used_at", models.DateTimeField(editable=False, null=True)
        ),
    )
