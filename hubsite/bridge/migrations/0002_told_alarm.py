"""An alarm is known by its moment, too."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("bridge", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("bridgealarm", "bridge_one_of_an_alarm"),
        migrations.AddConstraint(
            "bridgealarm",
            models.UniqueConstraint(
                fields=("hub", "number", "chain_hash", "words", "at"),
                name="bridge_one_of_a_told_alarm",
            ),
        ),
    ]
