"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="HubAsked",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("by", models.CharField(max_length=32)),
                ("act", models.CharField(max_length=16)),
                ("hub", models.CharField(max_length=32)),
                ("fingerprint", models.CharField(blank=True, default="", max_length=24)),
                ("is_done", models.BooleanField(null=True)),
                ("sentence", models.CharField(blank=True, default="", max_length=512)),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="HubPromise",
            fields=[
                ("hub", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("state", models.CharField(max_length=16)),
                ("doors", models.CharField(blank=True, default="", max_length=4096)),
                ("time_zone", models.CharField(blank=True, default="", max_length=64)),
                ("ends", models.BigIntegerField(default=0)),
                ("fingerprint", models.CharField(blank=True, default="", max_length=24)),
                ("replaces", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("hub",),
            },
        ),
        migrations.CreateModel(
            name="HubState",
            fields=[
                ("hub", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("is_here", models.BooleanField(null=True)),
                ("away_since", models.DateTimeField(null=True)),
                ("began", models.DateTimeField(null=True)),
                ("updates", models.BinaryField(default=b"", max_length=2048)),
                ("updates_at", models.DateTimeField(null=True)),
                ("stop", models.CharField(blank=True, default="", max_length=512)),
                ("access_points", models.CharField(blank=True, default="", max_length=512)),
                ("certificate_ends", models.BigIntegerField(null=True)),
                ("certificate_wrong", models.CharField(blank=True, default="", max_length=512)),
                ("tls_ends", models.BigIntegerField(null=True)),
                ("tls_wrong", models.CharField(blank=True, default="", max_length=512)),
            ],
            options={
                "ordering": ("hub",),
            },
        ),
    ]
