"""What web phones are told of revocations, and of hubs that were ended."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0005_guests")]
    operations = [
        migrations.AddField("signedpolicy", "revocations", models.BinaryField(null=True)),
        migrations.CreateModel(
            name="EndedHub",
            fields=[
                ("kid", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("hub", models.CharField(max_length=32)),
                ("ended_at", models.DateTimeField(auto_now_add=True)),
                ("ended_by", models.CharField(editable=False, max_length=32)),
            ],
            options={"ordering": ("hub", "kid")},
        ),
    ]
