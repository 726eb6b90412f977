"""Cards at readers: known by a digest as phones of others are, and both may have an end.

A server that was restored knows so until it has seen what the hubs' engine has.
"""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0013_others")]
    operations = [
        migrations.AddField("engineplace", "is_restored", models.BooleanField(default=False)),
        migrations.AddField("credential", "ends", models.DateTimeField(editable=False, null=True)),
        migrations.AlterField(
            "credential",
            "kind",
            models.CharField(
                choices=[
                    ("phone", "phone"),
                    ("web", "phone in a browser"),
                    ("pkoc", "phone of others (PKOC)"),
                    ("card", "card"),
                ],
                max_length=8,
            ),
        ),
    ]
