"""Phones that others make: hubs know them by a digest."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0012_revoked_elsewhere")]
    operations = [
        migrations.AddField(
            "credential", "digest", models.CharField(editable=False, max_length=32, null=True)
        ),
        migrations.AlterField(
            "credential",
            "kind",
            models.CharField(
                choices=[
                    ("phone", "phone"),
                    ("web", "phone in a browser"),
                    ("pkoc", "phone of others (PKOC)"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            "credential",
            models.UniqueConstraint(
                condition=models.Q(revoked_at=None),
                fields=("digest",),
                name="credential_digest_is_held_once",
            ),
        ),
    ]
